/* Reads the metrics of all loops by their names, for the status and for tests. */
#ifndef DAEMON_METRICS_READ_H
#define DAEMON_METRICS_READ_H

#include <weir/metrics.h>

struct weir_loop;

struct metrics_reader {
	struct weir_loop *const *loops;
	size_t count;
};

enum {
	METRICS_ALL = -1
};

/* Which series of a metric are added up. */
struct metrics_choice {
	const char *values[WEIR_METRIC_SET_LABELS]; /* of the sets' labels; NULL: any */
	int first, second;                          /* values of the fixed labels, or METRICS_ALL */
};

/* The sum over all loops, or the largest of a WEIR_METRIC_GAUGE_MOST; of a histogram the number. */
uint64_t metrics_sum(
        const struct metrics_reader *reader, const char *name, const struct metrics_choice *choice);

/* Stores the number of durations in each bucket of a histogram, of all its series together. */
void metrics_buckets(
        const struct metrics_reader *reader, const char *name, uint64_t ret[WEIR_METRIC_BUCKETS]);

/* Returns metrics_sum of all series of the metric. */
uint64_t metrics_total(const struct metrics_reader *reader, const char *name);

/*
 * Stores the label values of the sets with this metric, each combination once, up to `most`.
 * Returns their number.
 */
size_t metrics_labels(const struct metrics_reader *reader, const char *name,
        const char *(*ret)[WEIR_METRIC_SET_LABELS], size_t most);

/* Returns the number of sets with this metric, of the loop that has most. */
size_t metrics_count(const struct metrics_reader *reader, const char *name);

#endif
