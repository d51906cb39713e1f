/* The files that a worker logs to, by their paths; for its thread, or before it runs. */
#ifndef DAEMON_LOG_FILE_H
#define DAEMON_LOG_FILE_H

#include <weir/log.h>
#include <weir/list.h>

/* Used by the servers that were opened with it. */
struct log_file {
	struct weir_list link;
	struct weir_log *log;
	char *path;
	unsigned users; /* servers */
};

/*
 * Opens a log as the configured user (NULL: as this process), by the rules of resources_open_log.
 * Returns 0 or a negative errno, after saying why.
 */
int log_create(struct weir_loop *loop, const char *user, const char *path, struct weir_log **ret);

/* Finds the list's file with this path, or opens it as log_create does. 0 or a negative errno. */
int log_file_open(struct weir_list *logs, struct weir_loop *loop, const char *user,
        const char *path, struct log_file **ret);

/* All of them anew, after they were renamed; what fails is said. */
void log_files_reopen(struct weir_list *logs);

/* Closes those without users, or all. Turns the loop: not from a callback. */
void log_files_close(struct weir_list *logs, bool all);

#endif
