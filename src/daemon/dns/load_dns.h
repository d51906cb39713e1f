/* What the command line says about DNS, for load.c. */
#ifndef DAEMON_LOAD_DNS_H
#define DAEMON_LOAD_DNS_H

#include "options.h"

/*
 * Puts it before what the file says, and sees that there is something to answer from. `previous` is
 * what is served until now, or NULL. 0 or a negative errno, which was said.
 */
int load_dns(struct config *config, const struct options *options, const struct config *previous);

#endif
