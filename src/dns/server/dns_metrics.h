/* The cells of each DNS listener, on each loop. */
#ifndef WEIR_DNS_METRICS_H
#define WEIR_DNS_METRICS_H

#include <weir/dns_server.h>
#include <weir/metrics.h>

enum {
	DNS_METRICS_TYPES = 19,  /* of the question */
	DNS_METRICS_RESULTS = 9, /* rcodes, and no reply */
};

struct dns_cells {
	uint64_t queries[DNS_METRICS_TYPES][DNS_METRICS_RESULTS];
	uint64_t sent;
	uint64_t truncated;
	uint64_t dropped;
	uint64_t slipped;
	uint64_t over_quota;
	uint64_t duplicate;
	uint64_t transfers;
	uint64_t took_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

/* Returns NULL without memory. */
struct dns_cells *dns_metrics(struct weir_loop *loop, const struct weir_dns_options *options);

/* Counts a query and its reply of `size` bytes; 0: there was none. */
void dns_metrics_count(struct dns_cells *cells, const struct weir_dns_outcome *outcome, size_t size,
        int64_t took_ms);

#endif
