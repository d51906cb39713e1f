/*
 * The state of the daemon on one page: `weir status`, the command `status` of the console, and the
 * pages of the admin listener.
 */
#ifndef DAEMON_DAEMON_STATUS_H
#define DAEMON_DAEMON_STATUS_H

#include "status_writer.h"

struct daemon_metrics;
struct metrics_reader;

enum {
	STATUS_LISTENERS_MAX = 64, /* that are listed */
	STATUS_CERTIFICATES_MAX =
	        40, /* that are listed: of the configuration, then of the database */
};

/*
 * Write groups, for a page that has others between the two. The last loop of the reader is the main
 * one: HTTP on the admin listener counts in the table of listeners, and in no other.
 */
void status_write_summary(struct status_writer *writer, const struct daemon_metrics *metrics,
        const struct metrics_reader *reader);
void status_write_details(struct status_writer *writer, const struct daemon_metrics *metrics,
        const struct metrics_reader *reader);

/*
 * Appends the whole page. Lines end with LF and have less than 1,000 bytes. JSON is one object.
 * Returns 0 or an error of weir_buffer_append.
 */
int status_write(const struct daemon_metrics *metrics, const struct metrics_reader *reader,
        enum status_format format, struct weir_buffer *to);

#endif
