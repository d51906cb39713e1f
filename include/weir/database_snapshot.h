/*
 * A snapshot: rows of the database that a process keeps in memory, such as its users. The last good
 * one stays while the database is away.
 *
 *   poll ─▶ version ─┬─ as before ─▶ wait
 *                    └─ another ─▶ rows ─▶ text ─▶ parse (on the work pool) ─▶ use ─▶ wait
 *                                                    └─▶ a copy on disk
 *   start ─▶ the copy on disk ─▶ parse ─▶ use ─▶ poll
 *
 * The table weir_snapshot has a row for each kind of snapshot. A writer of such rows changes the
 * version in the same transaction (weir_database_snapshot_bump). Every front end looks at it every
 * few seconds. Any other version counts as new, so that the snapshot also follows a database that
 * was restored from a backup.
 *
 * The copy on disk (weir/database_copy.h) lets a front end start while the database is away. A
 * snapshot begins with it. It is not trusted for long: the first look at the database loads all
 * rows.
 *
 * Everything here belongs to the loop's thread, except `parse`.
 */
#ifndef WEIR_DATABASE_SNAPSHOT_H
#define WEIR_DATABASE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/limits.h>
#include <weir/postgres.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_database_snapshot;

/* A kind of snapshot: its rows, and how their text becomes an object. */
struct weir_database_snapshot_type {
	const char *name;   /* of the row in weir_snapshot; a word */
	const char *select; /* the statement that yields the rows; it has no values */
	size_t bytes_max;   /* of the text */
	/*
	 * Appends a row to the text. Returns 0, or a negative error with a line for the user in
	 * `ret_why`: the load has failed.
	 */
	int (*format)(const struct weir_postgres_row *row, struct weir_buffer *text,
	        char ret_why[WEIR_POSTGRES_WHY_MAX]);
	/* Makes an object that `parse` fills. Returns NULL without memory. */
	void *(*begin)(void *context);
	/*
	 * Fills the object, on a thread of the work pool. Returns 0, or a negative error with a
	 * line for the user in `ret_why`: that version is not loaded again, except after -ENOMEM
	 * and -EAGAIN.
	 */
	int (*parse)(void *object, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX]);
	/*
	 * Takes the object in place of the one before. It may take the text, too, by leaving an
	 * empty buffer.
	 */
	void (*use)(void *context, void *object, struct weir_buffer *text);
	/* Frees an object that is not used. */
	void (*drop)(void *object);
	/*
	 * Hears once why the snapshot is not renewed, and with NULL that it is renewed again. NULL:
	 * no reports.
	 */
	void (*report)(void *context, const char *why);
	/*
	 * Appends the text of the copy, which lacks the secrets that are not encrypted, and counts
	 * them. On a thread of the work pool. NULL: the copy has the whole text. Returns 0 or a
	 * negative error.
	 */
	int (*copy)(struct weir_span text, struct weir_buffer *copy, size_t *ret_left_out);
	/* Hears what is wrong with the copy: a line for the user. NULL: no reports. */
	void (*warn)(void *context, const char *text);
};

/* Begin with weir_database_snapshot_options_init. */
struct weir_database_snapshot_options {
	const struct weir_database_snapshot_type *type; /* borrowed */
	void *context;                                  /* of its functions */
	/* The file of the copy, in a directory that the process may write to; NULL: none. */
	const char *copy;
	/* Between two looks, less a random part of up to a half; WEIR_DATABASE_POLL_MS. */
	uint32_t poll_ms;
};

WEIR_API void weir_database_snapshot_options_init(struct weir_database_snapshot_options *options);

/*
 * Begins at once, with the copy. The database must outlive it; a parse that is under
 * way holds it. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_database_snapshot_create(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_snapshot_options *options, struct weir_database_snapshot **ret);

/* No function of the type is called any more, except `parse` and `drop`. NULL is allowed. */
WEIR_API void weir_database_snapshot_destroy(struct weir_database_snapshot *snapshot);

/* Looks now: a writer may have given a hint. */
WEIR_API void weir_database_snapshot_poll(struct weir_database_snapshot *snapshot);

/* Where the object in use is from. */
enum weir_database_origin {
	WEIR_DATABASE_NOTHING, /* there is none */
	WEIR_DATABASE_COPY,    /* the copy on disk; the database has not confirmed it since */
	WEIR_DATABASE_ROWS,    /* the database */
};

struct weir_database_snapshot_info {
	enum weir_database_origin origin;
	bool reading;     /* the copy is being read */
	int64_t version;  /* in use; -1: none */
	int64_t since_ms; /* when it was created, as weir_loop_now_ms */
	int64_t seen_ms;  /* when the database last confirmed it, likewise: also before the start */
	uint64_t loads;   /* objects that were used */
	uint64_t failures; /* looks and loads that failed */
	size_t bytes;      /* of the text of the last load */
	bool failing;      /* the last look or load has failed */
	const char *why;   /* the reason, if it is failing; valid until the loop goes on */
};

WEIR_API void weir_database_snapshot_info(
        const struct weir_database_snapshot *snapshot, struct weir_database_snapshot_info *ret);

/*
 * The statement by which a writer changes the version; its value is the name. It is a part of the
 * writer's call.
 */
WEIR_API extern const char weir_database_snapshot_bump[];

WEIR_C_END

#endif
