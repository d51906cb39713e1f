/*
 * A name in a directory beneath the root, which may exist or not: where a change is made. For the
 * work pool.
 */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include <stdint.h>

#include "stored_file.h"

struct stat;

struct directory_entry {
	int directory;    /* for openat and similar calls, and mostly for fsync */
	const char *name; /* in the path given to directory_entry_open */
};

/*
 * Splits a path and opens the directory before the last component. Returns 0, -EISDIR if the last
 * component cannot be a name, -ENAMETOOLONG, or an error of opening.
 */
int directory_entry_open(
        const struct open_rules *rules, const char *path, struct directory_entry *ret);

/* Makes the checks that need no disk. Returns 0, -EISDIR or -ENAMETOOLONG. */
int directory_entry_check(const char *path);

void directory_entry_close(struct directory_entry *entry);

/*
 * Calls `check` of weir_upload_options with what a lookup of the path would find now. Returns its
 * result, -EISDIR for a directory, or an errno. The names must be locked.
 */
int directory_entry_ask(const struct open_rules *rules, const char *path,
        int (*check)(void *context, const struct stat *there), void *context);

/* Syncs the directory's names to the disk. Returns 0 or an errno. */
int directory_entry_sync(const struct directory_entry *entry);

/* -- locks ------------------------------------------------------------------------------------ */

/*
 * A lock on the names of a directory, for the threads of this process. Every change of a name
 * holds it, so that a thread can compare what a name refers to and change it in one step.
 */
struct name_lock {
	unsigned first;
	unsigned second; /* equal to `first` if one lock covers both directories */
};

/*
 * Waits for the lock. `other` is the second directory of a rename, or -1. Hold it for a few
 * system calls only.
 */
void name_lock_acquire(struct name_lock *lock, int directory, int other);
void name_lock_release(const struct name_lock *lock);

#endif
