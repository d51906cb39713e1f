/* Applies the options of mail on the command line, for load.c. */
#ifndef DAEMON_LOAD_MAIL_H
#define DAEMON_LOAD_MAIL_H

#include "options.h"

/* Replaces keys of the file by the options. Returns 0 or a negative errno, which was reported. */
int load_mail(struct config *config, const struct options *options);

/*
 * Checks that each listener of mail has what it needs; call when the certificates are known. Shares
 * the mailboxes of `previous`, which may be NULL, if they are the same. Returns 0 or a negative
 * errno, which was reported.
 */
int load_mail_check(
        struct config *config, const struct options *options, const struct config *previous);

#endif
