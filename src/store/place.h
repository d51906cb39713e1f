/* Where a change is made: a directory beneath the root, and a name in it. For the work pool. */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include <stdint.h>

#include "stored_file.h"

struct stat;

struct place {
	int directory;    /* open for openat and its like, and mostly for fsync */
	const char *name; /* in the path given to weir_place_open */
};

/*
 * Splits a path, and opens what is before the last component. -EISDIR: it has no last component
 * that could be a name. -ENAMETOOLONG, or an error of opening.
 */
int weir_place_open(const struct open_rules *rules, const char *path, struct place *ret);

/* The checks of weir_place_open that need no disk: 0, -EISDIR or -ENAMETOOLONG. */
int weir_place_check(const char *path);

void weir_place_close(struct place *place);

/*
 * Asks `check` of weir_upload_options about what a lookup of the path would find now. 0, -EISDIR for
 * a directory, what `check` says, or an errno. To be called with the names locked.
 */
int weir_place_ask(const struct open_rules *rules, const char *path,
        int (*check)(void *context, const struct stat *there), void *context);

/* Makes sure that the directory's names are on the disk. 0 or an errno. */
int weir_place_sync(const struct place *place);

#endif
