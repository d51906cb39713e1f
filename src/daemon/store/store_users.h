/*
 * The users and aliases of the database, in memory: the process has one snapshot of them, which
 * follows the database.
 *
 *   start:   store_users_load ─▶ the database, or the copy on disk
 *   reload:  store_users_apply(config): users and routes for that configuration, out of the text
 *   change:  the configuration in effect gets others, and `renew` has all workers take them
 *
 * A configuration whose `mail`, `ftp` or an `auth` of HTTP names no file has these users. Its
 * members `mail.users`, `mail.routes`, `ftp.users` and `users` of that `auth` change then while it
 * is in effect: the main thread alone does that, and workers read them only while the main thread
 * waits for them (worker.h).
 *
 * Everything here is for the main thread.
 */
#ifndef DAEMON_STORE_USERS_H
#define DAEMON_STORE_USERS_H

#include <weir/database_snapshot.h>

#include "config.h"

struct store_users;
struct weir_loop;

/*
 * Follows the users, which are those of the copy on disk at first; `renew` is called when others
 * are in use. Stores NULL if files have them. Returns 0 or -ENOMEM.
 */
int store_users_create(struct weir_loop *loop, struct config *config, void (*renew)(void *context),
        void *context, struct store_users **ret);

/*
 * At the end of a start's wait. Returns 0, or a negative errno, which was reported with the reason
 * `why`: a listener needs users, and there are none. `users` may be NULL.
 */
int store_users_check(const struct store_users *users, const char *why);

/*
 * Gives a configuration that is not in effect yet its users. Returns 0 or a negative error, which
 * was reported. `users` may be NULL.
 */
int store_users_apply(struct store_users *users, struct config *config);

/*
 * Whether users and routes for this configuration can be made of the text of a snapshot. Returns 0,
 * or a negative error with its reason.
 */
int store_users_try(
        struct config *config, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX]);

/* The configuration is in effect. `users` may be NULL. */
void store_users_follow(struct store_users *users, struct config *config);

/* Returns false if there is no such snapshot. `users` may be NULL. */
bool store_users_info(const struct store_users *users, struct weir_database_snapshot_info *ret);

/* Looks at the database now. `users` may be NULL. */
void store_users_poll(struct store_users *users);

/* NULL is allowed. */
void store_users_destroy(struct store_users *users);

#endif
