/* The metrics of DNS: by the type of the question, which is from a fixed list, and by the rcode. */
#include "dns_metrics.h"

static const char *const dns_metrics_types[DNS_METRICS_TYPES] = {"other", "A", "NS", "CNAME", "SOA",
        "PTR", "MX", "TXT", "AAAA", "SRV", "NAPTR", "DS", "DNSKEY", "TLSA", "SVCB", "HTTPS", "AXFR",
        "IXFR", "ANY"};

/* The place in the list of the types up to 255. */
static const uint8_t dns_metrics_places[256] = {
        [WEIR_DNS_A] = 1,
        [WEIR_DNS_NS] = 2,
        [WEIR_DNS_CNAME] = 3,
        [WEIR_DNS_SOA] = 4,
        [WEIR_DNS_PTR] = 5,
        [WEIR_DNS_MX] = 6,
        [WEIR_DNS_TXT] = 7,
        [WEIR_DNS_AAAA] = 8,
        [WEIR_DNS_SRV] = 9,
        [WEIR_DNS_NAPTR] = 10,
        [WEIR_DNS_DS] = 11,
        [WEIR_DNS_DNSKEY] = 12,
        [52] = 13, /* RFC 6698 */
        [64] = 14, /* RFC 9460 */
        [65] = 15,
        [252] = 16, /* RFC 5936 */
        [251] = 17, /* RFC 1995 */
        [255] = 18, /* RFC 8482 */
};

/* By rcode up to REFUSED, then the others, and the queries without a reply. */
static const char *const dns_metrics_results[DNS_METRICS_RESULTS] = {"NOERROR", "FORMERR",
        "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "other", "none", "transfer"};

enum {
	DNS_METRICS_OTHER = 6,
	DNS_METRICS_NONE = 7,
	DNS_METRICS_TRANSFER = 8,
};

static const struct weir_metric_label dns_metrics_type = {
        "type", dns_metrics_types, DNS_METRICS_TYPES};
static const struct weir_metric_label dns_metrics_result = {
        "rcode", dns_metrics_results, DNS_METRICS_RESULTS};

#define DNS_COUNTER(text_name, text_help, field)                                                   \
	{                                                                                          \
		.name = text_name, .help = text_help, .type = WEIR_METRIC_COUNTER,                 \
		.cell = WEIR_METRIC_CELL(struct dns_cells, field),                                 \
	}

static const struct weir_metric dns_metrics_rows[] = {
        {.name = "weir_dns_queries_total",
                .help = "Queries by the question's type and the reply's rcode",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct dns_cells, queries),
                .labels = {&dns_metrics_type, &dns_metrics_result}},
        DNS_COUNTER("weir_dns_sent_bytes_total", "Bytes of replies, without transfers", sent),
        DNS_COUNTER("weir_dns_truncated_total", "Replies that were truncated", truncated),
        DNS_COUNTER("weir_dns_rate_dropped_total", "Replies dropped by the rate limit", dropped),
        DNS_COUNTER("weir_dns_rate_slipped_total",
                "Replies sent truncated because of the rate limit", slipped),
        DNS_COUNTER("weir_dns_over_quota_total",
                "Queries not looked up: too many of the network are pending", over_quota),
        DNS_COUNTER("weir_dns_duplicates_total", "Queries not answered: the same query is pending",
                duplicate),
        DNS_COUNTER("weir_dns_transfers_total", "Zone transfers begun", transfers),
        {.name = "weir_dns_query_duration_seconds",
                .help = "From a query until its reply is made",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct dns_cells, took_ms)},
        {0},
};

static const struct weir_metric_table dns_metrics_table = {
        .metrics = dns_metrics_rows,
        .size = sizeof(struct dns_cells),
        .labels = {"listener"},
};

struct dns_cells *dns_metrics(struct weir_loop *loop, const struct weir_dns_options *options)
{
	const char *name = options->listener.name;
	return weir_metrics_set(
	        loop, &dns_metrics_table, (const char *[]){name ? name : "dns", ""});
}

void dns_metrics_count(struct dns_cells *cells, const struct weir_dns_outcome *outcome, size_t size,
        int64_t took_ms)
{
	unsigned type = outcome->type < 256 ? dns_metrics_places[outcome->type] : 0;
	unsigned result = outcome->transfer                    ? DNS_METRICS_TRANSFER
	                  : size == 0                          ? DNS_METRICS_NONE
	                  : outcome->rcode < DNS_METRICS_OTHER ? outcome->rcode
	                                                       : DNS_METRICS_OTHER;
	weir_metric_add(&cells->queries[type][result], 1);
	weir_metric_add(&cells->sent, size);
	weir_metric_observe_ms(cells->took_ms, took_ms);
	if (outcome->truncated)
		weir_metric_add(&cells->truncated, 1);
	if (outcome->over_quota)
		weir_metric_add(&cells->over_quota, 1);
	if (outcome->duplicate)
		weir_metric_add(&cells->duplicate, 1);
}
