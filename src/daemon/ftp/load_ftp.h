/* Applies the options of FTP on the command line, for load.c. */
#ifndef DAEMON_LOAD_FTP_H
#define DAEMON_LOAD_FTP_H

#include "options.h"

/*
 * Replaces keys of the file by the options, and checks that there is a directory to serve. Returns
 * 0 or a negative errno, which was reported.
 */
int load_ftp(struct config *config, const struct options *options);

#endif
