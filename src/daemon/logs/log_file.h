/* The log files of a worker, by their paths. Functions are for its thread, or before it runs. */
#ifndef DAEMON_LOG_FILE_H
#define DAEMON_LOG_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/list.h>
#include <weir/log.h>
#include <weir/span.h>

struct weir_buffer;
struct weir_loop;

struct config;

/*
 * Sets the level of all lines, the form of those that are printed, and the form of logs that are
 * opened from here on. Call it on the main thread while no worker opens a log.
 */
void log_configure(const struct config *config);

/* Sets the form of one log; that of the journal is always logfmt. */
void log_use_format(struct weir_log *log, enum weir_log_format format);

/* The levels by their names in the configuration, in the order of its words; NULL ends them. */
struct log_level_name {
	const char *name;
	enum weir_log_level level;
};
extern const struct log_level_name log_levels[];

/*
 * A log file, which servers and sites use. The list closes it between two turns of the loop, once
 * it has no users, or at the end of the worker, when sites may still hold it.
 */
struct log_file {
	struct weir_list link;
	struct weir_log *log; /* NULL: closed */
	char *path;
	unsigned users; /* servers, and sets of sites */
};

/* Adds a user, and returns the file; and takes one away. NULL is allowed. */
struct log_file *log_file_hold(struct log_file *file);
void log_file_release(struct log_file *file);

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

/* -- lines of an event log --------------------------------------------------------------------- */

/*
 * A line of an event log: the time, the type of the listener, the event, the peer, details as
 * key=value.
 *
 *   2026-11-22T10:00:00Z pop3 login peer=192.0.2.7 tls user="alice" messages=3
 *       session=5ec0ffee00000001
 */
struct log_line {
	struct weir_log *log;
	struct weir_buffer *buffer; /* NULL: the log is full, and additions are dropped */
	enum weir_log_format format;
};

/* `name` is the type of the listener, `what` the event. The level may leave the line out. */
void log_line_begin(struct log_line *line, struct weir_log *log, struct weir_loop *loop,
        enum weir_log_level level, const char *name, const char *what);

void log_line_add_peer(struct log_line *line, const struct weir_address *peer, bool secure);

/* Adds " key=value key=value"; values have no spaces, and are no text of a client. */
void log_line_add(struct log_line *line, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/*
 * Adds text of a client as ` key="text"`, or with other signs around it. Characters that could end
 * the text or the line are escaped.
 */
void log_line_add_text(
        struct log_line *line, const char *key, const char signs[2], struct weir_span text);

/* Adds text of a client between quotes, unless it is empty. */
void log_line_add_known(struct log_line *line, const char *key, struct weir_span text);

/* Adds the ID of the session, weir_channel_id, unless it is 0. */
void log_line_add_session(struct log_line *line, uint64_t id);

void log_line_end(struct log_line *line);

#endif
