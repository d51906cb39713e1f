/*
 * The text in which monitoring systems read metrics: Prometheus' format 0.0.4, and OpenMetrics 1.0.
 *
 *   sets of the loops (weir/metrics.h) ─┐
 *                                       ├─▶ a producer, which composes the text as it is read
 *   sources: samples made when asked ───┘
 *
 * The text is never in memory as a whole: a reader that is slow, or gone, costs one line.
 */
#ifndef WEIR_EXPOSITION_H
#define WEIR_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/metrics.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_producer;

/* A value of a metric of a source. Texts are valid until the next call of the source. */
struct weir_metric_sample {
	const char *labels[WEIR_METRIC_SET_LABELS]; /* values of the source's labels, or NULL */
	double value;                               /* in the unit of the metric's name */
};

/*
 * A source of samples that are not counted in a loop's cells: the length of a queue, the serial of
 * each zone. Its functions are called on the thread of the producer. A metric is a gauge or counter
 * without fixed labels; `cell` and `unit` are not used.
 */
struct weir_metric_source {
	const struct weir_metric_source *next;
	const struct weir_metric *metrics;          /* up to a row without a name */
	const char *labels[WEIR_METRIC_SET_LABELS]; /* names, or NULL */
	void *context;
	/* Takes a snapshot, which the next two get. NULL: the snapshot is `context`. */
	void *(*open)(void *context);
	/*
	 * Stores the sample number `index` of metric number `metric`. Returns 1; 0 if this metric
	 * has no such sample, but may have later ones; or -1 at the end.
	 */
	int (*sample)(
	        void *snapshot, unsigned metric, size_t index, struct weir_metric_sample *ret);
	void (*close)(void *snapshot); /* NULL: nothing is to be freed */
};

enum weir_exposition_format {
	WEIR_EXPOSITION_PROMETHEUS,
	WEIR_EXPOSITION_OPENMETRICS,
};

/* The value of Content-Type. */
WEIR_API const char *weir_exposition_type(enum weir_exposition_format format);

/*
 * Returns the format that an Accept field asks for, which may be empty: OpenMetrics if it is named
 * there with a weight that is not 0, else Prometheus.
 */
WEIR_API enum weir_exposition_format weir_exposition_choose(struct weir_span accept);

/*
 * Makes a producer of the text. The loops, the sources and the tables must outlive it; the array
 * `loops` is copied. Returns NULL without memory.
 */
WEIR_API struct weir_producer *weir_produce_exposition(struct weir_loop *const *loops, size_t count,
        const struct weir_metric_source *sources, enum weir_exposition_format format);

WEIR_C_END

#endif
