/*
 * Reads a directory in constant memory, in batches of entries. The work pool reads a batch when the
 * caller asks for it.
 *
 *   open ─▶ next ─····▶ batch(some) ─▶ next ─····▶ batch(some) ─▶ … ─▶ batch(none) ─▶ close
 *
 * All functions belong to the loop's thread. weir_directory_close may be called at any time.
 */
#ifndef WEIR_DIRECTORY_H
#define WEIR_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <weir/api.h>
#include <weir/tree.h>

WEIR_C_BEGIN

struct weir_directory;

/* The object that an entry for a symbolic link describes. */
enum weir_directory_links {
	WEIR_LINKS_PLAIN, /* the link itself */
	WEIR_LINKS_TEXT,  /* the link itself; `target` has its text */
	/* the regular file or directory that it leads to; else the link itself */
	WEIR_LINKS_FOLLOW,
};

/* The order of entries. Those that are equal are in the order of the bytes of their names. */
enum weir_directory_order {
	WEIR_ORDER_NAME,
	WEIR_ORDER_SIZE, /* of regular files; both with details alone */
	WEIR_ORDER_TIME,
};

/* An entry of a directory, other than `.` and `..`. */
struct weir_directory_entry {
	/*
	 * Any bytes but `/` and NUL; not always UTF-8. With a pattern of several components, a path
	 * of as many, such as `a/b.txt`.
	 */
	const char *name;
	enum weir_file_kind kind;
	/* All 0 without details. */
	uint64_t size;
	struct timespec mtime;
	mode_t mode; /* st_mode */
	nlink_t links;
	ino_t inode;
	dev_t device;
	bool refused; /* with check_lookups: a lookup would fail */
	bool linked;  /* a link was followed: all but the name describes its target */
	/*
	 * The text of a link, with WEIR_LINKS_TEXT. NULL if it is longer than WEIR_LINK_TEXT_MAX,
	 * or if it could name something outside of the root, as an absolute path does.
	 */
	const char *target;
};

/*
 * Whether a name is shown, or entered. `pattern` is the component that the name has to fit, or
 * NULL. Runs on a thread of the work pool.
 */
typedef bool weir_directory_shown_fn(const char *pattern, const char *name);

/* Begin with weir_directory_options_init. */
struct weir_directory_options {
	bool details; /* size, mtime and so on: one fstatat an entry; default false */
	/*
	 * A directory of up to so many entries (WEIR_DIRECTORY_SORT_MAX at most) comes as one
	 * batch, sorted. A larger one comes unsorted. 0, the default: nothing is sorted.
	 */
	unsigned sort_max;
	enum weir_directory_order order; /* default WEIR_ORDER_NAME */
	bool descending;                 /* default false */

	/*
	 * The tree, and the directory's path in it (copied). Needed for all options below. The tree
	 * may be closed meanwhile. NULL by default.
	 */
	struct weir_tree *tree;
	const char *path;
	/* Sets `refused`: one or two more system calls an entry; default false. */
	bool check_lookups;
	enum weir_directory_links links; /* default WEIR_LINKS_PLAIN */

	/*
	 * Only names that fit a pattern (copied); NULL, the default: all names. A pattern may have
	 * several components with slashes between them, such as `a*` and `*.txt`. Each component
	 * but the last chooses directories, in which the next one chooses. A link to a directory
	 * beneath the root is entered like a directory. A component without `*`, `?` and `[` is a
	 * name.
	 *
	 * A pattern has WEIR_DIRECTORY_LEVELS_MAX components at most. With more than one, reading
	 * ends with WEIR_E_LIMIT after WEIR_DIRECTORY_PATTERN_MAX names.
	 */
	const char *pattern;
	/* NULL, the default: all names are shown. Must be set with a pattern. */
	weir_directory_shown_fn *shown;
};

/* Sets every member to its default: kinds and names only, in the directory's own order. */
WEIR_API void weir_directory_options_init(struct weir_directory_options *options);

/*
 * Prepares reading of the directory that is open at `fd` (such as that of a weir_file). `fd` is
 * duplicated: it need not stay open, and its offset does not change. NULL options are the defaults.
 * Returns 0, -ENOMEM, -EMFILE, or WEIR_E_LIMIT if the pattern has too many components.
 */
WEIR_API int weir_directory_open(struct weir_loop *loop, int fd,
        const struct weir_directory_options *options, struct weir_directory **ret);

/*
 * A batch, or the end.
 *
 * - `entries` and their names are valid until weir_directory_next or weir_directory_close, which
 *   may be called here.
 * - The end is error 0 and count 0, each time that it is asked for.
 * - An error ends the reading: -EACCES, -EIO, -ENOMEM, or WEIR_E_LIMIT if too much work waits or
 *   the pattern takes too long.
 * - An entry that is removed during the reading may be missing, or have no details.
 */
typedef void weir_directory_batch_fn(
        void *context, int error, const struct weir_directory_entry *entries, size_t count);

/*
 * Asks for the next batch. `batch` is called once, in a later turn, unless the directory is closed
 * before. Not while a batch is being read.
 */
WEIR_API void weir_directory_next(
        struct weir_directory *directory, weir_directory_batch_fn *batch, void *context);

/* Ends the reading and frees. NULL is allowed. */
WEIR_API void weir_directory_close(struct weir_directory *directory);

WEIR_C_END

#endif
