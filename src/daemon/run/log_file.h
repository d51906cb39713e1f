/* The log files of a worker, by their paths. Functions are for its thread, or before it runs. */
#ifndef DAEMON_LOG_FILE_H
#define DAEMON_LOG_FILE_H

#include <weir/log.h>
#include <weir/list.h>

/*
 * Sets the form of lines, for all logs that are opened from here on. On the main thread, while no
 * worker opens a log.
 */
void log_set_format(enum weir_log_format format);

/* A log file, which servers use. */
struct log_file {
	struct weir_list link;
	struct weir_log *log;
	char *path;
	unsigned users; /* servers */
};

/*
 * Opens a log as the configured user (NULL: as this process), by the rules of resources_open_log.
 * Returns 0 or a negative errno, which was reported.
 */
int log_create(struct weir_loop *loop, const char *user, const char *path, struct weir_log **ret);

/* Finds the list's file with this path, or opens it as log_create does. Returns 0
 * or a negative errno. */
int log_file_open(struct weir_list *logs, struct weir_loop *loop, const char *user,
        const char *path, struct log_file **ret);

/* Reopens all logs, after they were renamed. Reports a failure. */
void log_files_reopen(struct weir_list *logs);

/* Closes the logs without users, or all. It runs the loop: do not call it from a callback. */
void log_files_close(struct weir_list *logs, bool all);

#endif
