/* Changes one user's line of a users file, and no other byte of it. */
#ifndef DAEMON_PASSWD_FILE_H
#define DAEMON_PASSWD_FILE_H

#include <stdbool.h>

#include <weir/span.h>

struct passwd_change {
	const char *path;
	struct weir_span name;
	const char *hash;  /* NULL: the user is removed */
	const char *scram; /* NULL: the user has none, and an old one is removed */
};

enum passwd_done {
	PASSWD_FAILED, /* which was reported */
	PASSWD_ADDED,
	PASSWD_CHANGED,
	PASSWD_REMOVED,
};

/*
 * Replaces the file in one step; it is on the disk when this returns, with its old mode and owner.
 * If the file is missing and a user is added, it is created for its owner alone. Concurrent changes
 * are made one after the other.
 */
enum passwd_done passwd_file_change(const struct passwd_change *change);

#endif
