/* FTP in the daemon: a directory, for the users of a file and for anonymous ones. */
#ifndef DAEMON_SERVICE_FTP_H
#define DAEMON_SERVICE_FTP_H

#include "config.h"
#include "service.h"

struct options;

extern const struct service_type service_ftp;

/* -- configuration ----------------------------------------------------------------------------- */

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

/* -- options of the command line --------------------------------------------------------------- */

/*
 * Replaces keys of the file by the options, and checks that there is a directory to serve. Returns
 * 0 or a negative errno, which was reported.
 */
int load_ftp(struct config *config, const struct options *options);

#endif
