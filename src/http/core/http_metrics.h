/* The cells of each site, on each loop. */
#ifndef WEIR_HTTP_METRICS_H
#define WEIR_HTTP_METRICS_H

#include <weir/http.h>
#include <weir/metrics.h>

enum {
	HTTP_METRICS_METHODS = WEIR_HTTP_TRACE + 1,
	HTTP_METRICS_RESULTS = 6, /* clients that went before the end, and 1xx to 5xx */
};

/* Why a rule of a site has refused a request. */
enum http_refusal {
	HTTP_REFUSED_NETWORK,
	HTTP_REFUSED_CERTIFICATE,
	HTTP_REFUSED_RATE,
	HTTP_REFUSED_SIZE,
	HTTP_REFUSED_ORIGIN, /* a preflight of CORS */
	HTTP_REFUSED_TOKEN,
	HTTP_REFUSALS,
};

struct http_cells {
	uint64_t requests[HTTP_METRICS_METHODS][HTTP_METRICS_RESULTS];
	uint64_t took_ms[WEIR_METRIC_HISTOGRAM_CELLS];
	uint64_t received;
	uint64_t sent;
	uint64_t malformed;
	uint64_t http2_connections;
	uint64_t http2_requests;
	uint64_t refusals[HTTP_REFUSALS];
	uint64_t rewrites;
	uint64_t error_pages;
	uint64_t hints;
	uint64_t responses;
};

/*
 * Returns the cells of the site whose first name this is; NULL: it has none. Returns NULL without
 * memory.
 */
struct http_cells *http_metrics_of_site(struct weir_loop *loop, const char *name);

/* Gives each site its cells; without memory they are `otherwise`. */
void http_metrics_join(
        struct weir_loop *loop, const struct weir_http_sites *sites, struct http_cells *otherwise);

#endif
