/*
 * Copies on disk of what a front end has in memory of a database (weir/database.h), so that it can
 * start while the database is away: snapshots, secrets, zones.
 *
 *   weir-snapshot 2 NAME VERSION SIZE CRC-32 ⏎ text
 *
 * A copy is a file that is whole or not there: it is written beside its name, synced, and renamed.
 * Its owner alone may read it. A file of another user, or that others may use, is not read. The
 * time of its last change is that at which the database has last confirmed it.
 *
 * A secret is in a copy as it is in the database. The owner of the text leaves out those that are
 * there in clear (weir_database_is_sealed).
 *
 * All functions block. Any thread may call them.
 */
#ifndef WEIR_DATABASE_COPY_H
#define WEIR_DATABASE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_database_copy_info {
	int64_t version;
	int64_t age_ms; /* since the database has confirmed it; 0 if the clock was set back since */
};

/* Replaces the copy. `name` is a word, of its kind. Returns 0 or a negative errno. */
WEIR_API int weir_database_copy_write(
        const char *path, const char *name, int64_t version, struct weir_span text);

/*
 * Reads the copy, whose text has `bytes_max` bytes at most. Fills the empty buffer, which the
 * caller frees in any case. Returns 0; -EBADMSG if it is damaged, or of another name; -EPERM if it
 * is no file of this user alone; WEIR_E_LIMIT; -ENOMEM; or an errno of reading, such as -ENOENT.
 */
WEIR_API int weir_database_copy_read(const char *path, const char *name, size_t bytes_max,
        struct weir_database_copy_info *ret, struct weir_buffer *ret_text);

/* Returns a short text for an error of weir_database_copy_read. */
WEIR_API const char *weir_database_copy_text(int error);

/* Reports what is wrong with copies: each trouble once, up to its end. */
struct weir_database_copy_reports {
	void (*warn)(void *context, const char *text); /* a line for the user. NULL: no reports */
	void *context;
	bool failing; /* it was reported that a copy cannot be written */
	bool lacks;   /* or that it lacks secrets */
};

/* A copy was written, or could not be; it lacks so many secrets. */
WEIR_API void weir_database_copy_written(
        struct weir_database_copy_reports *reports, const char *path, int error, size_t left_out);

/* A copy is not used. */
WEIR_API void weir_database_copy_ignored(
        const struct weir_database_copy_reports *reports, const char *path, const char *why);

/*
 * Parses a copy that is in memory. Stores its text, which is borrowed, and its version. Returns 0
 * or -EBADMSG.
 */
WEIR_API int weir_database_copy_parse(
        struct weir_span copy, const char *name, int64_t *ret_version, struct weir_span *ret_text);

/* The database has confirmed the copy just now. Returns 0 or a negative errno. */
WEIR_API int weir_database_copy_confirm(const char *path);

/*
 * Removes the files of the directory whose name has this beginning, unless they are wanted. Returns
 * 0 or a negative errno.
 */
WEIR_API int weir_database_copies_sweep(const char *directory, const char *beginning,
        bool (*wanted)(void *context, const char *name), void *context);

/*
 * Removes the temporary files of copies that were being written at a crash, of any kind. Those that
 * a process writes now stay. Blocks. Returns 0 or the first error as a negative errno.
 */
WEIR_API int weir_database_copies_clean(const char *directory);

WEIR_C_END

#endif
