/*
 * The values of the status page: those that `weir status` has, and what is known of connections and
 * of the last warnings.
 */
#ifndef DAEMON_PAGE_TABLES_H
#define DAEMON_PAGE_TABLES_H

#include <weir/buffer.h>

#include "status_writer.h"

struct daemon_metrics;
struct metrics_reader;
struct connection_survey;

/* Appends them: STATUS_HTML is for the body of a page. Returns 0 or an error of status_end. */
int page_tables_write(const struct daemon_metrics *metrics, const struct metrics_reader *reader,
        const struct connection_survey *survey, enum status_format format, struct weir_buffer *to);

#endif
