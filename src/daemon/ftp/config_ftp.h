/*
 * What FTP needs beside its values: the users that they name, and a directory.
 */
#ifndef DAEMON_CONFIG_FTP_H
#define DAEMON_CONFIG_FTP_H

#include "config.h"

/*
 * Reads the users; blocks. What is wrong is told to `report` with the file and the line, or 0. 0 or
 * a negative errno.
 */
int config_ftp_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context);

/* What FTP serves: its own root or that of the first site; NULL: there is none. */
const char *config_ftp_root(const struct config *config);

/* Says so if one address can use up the passive ports. */
void config_ftp_warn(const struct config *config);

#endif
