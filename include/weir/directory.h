/*
 * Reading a directory in constant memory: batches of entries, read on the work pool one ahead of
 * nobody: the next batch is read when it is asked for.
 *
 *   open ─▶ next ─····▶ done(batch) ─▶ next ─····▶ done(batch) ─▶ … ─▶ done(empty) ─▶ close
 *
 * All on the loop's thread. Close may come at any time.
 */
#ifndef WEIR_DIRECTORY_H
#define WEIR_DIRECTORY_H

#include <stdbool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <weir/api.h>
#include <weir/tree.h>

struct weir_directory;
struct weir_tree;

/* `.` and `..` are left out. Symbolic links are not followed: what is told is of the link. */
struct weir_directory_entry {
	const char *name; /* any bytes but `/` and NUL; not always UTF-8 */
	enum weir_file_kind kind;
	/* All 0 without details. */
	uint64_t size;
	struct timespec mtime;
	mode_t mode; /* st_mode */
	nlink_t links;
	/* With `tree` only: a lookup would not give it. */
	bool refused;
	ino_t inode;
	dev_t device;
};

/* All zero: kinds and names only, in the directory's own order. */
struct weir_directory_options {
	bool details; /* size, mtime and so on: one fstatat an entry */
	/*
	 * A directory of up to so many entries (WEIR_DIRECTORY_SORT_MAX at most) comes as one
	 * batch, sorted by the bytes of the names. A larger one comes unsorted. 0: nothing is
	 * sorted.
	 */
	unsigned sort_max;
	/*
	 * The tree, and the directory's path in it (copied), to find out what a lookup
	 * of each entry would say: one or two more system calls an entry. NULL: that is not asked. The
	 * tree may be closed meanwhile.
	 */
	struct weir_tree *tree;
	const char *path;
};

/*
 * Starts to read the directory open at `fd` (such as that of a weir_produce_file), which is duplicated: it
 * need not stay open, and its offset is not touched. NULL options: the defaults. 0, -ENOMEM,
 * -EMFILE.
 */
WEIR_API int weir_directory_open(struct weir_loop *loop, int fd,
        const struct weir_directory_options *options, struct weir_directory **ret);

/*
 * Asks for the next batch; `done` is called once, in a later turn, unless the directory is closed
 * before. `entries` (and their names) are valid until the next weir_directory_next or the close,
 * which both may be called from `done`. The end is error 0 and count 0; it is told again if asked
 * again. An error is a negative errno (-EACCES, -EIO, -ENOMEM), WEIR_E_LIMIT if too much work
 * waits, and ends the reading. Not while one is under way. What was removed while it was being read
 * may be missing or have no details.
 */
WEIR_API void weir_directory_next(struct weir_directory *directory,
        void (*done)(
                void *context, int error, const struct weir_directory_entry *entries, size_t count),
        void *context);

/* Ends the reading and frees. NULL is allowed. */
WEIR_API void weir_directory_close(struct weir_directory *directory);

#endif
