/* Opens files beneath a root, and finds out whether an open file has changed. */
#ifndef WEIR_STORED_FILE_H
#define WEIR_STORED_FILE_H

#include <weir/tree.h>

/*
 * A weir_file, and what is needed to find out whether it has changed. Immutable but for
 * references and note.
 */
struct stored_file {
	struct weir_file base;
	nlink_t links;
};

/* How files are opened. Constant, since the work pool reads it. */
struct open_rules {
	int root;
	uint64_t resolve; /* RESOLVE_* of openat2 */
	size_t content_file_max;
	bool content; /* read small files into memory */
	mode_t umask; /* of the process when the tree was opened */
};

enum open_manner {
	OPEN_AT_HAND, /* returns -EAGAIN instead of waiting for the disk */
	OPEN_WAITING,
};

/* Not an error: the file is the one that is known already. */
#define STORED_UNCHANGED 1

/*
 * Opens a regular file or directory. Returns 0 with one reference in *ret; STORED_UNCHANGED if it
 * is the same as `known` (which may be NULL); or an error of weir_tree_lookup. If `known` has no
 * descriptor it gets one; it must belong to the caller alone then. Any thread.
 */
int stored_file_open(const struct open_rules *rules, const char *path, struct stored_file *known,
        enum open_manner manner, struct stored_file **ret);

/* Whether the open file has not changed, and still has a name. */
bool stored_file_same(const struct stored_file *file);

#endif
