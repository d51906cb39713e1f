/*
 * A directory that is being read: directory.c has the batches, and directory_read.c makes their
 * entries.
 *
 * A pattern of several components has a level for each. The names of the last level are entries.
 * Those of the other levels are directories, which are entered one at a time. Without a pattern
 * there is one level.
 *
 * Invariants: while `busy`, all fields but `closed` belong to the work pool. Entries point to names
 * in the buffer that was read, in `texts`, or in the sorted collection.
 */
#ifndef WEIR_DIRECTORY_STATE_H
#define WEIR_DIRECTORY_STATE_H

#include <dirent.h>

#include <weir/buffer.h>
#include <weir/directory.h>
#include <weir/limits.h>
#include <weir/loop.h>

#include "tree_state.h"

enum {
	DIRECTORY_ENTRIES = 512,         /* in a batch */
	DIRECTORY_TEXTS_MAX = 64 * 1024, /* bytes, after which a batch gets no further entry */
	/* Bytes of names that are read at once at all levels but the last. */
	DIRECTORY_LEVEL_NAMES = 8 * 1024,
};

/* A directory that is being read, and the component that its names have to fit. */
struct directory_level {
	int fd;              /* -1: not entered */
	const char *pattern; /* one component; NULL: all names */
	bool literal;        /* The component is a name: nothing has to be read. */
	bool ended;          /* there is no more to read */
	size_t path_size;    /* of its path beneath the first directory, `/` at its end */
	size_t filled;       /* bytes of `names` */
	size_t parsed;       /* of these */
	size_t room;
	char *names; /* of struct dirent64 */
};

/* The entries of a directory that are to be sorted. */
struct directory_collection {
	struct weir_buffer entries; /* of struct weir_directory_entry */
	struct weir_buffer texts;   /* names and targets, each ended by NUL */
};

struct weir_directory {
	struct weir_work work;
	struct weir_loop *loop;
	int fd; /* the caller's, duplicated; then the first level's */
	bool opened;
	bool ended;
	bool busy;
	bool closed;
	bool unfinished;                       /* The batch needs another piece of work. */
	char *path;                            /* of the options, copied; only with a tree */
	struct weir_directory_options options; /* sort_max is 0 once it was tried */
	weir_directory_batch_fn *done;
	void *context;

	int error;
	unsigned looked;     /* names, by this piece of work */
	unsigned long total; /* names, by all before it */
	unsigned level_count;
	unsigned depth; /* the level that is being read */
	/* With a pattern, its text and the names of all levels but the last follow the array. */
	struct directory_level *levels;
	struct directory_level single; /* without a pattern */
	const struct weir_directory_entry *batch;
	size_t count;
	struct directory_collection collection;
	struct weir_buffer texts; /* of the batch: names that are paths, targets */
	struct weir_directory_entry entries[DIRECTORY_ENTRIES];
	char below[WEIR_PATH_MAX]; /* the path of the level beneath the first directory */
	_Alignas(struct dirent64) char names[WEIR_DIRECTORY_BATCH];
};

/* -- directory_read.c, on the work pool -------------------------------------------------------- */

/* Makes the first level's own descriptor, once. Returns 0 or an errno. */
int directory_open_own(struct weir_directory *directory);

/* Reads up to DIRECTORY_ENTRIES entries. Without any it is the end, or an error, or unfinished. */
size_t directory_read(struct weir_directory *directory);

/* Sets the pointers of entries. Their texts are in the same order, names before targets. */
void directory_set_pointers(
        struct weir_directory_entry *entries, size_t count, const struct weir_buffer *texts);

#endif
