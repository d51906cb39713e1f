/* A log from the inside: the loop's part is log.c, that of the work pool log_write.c. */
#ifndef WEIR_LOG_STATE_H
#define WEIR_LOG_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/metrics.h>

struct log_cells {
	uint64_t lines;
	uint64_t lost;
	uint64_t bytes;
};

/* The result of writing a buffer. */
struct log_written {
	int error;
	uint64_t bytes;
	uint64_t lost; /* lines */
};

struct weir_log {
	struct weir_loop *loop;
	char *path;
	weir_log_open_fn *open;
	weir_log_send_fn *send; /* NULL: lines are written */
	int fd;
	struct weir_buffer filling;
	struct weir_buffer writing; /* the pool's, while `busy` */
	struct weir_work work;
	struct weir_timer timer;
	struct log_written written; /* the pool's, while `busy` */
	struct log_cells *cells;
	enum weir_log_format format;
	enum weir_log_level line_level;           /* of the line that is added */
	size_t line_at;                           /* where it begins in `filling` */
	void (*failed)(void *context, int error); /* or NULL */
	void *context;
	uint64_t lost; /* lines dropped since the last report */
	int error;     /* of the last write */
	int64_t report_after_ms;
	bool reported; /* that it fails */
	bool busy;
	bool torn;    /* the pool's: the file ends within a line */
	bool is_file; /* the pool's: and not a pipe, a terminal, … */
	bool ending;
};

/* -- log_write.c -- */

/* Whether the byte ends a line that is to be sent, and is its level. */
static inline bool log_is_level(unsigned char c)
{
	return c >= WEIR_LOG_ERROR && c <= WEIR_LOG_INFO;
}

/*
 * Writes or sends the buffer `writing`, and empties it. Of a pipe that is full, the rest remains.
 * The outcome is `written`.
 */
void log_put_all(struct weir_log *log);

#endif
