/* What the process may use, and as whom it runs. */
#ifndef DAEMON_RESOURCES_H
#define DAEMON_RESOURCES_H

#include <stddef.h>

#include "config.h"

/* How the descriptors are shared out. */
struct shares {
	unsigned connections;  /* of one server on one worker */
	unsigned tree_entries; /* paths that one tree keeps open */
};

/* As many open files as we are allowed. The number. */
size_t resources_raise_files(void);

/* Processors that we may run on, CONFIG_WORKERS_MAX at most. */
unsigned resources_processors(void);

struct shares resources_share(const struct config *config, size_t files, unsigned workers);

/*
 * Between these two, what is opened and made is so as by the user whom resources_become will make
 * us; nothing is changed if that is nobody else. Before any thread but the first runs. 0 or a
 * negative errno, which was said.
 */
int resources_lend(const char *user);
void resources_return(void);

/* Makes a directory, for its owner alone, that resources_become's user shall own; 0 also if it is
 * there. */
int resources_make_directory(const struct config *config, const char *path);

/*
 * Opens a log for appending, as the configured user. Where that user may not, root makes the log and
 * gives it to the user, through no link that could be another user's. `user` may be NULL. Returns
 * a descriptor or a negative errno. /dev/stdout and /dev/stderr are this process's own.
 */
int resources_open_log(const char *user, const char *path);

/* Opens a log again, as the user that this process is by now. For any thread. */
int resources_reopen_log(const char *path);

/* Says so if this process is root and the configuration leaves it root. */
void resources_warn_of_root(const struct config *config);

/*
 * Becomes the configured user for good, if we are root: its id, its group, its groups. Nothing that
 * is executed gets more rights, in any case. 0 or a negative errno, which was said.
 */
int resources_become(const struct config *config);

#endif
