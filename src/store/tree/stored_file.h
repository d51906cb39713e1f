/* Opening files beneath a root, and noticing that an open one has changed. */
#ifndef WEIR_STORED_FILE_H
#define WEIR_STORED_FILE_H

#include <weir/tree.h>

/* A weir_produce_file with what tells whether it changed. Immutable but for references and note. */
struct stored_file {
	struct weir_file base;
	struct timespec ctime;
	nlink_t links;
	/*
	 * Its last change lay WEIR_TREE_SETTLE_MS before it was looked at: a further one will show.
	 */
	bool settled;
};

/* How to open; constant while work is under way. */
struct open_rules {
	int root;
	uint64_t resolve; /* RESOLVE_* of openat2 */
	size_t content_file_max;
	bool content; /* keep small files in memory */
	mode_t umask; /* of the process when the tree was opened */
};

enum open_manner {
	OPEN_AT_HAND, /* -EAGAIN rather than wait for the disk */
	OPEN_WAITING,
};

/* Not an error: the file found is just the one that is known already. */
#define STORED_UNCHANGED 1

/*
 * Opens a regular file or directory; if it is as `known` (which may be NULL) still, answers
 * STORED_UNCHANGED and gives `known` a descriptor if it has none (it is the caller's alone then). 0 with one reference in *ret, or an error of
 * weir_tree_lookup. Any thread.
 */
int stored_file_open(const struct open_rules *rules, const char *path, struct stored_file *known,
        enum open_manner manner, struct stored_file **ret);

/* Whether the open file is still as it was, and still somewhere in the tree. */
bool stored_file_same(const struct stored_file *file);

#endif
