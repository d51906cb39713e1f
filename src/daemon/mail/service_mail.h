/*
 * The services of mail: SMTP with its personalities, and POP3, on one store. The state of both is
 * the configuration itself, with its struct mail_shared.
 */
#ifndef DAEMON_SERVICE_MAIL_H
#define DAEMON_SERVICE_MAIL_H

#include "config.h"
#include "refcount.h"
#include "service.h"

struct options;
struct weir_mail_store;
struct weir_peers;

extern const struct service_type service_smtp, service_pop3;

/* -- shared state ------------------------------------------------------------------------------ */

/*
 * The state that all servers of mail share, on all workers: the mailboxes, and the number of
 * connections of each peer.
 *
 * It is reference counted: configurations and servers hold it, and a reload that does not change it
 * goes on with it. Any thread may hold and release it.
 */
struct mail_shared {
	struct refcount references;
	struct weir_mail_store *store;
	struct weir_peers *peers;
};

/*
 * `load` and `unload` of struct service_type: the service state is the configuration, which has the
 * shared state then. A missing directory is created for the configured user.
 */
int mail_shared_load(struct config *config, struct budget budget, void **ret_state);
void mail_shared_unload(void *state);

/* Has a configuration use the mailboxes of another one instead of its own. */
void mail_shared_use(struct config *config, const struct config *from);

struct mail_shared *mail_shared_hold(struct mail_shared *shared);
/* NULL is allowed. */
void mail_shared_release(struct mail_shared *shared);

/* -- configuration ----------------------------------------------------------------------------- */

/*
 * Loads the users and, if there are domains, the aliases; blocks. Calls `report` for every mistake,
 * with the file, or "" for none, and the line, or 0. Returns 0 or a negative errno.
 */
int config_mail_load(struct config *config,
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context);

/* Whether the database has the users and aliases of mail: no file is named. */
bool config_mail_is_stored(const struct config *config);

/* Whether the mailboxes are in the database of `store`. */
bool config_mail_has_stored_mailboxes(const struct config *config);

/*
 * Makes users and, if there are domains, routes of the texts of a users file and an aliases file;
 * without domains *ret_routes is NULL. Mistakes are reported as by config_mail_load, of the paths
 * "users" and "aliases". Any thread. Returns 0 or a negative errno.
 */
int config_mail_parse(const struct config_mail *mail, const struct weir_span texts[2],
        void (*report)(void *context, const char *path, unsigned line, const char *text),
        void *context, struct weir_users **ret_users, struct weir_mail_routes **ret_routes);

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

/* Whether both can share one struct mail_shared. */
bool config_mail_same_shared(const struct config_mail *a, const struct config_mail *b);

/* Returns the size of the largest message with the fields that the server adds. */
uint64_t config_mail_stored_max(const struct config_mail *mail);

/* Returns the name of this server; `text` is room for it. */
const char *config_mail_hostname(const struct config_mail *mail, char *text, size_t size);

/* -- options of the command line --------------------------------------------------------------- */

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
