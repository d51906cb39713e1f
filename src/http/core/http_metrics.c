/* The metrics of HTTP. A request is counted when its reply has ended, as it is logged. */
#include "exchange.h"

static const char *const http_metrics_methods[HTTP_METRICS_METHODS] = {
        [WEIR_HTTP_GET] = "GET",
        [WEIR_HTTP_HEAD] = "HEAD",
        [WEIR_HTTP_POST] = "POST",
        [WEIR_HTTP_PUT] = "PUT",
        [WEIR_HTTP_DELETE] = "DELETE",
        [WEIR_HTTP_CONNECT] = "CONNECT",
        [WEIR_HTTP_OPTIONS] = "OPTIONS",
        [WEIR_HTTP_TRACE] = "TRACE",
        [WEIR_HTTP_PATCH] = "PATCH",
        [WEIR_HTTP_OTHER] = "other",
};

static const char *const http_metrics_results[HTTP_METRICS_RESULTS] = {
        "gone", "1xx", "2xx", "3xx", "4xx", "5xx"};

static const struct weir_metric_label http_metrics_method = {
        "method", http_metrics_methods, HTTP_METRICS_METHODS};
static const struct weir_metric_label http_metrics_result = {
        "result", http_metrics_results, HTTP_METRICS_RESULTS};

static const char *const http_metrics_refusals[HTTP_REFUSALS] = {
        [HTTP_REFUSED_NETWORK] = "network",
        [HTTP_REFUSED_CERTIFICATE] = "certificate",
        [HTTP_REFUSED_RATE] = "rate",
        [HTTP_REFUSED_SIZE] = "size",
        [HTTP_REFUSED_ORIGIN] = "origin",
        [HTTP_REFUSED_TOKEN] = "token",
};
static const struct weir_metric_label http_metrics_refusal = {
        "reason", http_metrics_refusals, HTTP_REFUSALS};

static const struct weir_metric http_metrics_rows[] = {
        {.name = "weir_http_requests_total",
                .help = "Requests by method and status; gone: the client left before the end",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, requests),
                .labels = {&http_metrics_method, &http_metrics_result}},
        {.name = "weir_http_request_duration_seconds",
                .help = "Time from the request's head to the last byte of the reply",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct http_cells, took_ms)},
        {.name = "weir_http_received_bytes_total",
                .help = "Bytes of requests' bodies received",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, received)},
        {.name = "weir_http_sent_bytes_total",
                .help = "Bytes of replies' bodies sent",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, sent)},
        {.name = "weir_http_malformed_total",
                .help = "Requests that were malformed",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, malformed)},
        {.name = "weir_http2_connections_total",
                .help = "Connections that speak HTTP/2",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, http2_connections)},
        {.name = "weir_http2_requests_total",
                .help = "Requests by HTTP/2",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, http2_requests)},
        {.name = "weir_http_refused_total",
                .help = "Requests refused by a rule, by the policy of the listener, or for a bad token",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, refusals),
                .labels = {&http_metrics_refusal}},
        {.name = "weir_http_rewritten_total",
                .help = "Paths that rules have rewritten",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, rewrites)},
        {.name = "weir_http_error_pages_total",
                .help = "Errors that a page of the site was sent for",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, error_pages)},
        {.name = "weir_http_hints_total",
                .help = "Early hints (103) of rules, applications and proxied servers",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, hints)},
        {.name = "weir_http_responded_total",
                .help = "Fixed replies of rules",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct http_cells, responses)},
        {0},
};

static const struct weir_metric_table http_metrics_table = {
        .metrics = http_metrics_rows,
        .size = sizeof(struct http_cells),
        .labels = {"site"},
};

struct http_cells *http_metrics_of_site(struct weir_loop *loop, const char *name)
{
	return weir_metrics_set(loop, &http_metrics_table, (const char *[]){name ? name : "-", ""});
}

void http_metrics_join(
        struct weir_loop *loop, const struct weir_http_sites *sites, struct http_cells *otherwise)
{
	for (struct weir_http_site *site = sites->first; site; site = site->next) {
		if (!site->cells)
			site->cells =
			        http_metrics_of_site(loop, site->names ? site->names[0] : NULL);
		if (!site->cells)
			site->cells = otherwise;
	}
}
