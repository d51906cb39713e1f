/* The cells of the lookups and the upstreams of each loop. */
#ifndef WEIR_LOOKUP_METRICS_H
#define WEIR_LOOKUP_METRICS_H

#include <weir/dns_lookup.h>
#include <weir/metrics.h>

/* These return NULL without memory. */
struct weir_dns_lookups_counters *lookup_metrics(struct weir_loop *loop);
struct weir_dns_upstreams_counters *upstream_metrics(struct weir_loop *loop);

/* The health of one upstream server, as this loop sees it. */
struct upstream_cells {
	uint64_t rtt_ms;
	uint64_t backing_off; /* 0 or 1 */
};

struct weir_address;
struct upstream_cells *upstream_metrics_of(
        struct weir_loop *loop, const struct weir_address *address);

/* Counts for the object, and for the loop. */
#define LOOKUP_COUNT(object, field)                                                                \
	((object)->counters.field++, weir_metric_add(&(object)->cells->field, 1))

#endif
