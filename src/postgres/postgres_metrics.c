/* The metrics of pools, by their names. A call is counted at its end. */
#include "postgres_state.h"

static const char *const postgres_metrics_results[POSTGRES_RESULTS] = {
        [POSTGRES_RESULT_COMMITTED] = "committed",
        [POSTGRES_RESULT_UNDONE] = "undone",
        [POSTGRES_RESULT_UNKNOWN] = "unknown",
        [POSTGRES_RESULT_CANCELLED] = "cancelled",
        [POSTGRES_RESULT_REFUSED] = "refused",
};

static const struct weir_metric_label postgres_metrics_result = {
        "result", postgres_metrics_results, POSTGRES_RESULTS};

static const char *const postgres_metrics_reasons[POSTGRES_RETRIES] = {
        [POSTGRES_RETRY_SERIALIZATION] = "serialization",
        [POSTGRES_RETRY_BATCH] = "batch",
        [POSTGRES_RETRY_CONNECTION] = "connection",
};

static const struct weir_metric_label postgres_metrics_reason = {
        "reason", postgres_metrics_reasons, POSTGRES_RETRIES};

static const char *const postgres_metrics_outcomes[] = {"good", "bad"};

static const struct weir_metric_label postgres_metrics_outcome = {
        "result", postgres_metrics_outcomes, 2};

static const struct weir_metric postgres_metrics_rows[] = {
        {.name = "weir_postgres_calls_total",
                .help = "Calls by their end; undone: rolled back or not begun; unknown: the "
                        "connection was lost while the server could commit; refused: the queue "
                        "was full",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, calls),
                .labels = {&postgres_metrics_result}},
        {.name = "weir_postgres_retries_total",
                .help = "Calls sent again; batch: because another call of the batch has failed",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, retries),
                .labels = {&postgres_metrics_reason}},
        {.name = "weir_postgres_batches_total",
                .help = "Transactions sent, streams too",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, batches)},
        {.name = "weir_postgres_batched_calls_total",
                .help = "Calls sent in these transactions",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, batched)},
        {.name = "weir_postgres_connects_total",
                .help = "Attempts to connect to an address of a server",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, connects),
                .labels = {&postgres_metrics_outcome}},
        {.name = "weir_postgres_failovers_total",
                .help = "Changes from one server to another",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, failovers)},
        {.name = "weir_postgres_connections",
                .help = "Connections, with those that are being opened",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, connections)},
        {.name = "weir_postgres_waiting_calls",
                .help = "Calls that wait to be sent",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, waiting)},
        {.name = "weir_postgres_call_duration_seconds",
                .help = "Time from the start of a call to its end",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct postgres_cells, call_ms)},
        {0},
};

static const struct weir_metric_table postgres_metrics_table = {
        .metrics = postgres_metrics_rows,
        .size = sizeof(struct postgres_cells),
        .labels = {"pool"},
};

struct postgres_cells *postgres_metrics_of(struct weir_loop *loop, const char *name)
{
	return weir_metrics_set(loop, &postgres_metrics_table, (const char *[]){name, ""});
}
