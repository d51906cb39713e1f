/* Loads the users and aliases of mail, and checks what each listener of mail needs. */
#ifndef DAEMON_CONFIG_MAIL_H
#define DAEMON_CONFIG_MAIL_H

#include "config.h"

/*
 * Loads the users and, if there are domains, the aliases; blocks. Calls `report` for every mistake,
 * with the file, or "" for none, and the line, or 0. Returns 0 or a negative errno.
 */
int config_mail_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context);

/* Returns why this listener cannot be served, and what to do; NULL if it can, or is not of mail. */
const char *config_mail_lack(const struct config *config, const struct config_listener *listener);

/* Returns what is wrong with a value of `mail`, and the name of its key; NULL if nothing is. */
const char *config_mail_mistake(const struct config_mail *mail, const char **ret_key);

/*
 * Whether passwords may be sent to this address without TLS: no packet for it leaves the machine.
 */
bool config_mail_is_inside(const struct weir_address *address);

/* Whether the servers of one configuration can go on with the other; users, domains and aliases may
 * differ. */
bool config_mail_same(const struct config_mail *a, const struct config_mail *b);

/* Whether both can share one struct mail_host. */
bool config_mail_same_host(const struct config_mail *a, const struct config_mail *b);

/* Returns the size of the largest message with the fields that the server adds. */
uint64_t config_mail_stored_max(const struct config_mail *mail);

/* Returns the name of this server; `text` is room for it. */
const char *config_mail_hostname(const struct config_mail *mail, char *text, size_t size);

#endif
