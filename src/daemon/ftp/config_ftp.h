/* Loads the users of FTP, and finds the directory that it serves. */
#ifndef DAEMON_CONFIG_FTP_H
#define DAEMON_CONFIG_FTP_H

#include "config.h"

/*
 * Loads the users; blocks. Calls `report` for every mistake, with the file, and the line or 0.
 * Returns 0 or a negative errno.
 */
int config_ftp_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context);

/* Returns the root of FTP, or else that of the first site; NULL if there is none. */
const char *config_ftp_root(const struct config *config);

/* Warns if one address can use all passive ports. */
void config_ftp_warn(const struct config *config);

#endif
