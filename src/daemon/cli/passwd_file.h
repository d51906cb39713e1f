/* Changing one user's line of a users file, and no other byte of it. */
#ifndef DAEMON_PASSWD_FILE_H
#define DAEMON_PASSWD_FILE_H

#include <stdbool.h>

#include <weir/span.h>

struct passwd_change {
	const char *path;
	struct weir_span name;
	const char *hash;  /* NULL: the user is removed */
	const char *scram; /* NULL: none; one that there is is removed */
};

enum passwd_done {
	PASSWD_FAILED, /* and said why */
	PASSWD_ADDED,
	PASSWD_CHANGED,
	PASSWD_REMOVED,
};

/*
 * The file is replaced in one step, on the disk when this returns; its mode and owner stay. It is
 * made, for its owner alone, if a user is to be added and it is not there. Two changes at once
 * follow one another.
 */
enum passwd_done passwd_file_change(const struct passwd_change *change);

#endif
