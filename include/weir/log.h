/*
 * A log: a file that lines are appended to, or a socket that they are sent to. The loop waits for
 * neither.
 *
 *   weir_log_begin ─▶ lines in memory ─▶ the work pool ─▶ the file
 *
 * When WEIR_LOG_QUEUE_MAX bytes are waiting, lines are dropped. So are the lines that a full disk
 * or socket does not take; one that was written in part is removed again. The log counts them
 * (weir/metrics.h), and reports their number as soon as it can be written.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_buffer;
struct weir_log;
struct weir_loop;

/*
 * Opens a file for appending. A log belongs to one loop; several loops may open one path. Returns
 * 0 or a negative errno.
 */
WEIR_API int weir_log_create(struct weir_loop *loop, const char *path, struct weir_log **ret);

/* Opens the file of a log anew. Returns a descriptor for appending, or a negative errno. */
typedef int weir_log_open_fn(const char *path);

/*
 * Makes a log of the open descriptor `fd`, and takes that over, also on failure. weir_log_reopen
 * will call `open` on the loop's thread. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_log_adopt(struct weir_loop *loop, const char *path, int fd,
        weir_log_open_fn *open, struct weir_log **ret);

/*
 * Has `failed(context, error)` called when writing fails, with the negative errno, and again with 0
 * when lines are written again. NULL: nothing is called.
 */
WEIR_API void weir_log_on_failure(
        struct weir_log *log, void (*failed)(void *context, int error), void *context);

WEIR_API const char *weir_log_path(const struct weir_log *log);

/* How grave a line is: the numbers of syslog (RFC 5424 6.2.1). */
enum weir_log_level {
	WEIR_LOG_ERROR = 3,
	WEIR_LOG_WARNING = 4,
	WEIR_LOG_INFO = 6,
};

/*
 * Less grave lines are left out of all logs of the process. The level is WEIR_LOG_INFO at first.
 * For any thread, at any time.
 */
WEIR_API void weir_log_set_level(enum weir_log_level level);
WEIR_API enum weir_log_level weir_log_level(void);

/*
 * Sends a line, which has no line end, as a datagram for example, on a thread of the pool or in
 * weir_log_destroy. If `may_wait`, it may wait a moment for its peer, so that a burst is taken;
 * after a lost line, the others of a buffer are not waited for. `path` and `fd` are the log's.
 * Returns 0, or a negative errno if the line is lost.
 */
typedef int weir_log_send_fn(
        const char *path, int fd, enum weir_log_level level, struct weir_span line, bool may_wait);

/* Has lines sent one by one instead of written. Call it before the first line. */
WEIR_API void weir_log_set_send(struct weir_log *log, weir_log_send_fn *send);

/* The form of the lines. */
enum weir_log_format {
	WEIR_LOG_TEXT,   /* as each log has always had them */
	WEIR_LOG_LOGFMT, /* key=value, key="text" */
	WEIR_LOG_JSON,   /* an object a line */
};

/* For the lines from here on. WEIR_LOG_TEXT at first. */
WEIR_API void weir_log_set_format(struct weir_log *log, enum weir_log_format format);
WEIR_API enum weir_log_format weir_log_format(const struct weir_log *log);

/*
 * Opens the path anew, after it was rotated. Returns 0, or a negative errno: the old file stays
 * in use.
 */
WEIR_API int weir_log_reopen(struct weir_log *log);

/* Writes all waiting lines and frees. Turns the loop. NULL is allowed. */
WEIR_API void weir_log_destroy(struct weir_log *log);

/*
 * Returns the buffer to which a line of at most `size` bytes is appended, its \n included, before
 * weir_log_end. The bound for weir_buffer_append is WEIR_LOG_QUEUE_MAX. Returns NULL if the level
 * leaves the line out, or if there is no room: then the line counts as dropped. So does a line that
 * weir_log_end finds without its \n.
 */
WEIR_API struct weir_buffer *weir_log_begin(
        struct weir_log *log, enum weir_log_level level, size_t size);
WEIR_API void weir_log_end(struct weir_log *log);

/*
 * Appends text of a peer. All bytes that are not printable, `"` and `\` become \xHH. So the text
 * can neither end a line or a quoted string nor control a terminal. `max` is as in weir/buffer.h.
 */
WEIR_API void weir_log_escape(struct weir_buffer *line, struct weir_span text, size_t max);

/*
 * The parts of a line of WEIR_LOG_LOGFMT or WEIR_LOG_JSON: open, fields, close. A key is a word.
 * Text may be a peer's: in JSON, bytes that are not printable ASCII become \u00HH, as if it was
 * Latin-1; in logfmt, text is quoted and escaped by weir_log_escape. Text without room is cut off
 * before its closing quote, and a field without room for its key is left out.
 */
WEIR_API void weir_log_open_line(struct weir_buffer *line, enum weir_log_format format, size_t max);
WEIR_API void weir_log_add_text(struct weir_buffer *line, enum weir_log_format format,
        const char *key, struct weir_span text, size_t max);
WEIR_API void weir_log_add_number(struct weir_buffer *line, enum weir_log_format format,
        const char *key, uint64_t number, size_t max);
WEIR_API void weir_log_close_line(
        struct weir_buffer *line, enum weir_log_format format, size_t max);

WEIR_C_END

#endif
