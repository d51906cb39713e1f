/*
 * Metrics: counters, gauges and histograms. A protocol describes its metrics by a table of constant
 * rows, and counts in plain cells that each loop has of its own:
 *
 *   table (data)  ──weir_metrics_set(loop, table, labels)──▶  set: cells of one loop, one label set
 *   weir_metric_add(cell, 1)                                  the loop's thread, relaxed stores
 *   weir_metrics_first, weir_metric_read                      any thread reads, without a lock
 *
 * A set lives as long as its loop, so that a counter never goes back when a configuration changes.
 * Sets of several loops with one table and equal labels are one series: readers add them up. See
 * weir/exposition.h for the text that monitoring systems read.
 *
 * The values of labels come from the configuration and from fixed lists, never from a peer: each
 * value is a series that somebody has to store. A loop has WEIR_METRIC_SETS_MAX sets at most.
 */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>

WEIR_C_BEGIN

struct weir_loop;

/* -- tables ------------------------------------------------------------------------------------ */

enum weir_metric_type {
	WEIR_METRIC_COUNTER,    /* only grows; its name ends in _total */
	WEIR_METRIC_GAUGE,      /* of several loops the sum */
	WEIR_METRIC_GAUGE_MOST, /* of several loops the largest */
	WEIR_METRIC_HISTOGRAM,  /* of durations; WEIR_METRIC_HISTOGRAM_CELLS cells */
};

/* The unit of the cells. The exposition has seconds. */
enum weir_metric_unit {
	WEIR_METRIC_PLAIN,
	WEIR_METRIC_MILLISECONDS,
};

/* A label whose values are a fixed list: the metric has a cell (or histogram) for each value. */
struct weir_metric_label {
	const char *name;
	const char *const *values;
	unsigned count; /* of the values */
};

enum {
	WEIR_METRIC_FIXED_LABELS = 2, /* fixed labels of one metric */
	WEIR_METRIC_SET_LABELS = 2,   /* labels of one set */
};

struct weir_metric {
	const char *name; /* weir_<protocol>_<thing>_<unit>[_total]; NULL ends a table */
	const char *help; /* a sentence without a full stop */
	enum weir_metric_type type;
	enum weir_metric_unit unit;
	unsigned cell; /* the first of its cells */
	/* The cells are in the order of the first label's values, then of the second's. */
	const struct weir_metric_label *labels[WEIR_METRIC_FIXED_LABELS];
};

struct weir_metric_table {
	const struct weir_metric *metrics;
	size_t size; /* of a set's cells, in bytes */
	/* The names of the labels of a set, in their order; NULL: no further one. */
	const char *labels[WEIR_METRIC_SET_LABELS];
};

/* The number of the cell of a field in a struct of cells. */
#define WEIR_METRIC_CELL(type, field) ((unsigned)(offsetof(type, field) / sizeof(uint64_t)))

/* -- sets -------------------------------------------------------------------------------------- */

/*
 * Returns the cells of the loop's set with this table and these values of its labels, which are
 * copied; WEIR_METRIC_LABEL_MAX bytes of each count. The first call makes the set, all zero. When
 * the loop has WEIR_METRIC_SETS_MAX sets, a set is returned whose labels are all "other". Returns
 * NULL without memory. On the loop's thread, or before the loop runs.
 */
WEIR_API void *weir_metrics_set(struct weir_loop *loop, const struct weir_metric_table *table,
        const char *const values[WEIR_METRIC_SET_LABELS]);

/* A set, for readers. All but the cells is constant. */
struct weir_metric_set {
	const struct weir_metric_set *next; /* an older one */
	const struct weir_metric_table *table;
	const uint64_t *cells;
	const char *values[WEIR_METRIC_SET_LABELS]; /* of the labels; NULL: no further one */
};

/* Returns the newest set of the loop; `next` leads to the others. Any thread, while it lives. */
WEIR_API const struct weir_metric_set *weir_metrics_first(struct weir_loop *loop);

/* Any thread: reads a cell. */
static inline uint64_t weir_metric_read(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

/* -- counting; the loop's own thread only ------------------------------------------------------ */

/* The store is atomic so that a reader never sees half a value; the addition is not. */
static inline void weir_metric_set(uint64_t *cell, uint64_t value)
{
	__atomic_store_n(cell, value, __ATOMIC_RELAXED);
}

static inline void weir_metric_add(uint64_t *cell, uint64_t number)
{
	weir_metric_set(cell, weir_metric_read(cell) + number);
}

/* For gauges. */
static inline void weir_metric_subtract(uint64_t *cell, uint64_t number)
{
	weir_metric_set(cell, weir_metric_read(cell) - number);
}

/*
 * A histogram of milliseconds has WEIR_METRIC_BUCKETS buckets of fixed bounds: below 1, 2, 4, 8 …
 * 65,536 ms, and all that is longer. Behind them is the sum.
 */
enum {
	WEIR_METRIC_BUCKETS = 18,
	WEIR_METRIC_HISTOGRAM_CELLS = WEIR_METRIC_BUCKETS + 1,
};

static inline void weir_metric_observe_ms(
        uint64_t histogram[WEIR_METRIC_HISTOGRAM_CELLS], int64_t duration_ms)
{
	uint64_t ms = duration_ms > 0 ? (uint64_t)duration_ms : 0;
	unsigned bucket = ms ? 64 - (unsigned)__builtin_clzll(ms) : 0;
	if (bucket > WEIR_METRIC_BUCKETS - 1)
		bucket = WEIR_METRIC_BUCKETS - 1;
	weir_metric_add(&histogram[bucket], 1);
	weir_metric_add(&histogram[WEIR_METRIC_BUCKETS], ms);
}

WEIR_C_END

#endif
