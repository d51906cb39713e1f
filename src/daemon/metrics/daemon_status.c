/* One walk over the state, for every format of the writer (status_writer.h). */
#include <weir/dns_lookup.h>
#include <weir/dns_zone.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/sasl_guard.h>
#include <weir/tls.h>
#include <weir/version.h>

#include "acme_report.h"
#include "config.h"
#include "config_acme.h"
#include "config_tls.h"
#include "daemon_metrics.h"
#include "daemon_status.h"
#include "mail_relay.h"
#include "metrics_read.h"
#include "service.h"
#include "service_dns.h"
#include "store_report.h"
#include "stored_certificates.h"

/* The sources of a status, and its writer. */
struct status_walk {
	const struct daemon_metrics *metrics;
	const struct metrics_reader *reader;
	struct status_writer *writer;
	struct metrics_reader served; /* without the main loop, which serves pages of this kind */
};

/* A metric of all loops. */
static void status_total(const struct status_walk *walk, const char *name, const char *metric)
{
	status_number(walk->writer, name, metrics_total(walk->reader, metric));
}

/* -- the page ---------------------------------------------------------------------------------- */

static void status_write_process(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	const struct daemon_metrics *metrics = walk->metrics;
	status_group(writer, "process");
	status_text(writer, "version", WEIR_VERSION);
	status_signed(
	        writer, "uptime_seconds", weir_loop_wall_s(metrics->loop) - metrics->started_s);
	status_number(writer, "workers", *metrics->workers);
	status_total(walk, "open_connections", "weir_listener_open_connections");
	status_total(walk, "received_bytes", "weir_loop_received_bytes_total");
	status_total(walk, "sent_bytes", "weir_loop_sent_bytes_total");
	status_total(walk, "limits_hit", "weir_loop_limits_hit_total");
	status_total(walk, "time_limits", "weir_loop_timeouts_total");
	status_total(walk, "accept_failures", "weir_loop_accept_failures_total");
	status_total(walk, "tls_handshakes", "weir_loop_handshakes_total");
	status_total(walk, "tls_handshake_failures", "weir_loop_handshake_failures_total");
	status_total(walk, "loop_turns", "weir_loop_turn_seconds");
	status_total(walk, "longest_turn_ms", "weir_loop_longest_turn_seconds");
	status_total(walk, "arena_bytes", "weir_loop_arena_bytes");
	status_group_end(writer);
}

static void status_write_listeners(const struct status_walk *walk)
{
	static const struct {
		const char *name;
		const char *metric;
	} values[] = {
	        {"open", "weir_listener_open_connections"},
	        {"accepted", "weir_listener_connections_total"},
	        {"requests", "weir_listener_requests_total"},
	        {"received_bytes", "weir_listener_received_bytes_total"},
	        {"sent_bytes", "weir_listener_sent_bytes_total"},
	        {"limits_hit", "weir_listener_limits_total"},
	        {"time_limits", "weir_listener_timeouts_total"},
	};
	struct status_writer *writer = walk->writer;
	const char *labels[STATUS_LISTENERS_MAX][WEIR_METRIC_SET_LABELS];
	size_t count = metrics_labels(
	        walk->reader, "weir_listener_open_connections", labels, STATUS_LISTENERS_MAX);
	status_list(writer, "listeners");
	for (size_t i = 0; i < count; i++) {
		const struct metrics_choice choice = {
		        {labels[i][0], labels[i][1]}, METRICS_ALL, METRICS_ALL};
		status_item(writer);
		status_text(writer, "listener", labels[i][0]);
		status_text(writer, "address", labels[i][1]);
		for (size_t j = 0; j < sizeof values / sizeof *values; j++)
			status_number(writer, values[j].name,
			        metrics_sum(walk->reader, values[j].metric, &choice));
		status_item_end(writer);
	}
	size_t all = metrics_count(walk->reader, "weir_listener_open_connections");
	status_list_end(writer, "listeners", all > count ? all - count : 0);
}

/* The requests or commands of each protocol that the configuration has. */
static void status_write_protocols(const struct status_walk *walk)
{
	static const struct {
		const char *name;
		const char *metric;
	} values[SERVICE_COUNT] = {
	        [SERVICE_HTTP] = {"http", "weir_http_requests_total"},
	        [SERVICE_SMTP] = {"smtp", "weir_smtp_commands_total"},
	        [SERVICE_POP3] = {"pop3", "weir_pop3_commands_total"},
	        [SERVICE_FTP] = {"ftp", "weir_ftp_commands_total"},
	        [SERVICE_DNS] = {"dns", "weir_dns_queries_total"},
	};
	const struct config *config = *walk->metrics->config;
	struct status_writer *writer = walk->writer;
	int64_t up_s = weir_loop_wall_s(walk->metrics->loop) - walk->metrics->started_s;
	status_list(writer, "protocols");
	for (unsigned i = 0; config && i < SERVICE_COUNT; i++) {
		if (!listeners_include(config, i))
			continue;
		uint64_t total = metrics_total(&walk->served, values[i].metric);
		status_item(writer);
		status_text(writer, "protocol", values[i].name);
		status_number(writer, "requests", total);
		status_decimal(
		        writer, "mean_per_second", (double)total / (double)(up_s > 0 ? up_s : 1));
		status_item_end(writer);
	}
	status_list_end(writer, "protocols", 0);
}

/*
 * Returns the upper bound of the bucket that has this part of all durations: 1, 2, 4 … 65,536 ms,
 * and the double of that for longer ones; 0 if there is none.
 */
static uint64_t status_percentile_ms(
        const uint64_t buckets[WEIR_METRIC_BUCKETS], uint64_t count, unsigned percent)
{
	uint64_t wanted = (count * percent + 99) / 100, sum = 0;
	for (unsigned i = 0; count && i < WEIR_METRIC_BUCKETS; i++) {
		sum += buckets[i];
		if (sum >= wanted)
			return (uint64_t)1 << i;
	}
	return 0;
}

static void status_write_durations(const struct status_walk *walk)
{
	static const struct {
		const char *name;
		const char *metric;
	} values[] = {
	        {"http request", "weir_http_request_duration_seconds"},
	        {"smtp message", "weir_smtp_message_duration_seconds"},
	        {"pop3 session", "weir_pop3_session_duration_seconds"},
	        {"ftp transfer", "weir_ftp_transfer_duration_seconds"},
	        {"dns query", "weir_dns_query_duration_seconds"},
	        {"dns question upstream", "weir_resolver_ask_duration_seconds"},
	        {"turn of a loop", "weir_loop_turn_seconds"},
	};
	struct status_writer *writer = walk->writer;
	status_list(writer, "durations");
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		uint64_t buckets[WEIR_METRIC_BUCKETS], count = 0;
		metrics_buckets(&walk->served, values[i].metric, buckets);
		for (unsigned j = 0; j < WEIR_METRIC_BUCKETS; j++)
			count += buckets[j];
		if (!count)
			continue;
		status_item(writer);
		status_text(writer, "duration", values[i].name);
		status_number(writer, "count", count);
		status_number(writer, "p50_ms", status_percentile_ms(buckets, count, 50));
		status_number(writer, "p90_ms", status_percentile_ms(buckets, count, 90));
		status_number(writer, "p99_ms", status_percentile_ms(buckets, count, 99));
		status_array(writer, "buckets", buckets, WEIR_METRIC_BUCKETS);
		status_item_end(writer);
	}
	status_list_end(writer, "durations", 0);
}

/* -- each protocol ----------------------------------------------------------------------------- */

static void status_write_http(const struct status_walk *walk)
{
	static const char *const results[] = {"gone", "1xx", "2xx", "3xx", "4xx", "5xx"};
	struct status_writer *writer = walk->writer;
	status_group(writer, "http");
	for (unsigned i = 0; i < sizeof results / sizeof *results; i++)
		status_number(writer, results[i],
		        metrics_sum(&walk->served, "weir_http_requests_total",
		                &(struct metrics_choice){.first = METRICS_ALL, .second = (int)i}));
	status_total(walk, "malformed", "weir_http_malformed_total");
	status_total(walk, "unhealthy_upstreams", "weir_proxy_unhealthy_servers");
	status_group_end(writer);
}

static void status_write_mail(const struct status_walk *walk)
{
	static const char *const events[] = {
	        "smtp_accepted_messages", "smtp_failed_messages", "smtp_refusals"};
	/* In the order of enum weir_relay_outcome. */
	static const char *const relayed[] = {"relay_sent", "relay_deferred", "relay_failed"};
	struct status_writer *writer = walk->writer;
	status_group(writer, "mail");
	status_total(walk, "smtp_commands", "weir_smtp_commands_total");
	for (unsigned i = 0; i < sizeof events / sizeof *events; i++)
		status_number(writer, events[i],
		        metrics_sum(walk->reader, "weir_smtp_events_total",
		                &(struct metrics_choice){.first = (int)i, .second = METRICS_ALL}));
	for (unsigned i = 0; i < sizeof relayed / sizeof *relayed; i++)
		status_number(writer, relayed[i],
		        metrics_sum(walk->reader, "weir_relay_outcomes_total",
		                &(struct metrics_choice){.first = (int)i, .second = METRICS_ALL}));
	status_total(walk, "pop3_commands", "weir_pop3_commands_total");
	status_total(walk, "pop3_retrieved_messages", "weir_pop3_retrieved_messages_total");
	status_group_end(writer);
}

static void status_write_ftp(const struct status_walk *walk)
{
	status_group(walk->writer, "ftp");
	status_total(walk, "commands", "weir_ftp_commands_total");
	status_total(walk, "sent_bytes", "weir_ftp_sent_bytes_total");
	status_total(walk, "received_bytes", "weir_ftp_received_bytes_total");
	status_group_end(walk->writer);
}

static void status_write_queue(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	struct weir_mail_queue *queue = mail_relay_queue(*walk->metrics->relay);
	if (!queue)
		return;
	int64_t now_s = weir_loop_wall_s(walk->metrics->loop);
	int64_t oldest_s = weir_mail_queue_oldest_s(queue);
	struct weir_mail_queue_claims claims;
	weir_mail_queue_claims(queue, &claims);
	status_group(writer, "mail_queue");
	status_number(writer, "messages", weir_mail_queue_count(queue));
	status_number(writer, "claimed", claims.claimed);
	status_number(writer, "taken_over", claims.taken_over);
	status_signed(writer, "oldest_age_seconds", oldest_s < now_s ? now_s - oldest_s : 0);
	status_group_end(writer);
}

static void status_write_zones(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	struct weir_dns_zones *zones = dns_shared_zones(*walk->metrics->dns);
	size_t count = weir_dns_zones_count(zones), unavailable = 0;
	for (size_t i = 0; i < count; i++) {
		struct weir_dns_zone_info info;
		weir_dns_zone_info(weir_dns_zones_entry(zones, i)->zone, &info);
		unavailable += info.unavailable != 0;
	}
	weir_dns_zones_release(zones);
	status_number(writer, "zones", count);
	status_number(writer, "unavailable_zones", unavailable);
}

static void status_write_dns(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	struct weir_dns_cache_counters cache;
	status_group(writer, "dns");
	status_total(walk, "queries", "weir_dns_queries_total");
	if (*walk->metrics->dns)
		status_write_zones(walk);
	status_total(walk, "cache_hits", "weir_resolver_hits_total");
	status_total(walk, "cache_misses", "weir_resolver_misses_total");
	if (*walk->metrics->dns && dns_shared_cache_counters(*walk->metrics->dns, &cache)) {
		status_number(writer, "cache_entries", cache.entries);
		status_number(writer, "cache_bytes", cache.bytes);
	}
	status_total(walk, "upstreams_backing_off", "weir_upstream_backing_off");
	status_group_end(writer);
}

static void status_write_guard(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	struct weir_guard_counters counters;
	weir_guard_counters(walk->metrics->guard, &counters);
	status_group(writer, "guard");
	status_number(writer, "right_passwords", counters.passed);
	status_number(writer, "wrong_passwords", counters.failed);
	status_number(writer, "delayed_answers", counters.delayed);
	status_group_end(writer);
}

static void status_begin_certificate(
        const struct status_walk *walk, const char *label, int64_t expires_s)
{
	struct status_writer *writer = walk->writer;
	status_item(writer);
	status_text(writer, "file", label);
	/* A self-signed one, until there is another. */
	if (expires_s != INT64_MAX)
		status_signed(writer, "days_left",
		        (expires_s - weir_loop_wall_s(walk->metrics->loop)) / 86400);
}

/* Returns how many there are beside those of the configuration; `room` of them are written. */
static size_t status_write_stored(
        const struct status_walk *walk, const struct config *config, size_t room)
{
	struct stored_expiries *stored =
	        stored_certificates_expiries(*walk->metrics->store->certificates);
	size_t count = 0;
	for (size_t i = 0; stored && i < stored->count; i++) {
		const struct stored_expiry *item = &stored->items[i];
		if (daemon_metrics_has_certificate(config, item->name) || count++ >= room)
			continue;
		status_begin_certificate(walk, item->name, item->expires_s);
		status_item_end(walk->writer);
	}
	stored_expiries_release(stored);
	return count;
}

static void status_write_certificates(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	const struct config *config = *walk->metrics->config;
	const struct weir_tls *tls = config ? config_tls_any(config) : NULL;
	size_t all = tls ? config->tls.all.count : 0;
	size_t shown = all < STATUS_CERTIFICATES_MAX ? all : STATUS_CERTIFICATES_MAX;
	status_list(writer, "certificates");
	for (size_t i = 0; i < shown; i++) {
		char text[ACME_REPORT_SIZE];
		status_begin_certificate(
		        walk, config_acme_label(config, i), weir_tls_certificate_expires_s(tls, i));
		if (i >= config_acme_first(config)) {
			acme_report_line(config, i - config_acme_first(config), text);
			status_text(writer, "state", text);
		}
		status_item_end(writer);
	}
	size_t stored =
	        tls ? status_write_stored(walk, config, STATUS_CERTIFICATES_MAX - shown) : 0;
	status_list_end(writer, "certificates",
	        all + stored > STATUS_CERTIFICATES_MAX ? all + stored - STATUS_CERTIFICATES_MAX
	                                               : 0);
}

static void status_write_lease(const struct status_walk *walk)
{
	const struct config *config = *walk->metrics->config;
	bool held;
	uint64_t takeovers;
	if (!config || !acme_report_lease_state(config, &held, &takeovers))
		return;
	status_group(walk->writer, "certificate_lease");
	status_number(walk->writer, "held", held);
	status_number(walk->writer, "takeovers", takeovers);
	status_group_end(walk->writer);
}

static void status_write_lanes(const struct status_walk *walk)
{
	struct status_writer *writer = walk->writer;
	status_list(writer, "work_pool");
	for (unsigned i = 0; i < WEIR_LANES; i++) {
		struct weir_lane_info info;
		weir_work_info((enum weir_lane)i, &info);
		if (!info.submitted)
			continue;
		status_item(writer);
		status_text(writer, "lane", daemon_metrics_lanes[i]);
		status_number(writer, "queued", info.queued);
		status_number(writer, "busy", info.threads - info.idle);
		status_number(writer, "threads", info.threads);
		status_number(writer, "tasks", info.submitted);
		status_number(writer, "refused", info.refused);
		status_item_end(writer);
	}
	status_list_end(writer, "work_pool", 0);
}

/* Programs find all groups, and people those of protocols that are configured. */
static bool status_shows(const struct status_walk *walk, enum service service)
{
	const struct config *config = *walk->metrics->config;
	return walk->writer->format != STATUS_HTML ||
	       (config && listeners_include(config, service));
}

static struct status_walk status_walk_of(struct status_writer *writer,
        const struct daemon_metrics *metrics, const struct metrics_reader *reader)
{
	return (struct status_walk){metrics, reader, writer, {reader->loops, reader->count - 1}};
}

void status_write_summary(struct status_writer *writer, const struct daemon_metrics *metrics,
        const struct metrics_reader *reader)
{
	const struct status_walk walk = status_walk_of(writer, metrics, reader);
	status_write_process(&walk);
	status_write_protocols(&walk);
	status_write_durations(&walk);
}

void status_write_details(struct status_writer *writer, const struct daemon_metrics *metrics,
        const struct metrics_reader *reader)
{
	const struct status_walk walk = status_walk_of(writer, metrics, reader);
	status_write_listeners(&walk);
	if (status_shows(&walk, SERVICE_HTTP))
		status_write_http(&walk);
	if (status_shows(&walk, SERVICE_SMTP) || status_shows(&walk, SERVICE_POP3))
		status_write_mail(&walk);
	if (status_shows(&walk, SERVICE_FTP))
		status_write_ftp(&walk);
	status_write_queue(&walk);
	if (status_shows(&walk, SERVICE_DNS))
		status_write_dns(&walk);
	status_write_guard(&walk);
	store_report_status(walk.metrics->store, walk.writer);
	status_write_certificates(&walk);
	status_write_lease(&walk);
	status_write_lanes(&walk);
}

int status_write(const struct daemon_metrics *metrics, const struct metrics_reader *reader,
        enum status_format format, struct weir_buffer *to)
{
	struct status_writer writer;
	status_begin(&writer, format, to);
	status_write_summary(&writer, metrics, reader);
	status_write_details(&writer, metrics, reader);
	return status_end(&writer);
}
