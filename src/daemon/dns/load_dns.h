/* Applies the options of DNS on the command line, for load.c. */
#ifndef DAEMON_LOAD_DNS_H
#define DAEMON_LOAD_DNS_H

#include "options.h"

/*
 * Replaces keys of the file by the options, and checks that there is something to answer from.
 * `previous` is the configuration in effect, or NULL. Returns 0 or a negative errno, which was
 * reported.
 */
int load_dns(struct config *config, const struct options *options, const struct config *previous);

#endif
