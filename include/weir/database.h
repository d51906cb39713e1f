/*
 * A database that several machines share: the stores of weir/mail_store.h and others in it.
 *
 *   thread ─ loop ─▶ weir_database_pool ─▶ a pool of weir/postgres.h for this loop
 *
 * A front end is a process that serves from the database. All front ends are equal. Each has an
 * owner's name, which nobody else has, for its leases. A lease is a column with an owner and one
 * with an end: a front end that dies loses its leases by time. Times are those of the database's
 * clock, so that the clocks of front ends need not agree.
 *
 * The statements are of the subset that PostgreSQL, YugabyteDB and CockroachDB have in common.
 *
 * Any thread may use a database, each with its own loop.
 */
#ifndef WEIR_DATABASE_H
#define WEIR_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/postgres.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_database;

/* Characters of an id with its NUL: a UUID of version 7 (RFC 9562 5.7). */
#define WEIR_DATABASE_ID_SIZE 37

/* SQL of a time behind all those that a row can have for a reason. */
#define WEIR_DATABASE_TIME_END "timestamptz '2200-01-01 00:00:00+00'"

/*
 * SQL of the time in a column that cannot be NULL, between 1970 and 2200. Infinity has no number of
 * seconds: a statement that asks for them fails, for all rows, if a single row has such a time.
 */
#define WEIR_DATABASE_TIME(column)                                                                 \
	"least(greatest(" column                                                                   \
	", timestamptz '1970-01-01 00:00:00+00'), " WEIR_DATABASE_TIME_END ")"

/* SQL of such a time in whole seconds since 1970. */
#define WEIR_DATABASE_SECONDS(column)                                                              \
	"floor(extract(epoch FROM " WEIR_DATABASE_TIME(column) "))::bigint"

/* Bytes of the key that encrypts secrets in the database. */
#define WEIR_DATABASE_SEAL_SIZE 32

/*
 * Makes a database; nothing is connected yet. The options are those of each loop's pool; texts are
 * copied, `resolver` must be NULL. Returns as weir_postgres_create does.
 */
WEIR_API int weir_database_create(const struct weir_postgres_options *options,
        char ret_why[WEIR_POSTGRES_WHY_MAX], struct weir_database **ret);

WEIR_API struct weir_database *weir_database_hold(struct weir_database *database);

/* Releases a reference. Every loop must have left before the last one. NULL is allowed. */
WEIR_API void weir_database_release(struct weir_database *database);

/*
 * Gets the pool of a loop, on the loop's thread; the first call makes it. It is valid until the
 * loop leaves. Returns 0 or -ENOMEM; or WEIR_E_LIMIT if WEIR_DATABASE_LOOPS_MAX loops have one.
 */
WEIR_API int weir_database_pool(
        struct weir_database *database, struct weir_loop *loop, struct weir_postgres **ret);

/*
 * Destroys the pool of a loop, on the loop's thread: all calls are cancelled without a callback.
 * Must be called before the loop is destroyed. Has no effect if the loop has none.
 */
WEIR_API void weir_database_leave(struct weir_database *database, struct weir_loop *loop);

/* Returns the owner's name of this front end, a UUID. */
WEIR_API const char *weir_database_owner(const struct weir_database *database);

/*
 * Has secrets be encrypted with this key before they are stored (AES-256-GCM): of TSIG, of session
 * tickets, of cookies. All front ends need the same key. Without one, a reader of the database can
 * read the secrets; those that are stored already are still read with a key. Call it before any
 * other thread holds the database.
 */
WEIR_API void weir_database_set_seal(
        struct weir_database *database, const unsigned char key[WEIR_DATABASE_SEAL_SIZE]);

struct weir_buffer;

/*
 * Encrypts and decrypts secrets where the key is, such as in another process. Both functions append
 * to the last buffer, and return as weir_database_seal and weir_database_unseal, or another
 * negative errno. They may block, and are called on any thread, several at a time.
 */
struct weir_database_sealer {
	int (*seal)(void *context, const char *purpose, struct weir_span name,
	        struct weir_span secret, struct weir_buffer *text);
	int (*unseal)(void *context, const char *purpose, struct weir_span name,
	        struct weir_span text, struct weir_buffer *secret);
	void *context; /* must outlive the database */
};

/* In place of weir_database_set_seal. The sealer is borrowed as long as the database lives. */
WEIR_API void weir_database_set_sealer(
        struct weir_database *database, const struct weir_database_sealer *sealer);

/*
 * Makes an id that nobody else makes. Later ones are mostly greater, so that an index grows at its
 * end. Returns 0, or -EAGAIN if the kernel has no random bytes yet.
 */
WEIR_API int weir_database_make_id(char ret[WEIR_DATABASE_ID_SIZE]);

/* -- calls ------------------------------------------------------------------------------------- */

/* The end of a call. `text` is the reason in one line, "" for 0. The errors are those of a call. */
typedef void weir_database_done_fn(void *context, int error, const char *text);

/* A call of one of the stores, valid up to its end. */
struct weir_database_call;

/*
 * Ends a call without another callback; what was sent may still take effect. Also from its
 * callbacks, but not from done().
 */
WEIR_API void weir_database_call_cancel(struct weir_database_call *call);

/* -- the schema -------------------------------------------------------------------------------- */

/*
 * The schema has parts, each with its own version: users, mailboxes, queue, zones, keys. The table
 * weir_schema has a row for each: the version, and the oldest version of a program that can use it.
 */

/* A part, as it is in the database. */
struct weir_database_part {
	const char *name;
	unsigned have;   /* the version in the database; 0: nothing of it yet */
	unsigned oldest; /* the oldest version of a program that can use what is there */
	unsigned wanted; /* the version of this program */
	/*
	 * The oldest version in the database that this program can use. Its newer features wait for
	 * a migration.
	 */
	unsigned least;
};

/* Gets a part; false for an index past the last one. `have` and `oldest` are 0. */
WEIR_API bool weir_database_part(unsigned index, struct weir_database_part *ret);

/* Gets a part as it is in the database now; valid during the call. */
typedef void weir_database_progress_fn(void *context, const struct weir_database_part *part);

/*
 * Brings the parts up to the version of this program, one step after another. Each step may be
 * repeated, so that a migration that was interrupted goes on at the next call, and two at one time
 * do no harm. Front ends of the version before may run meanwhile. A part that is newer than this
 * program stays as it is.
 *
 * A step that changes a table needs it for itself for a moment. It waits for WEIR_DATABASE_LOCK at
 * a time, since the front ends wait behind it. It ends with WEIR_E_DATABASE if a transaction uses
 * the table at each of WEIR_DATABASE_LOCK_TRIES further tries.
 *
 * `progress`, which may be NULL, is called for each part at first, and after each of its steps.
 * Returns 0, or an error of weir_postgres_call_start; then no callback comes. A migration ends
 * before its loop leaves, or without its callbacks then.
 */
WEIR_API int weir_database_migrate(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context);

/*
 * Migrates, and repeats the steps that were done before: a table that is missing is made again,
 * without its rows. `progress` is called as by weir_database_migrate. Statements that make an index
 * need the table as those of a migration do.
 */
WEIR_API int weir_database_repair(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context);

/* Reports what the database has of each part by `progress`, and changes nothing. */
WEIR_API int weir_database_look(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context);

/*
 * Looks again and again, for a front end that must know when the schema changes under it. `changed`
 * is called for each part after the first look, and for those that differ after later ones. Returns
 * 0 or -ENOMEM.
 */
struct weir_database_watch;
WEIR_API int weir_database_watch_create(struct weir_database *database, struct weir_loop *loop,
        uint32_t every_ms, weir_database_progress_fn *changed, void *context,
        struct weir_database_watch **ret);

/* Returns how many looks have had a reply. */
WEIR_API uint64_t weir_database_watch_looks(const struct weir_database_watch *watch);

/* Must be called before the loop leaves. NULL is allowed. */
WEIR_API void weir_database_watch_destroy(struct weir_database_watch *watch);

WEIR_C_END

#endif
