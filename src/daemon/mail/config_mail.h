/*
 * What mail needs beside its values: the users and aliases that they name, and that each listener
 * has what it cannot be without.
 */
#ifndef DAEMON_CONFIG_MAIL_H
#define DAEMON_CONFIG_MAIL_H

#include "config.h"

/*
 * Reads the users and, if there are domains, the aliases; blocks. What is wrong is told to `report`
 * with the file, or "" if it is in no file, and the line, or 0. 0 or a negative errno.
 */
int config_mail_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context);

/* Why this listener cannot be served, and what to do; NULL: it can, or is not one of mail. */
const char *config_mail_lack(const struct config *config, const struct config_listener *listener);

/* The same for a value of `mail`, and the name of its key; NULL: it is good. */
const char *config_mail_mistake(const struct config_mail *mail, const char **ret_key);

/* Whether passwords may be sent to this address without TLS: no packet for it leaves the machine. */
bool config_mail_is_inside(const struct weir_address *address);

/* Whether servers that serve the one can go on to serve the other: users, domains and aliases may
 * differ. */
bool config_mail_same(const struct config_mail *a, const struct config_mail *b);

/* Whether both can have one host. */
bool config_mail_same_host(const struct config_mail *a, const struct config_mail *b);

/* The bytes of the largest message, with what is put before it here; 0: the library's default. */
uint64_t config_mail_stored_max(const struct config_mail *mail);

/* How this machine is called to others; `text` has room for it if it must be asked. */
const char *config_mail_hostname(const struct config_mail *mail, char *text, size_t size);

#endif
