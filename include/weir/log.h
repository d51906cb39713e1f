/*
 * A log: a file that lines are appended to, without the loop ever waiting for the disk.
 *
 *   weir_log_begin ─▶ lines in memory ─▶ the work pool ─▶ the file
 *
 * When WEIR_LOG_QUEUE_MAX bytes are waiting, lines are dropped; how many is told in the log itself.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stddef.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/span.h>

struct weir_buffer;
struct weir_log;
struct weir_loop;

/*
 * Opens for appending. The log is for what runs on this loop; several loops may open one path. 0 or
 * a negative errno.
 */
WEIR_API int weir_log_create(struct weir_loop *loop, const char *path, struct weir_log **ret);

/*
 * Makes a log of the open descriptor `fd`, which is the log's from now on, also on failure.
 * weir_log_reopen opens the path by `open`, on the loop's thread: it returns a descriptor or a
 * negative errno. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_log_adopt(struct weir_loop *loop, const char *path, int fd,
        int (*open)(const char *path), struct weir_log **ret);

/* Opens the path anew, after it was rotated. 0, or a negative errno: the old file goes on. */
WEIR_API int weir_log_reopen(struct weir_log *log);

/* Writes what is waiting, and frees. Turns the loop. NULL is allowed. */
WEIR_API void weir_log_destroy(struct weir_log *log);

/*
 * Where a line of `size` bytes at most goes, its \n counted: to be put behind what is there, within
 * WEIR_LOG_QUEUE_MAX, before weir_log_end. NULL: there is no room, and the line is counted as lost.
 */
WEIR_API struct weir_buffer *weir_log_begin(struct weir_log *log, size_t size);
WEIR_API void weir_log_end(struct weir_log *log);

/*
 * Appends what a peer sent, so that it can neither end a line nor a quote, nor reach whoever shows
 * the log: what is not printable, `"` and `\` become \xHH. `max` is as in weir/buffer.h.
 */
WEIR_API void weir_log_escape(struct weir_buffer *line, struct weir_span text, size_t max);

#endif
