/*
 * The passwords that sites and their rules ask for (`auth`). Where `auth` names no users file, its
 * users are those of the database, which change while it is in effect (store_users.h): a worker's
 * sites remember these handlers, and give them the users that the configuration has then.
 */
#ifndef DAEMON_SITE_AUTHS_H
#define DAEMON_SITE_AUTHS_H

#include <stddef.h>

struct config;
struct weir_http_handler;
struct weir_users;

/* The settings of a handler. All is borrowed from the configuration. */
struct site_auth {
	const char *users_path; /* NULL: the users are those of the database */
	struct weir_users *const *users;
	const char *realm;
	const char *prefix; /* of the paths that it protects */
};

/* Those of all sites of a configuration, on one worker. */
struct site_auths {
	const struct config *config;
	struct site_auth_stored *items; /* with the users of the database; room for all of them */
	size_t count;
};

/* The configuration is borrowed. Returns 0 or -ENOMEM. */
int site_auths_init(struct site_auths *auths, const struct config *config);

/* The handlers may have been destroyed. */
void site_auths_finish(struct site_auths *auths);

/*
 * Makes the handler of an `auth`, for the caller. Returns 0; -EINVAL without users, since nobody
 * may pass then; or -ENOMEM.
 */
int site_auths_create(
        struct site_auths *auths, const struct site_auth *auth, struct weir_http_handler **ret);

/* Gives the handlers the users that the configuration has now. On the thread of their loop. */
void site_auths_renew(struct site_auths *auths);

#endif
