/*
 * The users and aliases of the database: a snapshot of them, and changes of users.
 *
 * A row of weir_user has the fields of a line of a users file (weir/users.h). A row of weir_alias
 * has those of a line of an aliases file (weir/mail_routes.h). So the snapshot is the text of both
 * files, and all their rules hold.
 */
#ifndef WEIR_DATABASE_USERS_H
#define WEIR_DATABASE_USERS_H

#include <weir/api.h>
#include <weir/database.h>
#include <weir/database_snapshot.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;

/* -- the snapshot ------------------------------------------------------------------------------ */

/* For a type of a snapshot: its name, statement, bound and rows. */
#define WEIR_DATABASE_USERS "users"
#define WEIR_DATABASE_USERS_BYTES (WEIR_USERS_FILE_MAX + WEIR_ALIASES_FILE_MAX)
WEIR_API extern const char weir_database_users_select[];
WEIR_API int weir_database_users_format(const struct weir_postgres_row *row,
        struct weir_buffer *text, char ret_why[WEIR_POSTGRES_WHY_MAX]);

/* Splits the text of a snapshot into that of a users file and that of an aliases file. */
WEIR_API void weir_database_users_split(
        struct weir_span text, struct weir_span *ret_users, struct weir_span *ret_aliases);

/* -- changes ----------------------------------------------------------------------------------- */

struct weir_database_user {
	struct weir_span hash;
	struct weir_span attributes;
};

/*
 * Gets the user, valid during the call; or NULL, with 0 if there is none, or with an error of a
 * call and its reason in `text`.
 */
typedef void weir_database_user_found_fn(
        void *context, const struct weir_database_user *user, int error, const char *text);

/* Looks for a user. Returns 0, or an error of weir_postgres_call_start. */
WEIR_API int weir_database_user_find(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_user_found_fn *found, void *context);

/*
 * Changes a user: `before` is what weir_database_user_find has found, `after` what it becomes. NULL
 * is no user. The snapshots of all front ends follow. The caller has checked that the line is good.
 * `done` gets 0; -EAGAIN if the user is another one meanwhile, and nothing was changed; or an error
 * of a call. Returns as weir_database_user_find.
 */
WEIR_API int weir_database_user_change(struct weir_database *database, struct weir_loop *loop,
        const char *name, const struct weir_database_user *before,
        const struct weir_database_user *after, weir_database_done_fn *done, void *context);

WEIR_C_END

#endif
