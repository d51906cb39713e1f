/* What the command line says about mail, for load.c. */
#ifndef DAEMON_LOAD_MAIL_H
#define DAEMON_LOAD_MAIL_H

#include "options.h"

/* Puts it before what the file says. 0 or a negative errno, which was said. */
int load_mail(struct config *config, const struct options *options);

/* When the certificates are known, too: whether each listener of mail has what it needs. Goes on with
 * the mailboxes of the configuration that is served until now (or NULL), if they are the same. */
int load_mail_check(
        struct config *config, const struct options *options, const struct config *previous);

/* The path, absolute, so that it stays the same file whatever becomes of the directory we were started
 * in. 0 or a negative errno, which was said. */
int load_path(struct config *config, const char *path, const char **ret);

#endif
