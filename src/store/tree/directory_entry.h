/* Where a change is made: a directory beneath the root, and a name in it. For the work pool. */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include <stdint.h>

#include "stored_file.h"

struct stat;

struct directory_entry {
	int directory;    /* open for openat and its like, and mostly for fsync */
	const char *name; /* in the path given to directory_entry_open */
};

/*
 * Splits a path, and opens what is before the last component. -EISDIR: it has no last component
 * that could be a name. -ENAMETOOLONG, or an error of opening.
 */
int directory_entry_open(
        const struct open_rules *rules, const char *path, struct directory_entry *ret);

/* The checks of directory_entry_open that need no disk: 0, -EISDIR or -ENAMETOOLONG. */
int directory_entry_check(const char *path);

void directory_entry_close(struct directory_entry *place);

/*
 * Asks `check` of weir_upload_options about what a lookup of the path would find now. 0, -EISDIR for
 * a directory, what `check` says, or an errno. To be called with the names locked.
 */
int directory_entry_ask(const struct open_rules *rules, const char *path,
        int (*check)(void *context, const struct stat *there), void *context);

/* Makes sure that the directory's names are on the disk. 0 or an errno. */
int directory_entry_sync(const struct directory_entry *place);

#endif
