/*
 * A name in a directory beneath the root, which may exist or not: where a change is made. For the
 * work pool.
 */
#ifndef WEIR_DIRECTORY_ENTRY_H
#define WEIR_DIRECTORY_ENTRY_H

#include <stdint.h>
#include <sys/stat.h>

#include <weir/upload.h>

#include "tree_state.h"

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
int directory_entry_ask(
        const struct open_rules *rules, const char *path, weir_tree_check_fn *check, void *context);

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

/* -- the attributes of a file that is replaced ------------------------------------------------- */

/* The attributes that a new file copies from the regular file that it replaces. */
struct replaced {
	struct stat status; /* of the file whose attributes were copied */
	bool copied;
};

/*
 * Gives the file open at `fd` the owner, group, permission bits and extended attributes of the
 * regular file that has the name now. Does nothing if there is none, or if it is the one that was
 * copied last. `replaced` is all zero at first. Returns 0 or an errno.
 */
int replaced_copy(struct replaced *replaced, const struct directory_entry *entry, int fd);

/*
 * Makes the time of modification of `fd` later than that of the file that was copied. So the two
 * never have the same entity-tag. Returns 0 or an errno.
 */
int replaced_outdate(const struct replaced *replaced, int fd);

#endif
