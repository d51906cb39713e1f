/* The open files and processors of the process, and the user that it runs as. */
#ifndef DAEMON_RESOURCES_H
#define DAEMON_RESOURCES_H

#include <stddef.h>
#include <sys/types.h>

#include "config.h"

/* The budget of descriptors: how many each part of the daemon may have open. */
struct budget {
	unsigned connections; /* of all servers on all workers together */
	unsigned
	        reserved; /* of these, connections of one server on one worker that no other gets */
	unsigned tree_entries; /* paths that one tree keeps open */
};

/* Raises the limit of open files as far as possible, and returns it. */
size_t resources_raise_files(void);

/* Returns the number of processors for this process, CONFIG_WORKERS_MAX at most. */
unsigned resources_processors(void);

struct budget resources_budget(const struct config *config, size_t files, unsigned workers);

/*
 * Between these two calls files are opened and created as the user that resources_become will
 * switch to. Nothing changes if that is this user. Call them before other threads run. The first
 * returns 0 or a negative errno, which was reported.
 */
int resources_lend(const char *user);
void resources_return(void);

/*
 * Creates a directory, for its owner alone, which is the user of resources_become. Returns 0, also
 * if the directory exists, or a negative errno.
 */
int resources_make_directory(const struct config *config, const char *path);

/*
 * Opens a log for appending, as the configured user. Where that user may not create it, root does
 * and gives it to the user, through no link that could be another user's. `user` may be NULL.
 * Returns a descriptor or a negative errno. /dev/stdout and /dev/stderr are this process's own.
 */
int resources_open_log(const char *user, const char *path);

/* Opens a log again, as the user that this process has become. For any thread. */
int resources_reopen_log(const char *path);

/* Warns if this process is root and the configuration has no user to become. */
void resources_warn_of_root(const struct config *config);

/* The user of the server if root starts it and no other one is configured; packages make it. */
#define RESOURCES_USER "weir"

/*
 * Makes sure that root runs the server only if that is configured. Returns 0 or -EPERM, which was
 * reported.
 */
int resources_choose_user(struct config *config);

/* Becomes a user for good, with its groups. Returns 0 or a negative errno, which was reported. */
int resources_drop(const char *user);

/*
 * Becomes the configured user for good, with its groups, if the process is root. In any case no
 * program that it executes gains rights. Returns 0 or a negative errno, which was reported.
 */
int resources_become(const struct config *config);

/* -- paths of other users ---------------------------------------------------------------------- */

/* Opens paths as root, in directories that may belong to other users. */

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
