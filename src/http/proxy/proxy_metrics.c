/* The metrics of proxied requests, by group of upstreams. A request is counted at its end. */
#include <weir/metrics.h>

#include "proxy_state.h"

static const char *const proxy_metrics_results[PROXY_RESULTS] = {
        [PROXY_RESULT_1XX] = "1xx",
        [PROXY_RESULT_2XX] = "2xx",
        [PROXY_RESULT_3XX] = "3xx",
        [PROXY_RESULT_4XX] = "4xx",
        [PROXY_RESULT_5XX] = "5xx",
        [PROXY_RESULT_FAILED] = "failed",
        [PROXY_RESULT_TRUNCATED] = "truncated",
        [PROXY_RESULT_GONE] = "gone",
        [PROXY_RESULT_LOOP] = "loop",
};

static const struct weir_metric_label proxy_metrics_result = {
        "result", proxy_metrics_results, PROXY_RESULTS};

static const char *const proxy_metrics_decisions[PROXY_DECISIONS] = {
        [PROXY_DECISION_ADMITTED] = "admitted",
        [PROXY_DECISION_REFUSED] = "refused",
        [PROXY_DECISION_FAILED] = "failed",
        [PROXY_DECISION_GONE] = "gone",
};

static const struct weir_metric_label proxy_metrics_decision = {
        "result", proxy_metrics_decisions, PROXY_DECISIONS};

static const char *const proxy_metrics_outcomes[] = {"good", "bad"};

static const struct weir_metric_label proxy_metrics_outcome = {"result", proxy_metrics_outcomes, 2};

static const struct weir_metric proxy_metrics_rows[] = {
        {.name = "weir_proxy_requests_total",
                .help = "Proxied requests by the upstream's status; failed: no upstream replied; "
                        "truncated: it failed within its body; gone: the client left; "
                        "loop: the request had passed this proxy before",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, requests),
                .labels = {&proxy_metrics_result}},
        {.name = "weir_proxy_retries_total",
                .help = "Further attempts of proxied requests",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, retries)},
        {.name = "weir_proxy_spliced_bytes_total",
                .help = "Bytes of proxied bodies that were passed on without a copy",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, spliced)},
        {.name = "weir_proxy_requests_in_flight",
                .help = "Proxied requests under way",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, under_way)},
        {.name = "weir_forward_auth_requests_total",
                .help = "Requests that a server had to consent to, by its decision; failed: it has "
                        "not replied",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, decisions),
                .labels = {&proxy_metrics_decision}},
        {.name = "weir_proxy_health_checks_total",
                .help = "Health checks of the servers of a group",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, checks),
                .labels = {&proxy_metrics_outcome}},
        {.name = "weir_proxy_unhealthy_servers",
                .help = "Servers that health checks have found unhealthy",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, unhealthy)},
        {.name = "weir_proxy_down_servers",
                .help = "Servers that have failed and not replied since, in all workers",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, down)},
        {.name = "weir_proxy_buffered_bytes",
                .help = "Bytes of replies that have been read and wait for clients",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, buffered)},
        {.name = "weir_proxy_head_duration_seconds",
                .help = "Time from an attempt to the head of the upstream's reply",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct proxy_cells, head_ms)},
        {0},
};

static const struct weir_metric_table proxy_metrics_table = {
        .metrics = proxy_metrics_rows,
        .size = sizeof(struct proxy_cells),
        .labels = {"upstream"},
};

struct proxy_cells *http_proxy_cells(struct weir_loop *loop, const char *name)
{
	return weir_metrics_set(loop, &proxy_metrics_table, (const char *[]){name, ""});
}
