/*
 * A piece of the text of metrics: the lines that begin one, a sample, or a histogram. It has room
 * for any of them.
 */
#ifndef WEIR_PRODUCER_EXPOSITION_TEXT_H
#define WEIR_PRODUCER_EXPOSITION_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <weir/exposition.h>

enum {
	/* Escaping may double a label. A histogram has a line for each bucket, and two. */
	EXPOSITION_LABELS_MAX = 4 * (2 * WEIR_METRIC_LABEL_MAX + 64),
	EXPOSITION_LINE_MAX = EXPOSITION_LABELS_MAX + 256,
	EXPOSITION_TEXT_MAX = (WEIR_METRIC_BUCKETS + 2) * EXPOSITION_LINE_MAX,
};

struct exposition_text {
	enum weir_exposition_format format;
	size_t size;
	char bytes[EXPOSITION_TEXT_MAX];
};

void exposition_add(struct exposition_text *to, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Adds a label behind the `*count` before it; the caller adds the closing brace. */
void exposition_add_label(
        struct exposition_text *to, unsigned *count, const char *name, const char *value);

/* Adds the lines that begin a metric: TYPE, UNIT, HELP. */
void exposition_add_head(struct exposition_text *to, const struct weir_metric *metric);

/* Adds milliseconds as seconds, without a zero too many. */
void exposition_add_seconds(struct exposition_text *to, uint64_t ms);

/* Adds the value of a cell, or of a sample, and the end of the line. */
void exposition_add_number(
        struct exposition_text *to, const struct weir_metric *metric, uint64_t value);
void exposition_add_double(struct exposition_text *to, double value);

#endif
