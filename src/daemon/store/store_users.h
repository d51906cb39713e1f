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
 * Loads the users, and blocks, for `wait_ms` at most. Call it as the user that the process is or
 * becomes. Stores NULL if files have them. Returns 0 or a negative error, which was reported:
 * a listener needs them, and there are none.
 */
int store_users_load(
        struct weir_loop *loop, struct config *config, uint32_t wait_ms, struct store_users **ret);

/*
 * Gives a configuration that is not in effect yet its users. Returns 0 or a negative error, which
 * was reported. `users` may be NULL.
 */
int store_users_apply(struct store_users *users, struct config *config);

/* The configuration is in effect. `users` may be NULL. */
void store_users_follow(struct store_users *users, struct config *config);

/* Follows the database from now on. Returns 0 or -ENOMEM. `users` may be NULL. */
int store_users_start(struct store_users *users, void (*renew)(void *context), void *context);

/* Returns false if there is no such snapshot, or it has not been started. */
bool store_users_info(const struct store_users *users, struct weir_database_snapshot_info *ret);

/* Looks at the database now. `users` may be NULL. */
void store_users_poll(struct store_users *users);

/* NULL is allowed. */
void store_users_destroy(struct store_users *users);

#endif
