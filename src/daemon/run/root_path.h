/* Opens paths as root, in directories that may belong to other users. */
#ifndef DAEMON_ROOT_PATH_H
#define DAEMON_ROOT_PATH_H

#include <sys/types.h>

/*
 * Opens `path` with the flags and mode of open(2), and adds O_CLOEXEC, O_NOFOLLOW and O_NOCTTY.
 * A symbolic link is followed only if it belongs to this process's user, and no directory above it
 * could have been changed by another user. Returns a descriptor or a negative errno; -ELOOP: the
 * path leads through a link that may be another user's.
 */
int root_path_open(const char *path, int flags, mode_t mode);

/*
 * Creates the directory `path` (mode 0700) under the same rule and gives it to the user and group.
 * Returns 0, also if `path` exists, or a negative errno.
 */
int root_path_make_directory(const char *path, uid_t uid, gid_t gid);

#endif
