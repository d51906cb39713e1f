/*
 * A line of an event log: the time, the type of the listener, the event, the peer, details as
 * key=value.
 *
 *   2026-11-22T10:00:00Z pop3 login peer=192.0.2.7 tls user="alice" messages=3
 */
#ifndef DAEMON_LOG_LINE_H
#define DAEMON_LOG_LINE_H

#include <stdbool.h>

#include <weir/address.h>
#include <weir/span.h>

#include <weir/log.h>

struct weir_loop;

struct log_line {
	struct weir_log *log;
	struct weir_buffer *buffer; /* NULL: the log is full, and additions are dropped */
	enum weir_log_format format;
};

/* `name` is the type of the listener, `what` the event. */
void log_line_begin(struct log_line *line, struct weir_log *log, struct weir_loop *loop,
        const char *name, const char *what);

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

void log_line_end(struct log_line *line);

#endif
