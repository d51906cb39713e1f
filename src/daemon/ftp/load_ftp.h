/* What the command line says about FTP, for load.c. */
#ifndef DAEMON_LOAD_FTP_H
#define DAEMON_LOAD_FTP_H

#include "options.h"

/*
 * Puts it before what the file says, and sees that there is something to serve. 0 or a negative
 * errno, which was said.
 */
int load_ftp(struct config *config, const struct options *options);

#endif
