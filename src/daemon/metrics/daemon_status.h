/*
 * The state of the daemon on one page, as text or JSON: `weir status`, the command `status` of the
 * console, and /status of the admin listener.
 */
#ifndef DAEMON_DAEMON_STATUS_H
#define DAEMON_DAEMON_STATUS_H

#include <weir/buffer.h>

struct daemon_metrics;
struct metrics_reader;

enum status_format {
	STATUS_TEXT,
	STATUS_JSON,
};

enum {
	STATUS_LISTENERS_MAX = 128, /* that are listed */
	STATUS_SIZE_MAX = 256 * 1024,
};

/*
 * Appends the page. Lines end with LF and have less than 1,000 bytes. JSON is one object. Returns 0
 * or an error of weir_buffer_append.
 */
int status_write(const struct daemon_metrics *metrics, const struct metrics_reader *reader,
        enum status_format format, struct weir_buffer *to);

#endif
