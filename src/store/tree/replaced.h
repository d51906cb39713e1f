/*
 * The attributes that a new file copies from the regular file that it replaces. For the work
 * pool.
 */
#ifndef WEIR_REPLACED_H
#define WEIR_REPLACED_H

#include <sys/stat.h>

#include "directory_entry.h"

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
