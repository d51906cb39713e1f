/* The metrics of looking up. Their cells are the public counters, of all objects of one loop. */
#include <weir/address.h>

#include "lookup_metrics.h"

#define LOOKUP_ROW(cells, field, text_name, text_help)                                             \
	{                                                                                          \
		.name = text_name, .help = text_help, .type = WEIR_METRIC_COUNTER,                 \
		.cell = WEIR_METRIC_CELL(struct cells, field),                                     \
	}
#define LOOKUP(field, help)                                                                        \
	LOOKUP_ROW(weir_dns_lookups_counters, field, "weir_resolver_" #field "_total", help)
#define UPSTREAM(field, help)                                                                      \
	LOOKUP_ROW(weir_dns_upstreams_counters, field, "weir_upstream_" #field "_total", help)

static const struct weir_metric lookup_metrics_rows[] = {
        LOOKUP(hits, "Lookups answered from the cache"),
        LOOKUP(misses, "Lookups that were not in the cache"),
        LOOKUP(stale, "Answers given after they had expired"),
        LOOKUP(asks, "Questions asked"),
        LOOKUP(prefetches, "Questions asked before the answer had expired"),
        LOOKUP(joined, "Lookups for a question that was being asked already"),
        LOOKUP(failures, "Questions that were not answered"),
        LOOKUP(rejected, "Questions whose reply did not answer them"),
        {.name = "weir_resolver_ask_duration_seconds",
                .help = "Time from a question until its answer or failure",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct weir_dns_lookups_counters, ask_ms)},
        {0},
};

static const struct weir_metric upstream_metrics_rows[] = {
        UPSTREAM(asked, "Questions for the upstream servers"),
        UPSTREAM(answered, "Questions that got a reply"),
        UPSTREAM(failed, "Questions that got an error"),
        UPSTREAM(refused, "Questions refused: too many were under way"),
        UPSTREAM(sent, "Queries sent, with probes"),
        UPSTREAM(sent_tcp, "Queries sent by TCP"),
        UPSTREAM(unanswered, "Queries that timed out"),
        UPSTREAM(ignored, "Messages that matched no query: forged or stray"),
        UPSTREAM(backed_off, "Times that a server began to back off"),
        {0},
};

static const struct weir_metric_table lookup_metrics_table = {
        .metrics = lookup_metrics_rows, .size = sizeof(struct weir_dns_lookups_counters)};
static const struct weir_metric_table upstream_metrics_table = {
        .metrics = upstream_metrics_rows, .size = sizeof(struct weir_dns_upstreams_counters)};

static const struct weir_metric upstream_server_rows[] = {
        {.name = "weir_upstream_rtt_seconds",
                .help = "Smoothed round trip time of an upstream server, the largest of all loops",
                .type = WEIR_METRIC_GAUGE_MOST,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct upstream_cells, rtt_ms)},
        {.name = "weir_upstream_backing_off",
                .help = "Loops that hold an upstream server for down",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct upstream_cells, backing_off)},
        {0},
};

static const struct weir_metric_table upstream_server_table = {
        .metrics = upstream_server_rows,
        .size = sizeof(struct upstream_cells),
        .labels = {"server"},
};

struct upstream_cells *upstream_metrics_of(
        struct weir_loop *loop, const struct weir_address *address)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	weir_address_format(address, text);
	return weir_metrics_set(loop, &upstream_server_table, (const char *[]){text, ""});
}

struct weir_dns_lookups_counters *lookup_metrics(struct weir_loop *loop)
{
	return weir_metrics_set(loop, &lookup_metrics_table, (const char *[]){"", ""});
}

struct weir_dns_upstreams_counters *upstream_metrics(struct weir_loop *loop)
{
	return weir_metrics_set(loop, &upstream_metrics_table, (const char *[]){"", ""});
}
