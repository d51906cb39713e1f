/*
 * One walk over the state writes both formats. The writer knows two shapes: a group of values, each
 * on a line of its own, and a list of groups, each of which is one line.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <weir/dns_lookup.h>
#include <weir/dns_zone.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/sasl_guard.h>
#include <weir/tls.h>
#include <weir/version.h>

#include "config.h"
#include "config_tls.h"
#include "daemon_metrics.h"
#include "daemon_status.h"
#include "mail_relay.h"
#include "metrics_read.h"
#include "service_dns.h"

struct status_writer {
	const struct daemon_metrics *metrics;
	const struct metrics_reader *reader;
	struct weir_buffer *to;
	enum status_format format;
	int error;
	unsigned groups; /* that were begun */
	unsigned items;  /* of the current list */
	unsigned values; /* of the current group */
	bool listing;    /* the groups are items of a list */
};

/* -- the writer -------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void status_put(
        struct status_writer *writer, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (writer->error < 0 || size < 0)
		return;
	writer->error = weir_buffer_append(writer->to, text,
	        (size_t)size < sizeof text ? (size_t)size : sizeof text - 1, STATUS_SIZE_MAX);
}

static void status_put_escaped(struct status_writer *writer, const char *text)
{
	for (size_t size = strnlen(text, 200); size; size--, text++) {
		unsigned char c = (unsigned char)*text;
		if (c < ' ' || c == 0x7f)
			status_put(writer, "?");
		else if (writer->format == STATUS_JSON && (c == '"' || c == '\\'))
			status_put(writer, "\\%c", c);
		else
			status_put(writer, "%c", c);
	}
}

/* Underscores are spaces in text. */
static void status_put_title(struct status_writer *writer, const char *name)
{
	status_put(writer, "%s", writer->groups ? "\n" : "");
	for (; *name; name++)
		status_put(writer, "%c", *name == '_' ? ' ' : *name);
	status_put(writer, "\n");
}

static void status_group(struct status_writer *writer, const char *name)
{
	writer->values = 0;
	if (writer->format == STATUS_JSON)
		status_put(writer, "%s\"%s\":{", writer->groups ? ",\n" : "{", name);
	else
		status_put_title(writer, name);
	writer->groups++;
}

static void status_group_end(struct status_writer *writer)
{
	if (writer->format == STATUS_JSON)
		status_put(writer, "}");
}

static void status_list(struct status_writer *writer, const char *name)
{
	writer->listing = true;
	writer->items = 0;
	if (writer->format == STATUS_JSON)
		status_put(writer, "%s\"%s\":[", writer->groups ? ",\n" : "{", name);
	else
		status_put_title(writer, name);
	writer->groups++;
}

static void status_item(struct status_writer *writer)
{
	writer->values = 0;
	if (writer->format == STATUS_JSON)
		status_put(writer, "%s{", writer->items ? ",\n" : "\n");
	else
		status_put(writer, "  ");
	writer->items++;
}

static void status_item_end(struct status_writer *writer)
{
	status_put(writer, writer->format == STATUS_JSON ? "}" : "\n");
}

static void status_list_end(struct status_writer *writer)
{
	if (writer->format == STATUS_JSON)
		status_put(writer, "]");
	else if (!writer->items)
		status_put(writer, "  none\n");
	writer->listing = false;
}

/* Names have underscores in JSON, and spaces in text. */
static void status_name(struct status_writer *writer, const char *name)
{
	if (writer->format == STATUS_JSON) {
		status_put(writer, "%s\"%s\":", writer->values++ ? "," : "", name);
		return;
	}
	char shown[64];
	snprintf(shown, sizeof shown, "%s", name);
	for (char *c = shown; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	if (writer->listing)
		status_put(writer, "%s%s ", writer->values++ ? ", " : "", shown);
	else
		status_put(writer, "  %-28s ", shown);
}

static void status_value_end(struct status_writer *writer)
{
	if (writer->format == STATUS_TEXT && !writer->listing)
		status_put(writer, "\n");
}

static void status_number(struct status_writer *writer, const char *name, uint64_t value)
{
	status_name(writer, name);
	status_put(writer, "%" PRIu64, value);
	status_value_end(writer);
}

static void status_signed(struct status_writer *writer, const char *name, int64_t value)
{
	status_name(writer, name);
	status_put(writer, "%" PRId64, value);
	status_value_end(writer);
}

static void status_text(struct status_writer *writer, const char *name, const char *text)
{
	status_name(writer, name);
	status_put(writer, writer->format == STATUS_JSON ? "\"" : "");
	status_put_escaped(writer, text);
	status_put(writer, writer->format == STATUS_JSON ? "\"" : "");
	status_value_end(writer);
}

/* A metric of all loops. */
static void status_total(struct status_writer *writer, const char *name, const char *metric)
{
	status_number(writer, name, metrics_total(writer->reader, metric));
}

/* -- the page ---------------------------------------------------------------------------------- */

static void status_write_process(struct status_writer *writer)
{
	const struct daemon_metrics *metrics = writer->metrics;
	status_group(writer, "process");
	status_text(writer, "version", WEIR_VERSION);
	status_signed(
	        writer, "uptime_seconds", weir_loop_wall_s(metrics->loop) - metrics->started_s);
	status_number(writer, "workers", *metrics->workers);
	status_total(writer, "open_connections", "weir_listener_open_connections");
	status_total(writer, "received_bytes", "weir_loop_received_bytes_total");
	status_total(writer, "sent_bytes", "weir_loop_sent_bytes_total");
	status_total(writer, "limits_hit", "weir_loop_limits_hit_total");
	status_total(writer, "time_limits", "weir_loop_timeouts_total");
	status_total(writer, "accept_failures", "weir_loop_accept_failures_total");
	status_total(writer, "tls_handshakes", "weir_loop_handshakes_total");
	status_total(writer, "tls_handshake_failures", "weir_loop_handshake_failures_total");
	status_total(writer, "loop_turns", "weir_loop_turn_seconds");
	status_total(writer, "longest_turn_ms", "weir_loop_longest_turn_seconds");
	status_total(writer, "arena_bytes", "weir_loop_arena_bytes");
	status_group_end(writer);
}

static void status_write_listeners(struct status_writer *writer)
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
	const char *labels[STATUS_LISTENERS_MAX][WEIR_METRIC_SET_LABELS];
	size_t count = metrics_labels(
	        writer->reader, "weir_listener_open_connections", labels, STATUS_LISTENERS_MAX);
	status_list(writer, "listeners");
	for (size_t i = 0; i < count; i++) {
		const struct metrics_choice choice = {
		        {labels[i][0], labels[i][1]}, METRICS_ALL, METRICS_ALL};
		status_item(writer);
		status_text(writer, "listener", labels[i][0]);
		status_text(writer, "address", labels[i][1]);
		for (size_t j = 0; j < sizeof values / sizeof *values; j++)
			status_number(writer, values[j].name,
			        metrics_sum(writer->reader, values[j].metric, &choice));
		status_item_end(writer);
	}
	status_list_end(writer);
}

/* The requests or commands of each protocol, and their results. */
static void status_write_protocols(struct status_writer *writer)
{
	static const char *const results[] = {"gone", "1xx", "2xx", "3xx", "4xx", "5xx"};
	status_group(writer, "http");
	for (unsigned i = 0; i < sizeof results / sizeof *results; i++)
		status_number(writer, results[i],
		        metrics_sum(writer->reader, "weir_http_requests_total",
		                &(struct metrics_choice){.first = METRICS_ALL, .second = (int)i}));
	status_total(writer, "malformed", "weir_http_malformed_total");
	status_group_end(writer);
	status_group(writer, "mail");
	status_total(writer, "smtp_commands", "weir_smtp_commands_total");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = {
		        "smtp_accepted_messages", "smtp_failed_messages", "smtp_refusals"};
		status_number(writer, names[i],
		        metrics_sum(writer->reader, "weir_smtp_events_total",
		                &(struct metrics_choice){.first = (int)i, .second = METRICS_ALL}));
	}
	status_total(writer, "pop3_commands", "weir_pop3_commands_total");
	status_total(writer, "pop3_retrieved_messages", "weir_pop3_retrieved_messages_total");
	status_group_end(writer);
	status_group(writer, "ftp");
	status_total(writer, "commands", "weir_ftp_commands_total");
	status_total(writer, "sent_bytes", "weir_ftp_sent_bytes_total");
	status_total(writer, "received_bytes", "weir_ftp_received_bytes_total");
	status_group_end(writer);
}

static void status_write_queue(struct status_writer *writer)
{
	struct weir_mail_queue *queue = mail_relay_queue(*writer->metrics->relay);
	if (!queue)
		return;
	int64_t now_s = weir_loop_wall_s(writer->metrics->loop);
	int64_t oldest_s = weir_mail_queue_oldest_s(queue);
	status_group(writer, "mail_queue");
	status_number(writer, "messages", weir_mail_queue_count(queue));
	status_signed(writer, "oldest_age_seconds", oldest_s < now_s ? now_s - oldest_s : 0);
	status_group_end(writer);
}

static void status_write_zones(struct status_writer *writer)
{
	struct weir_dns_zones *zones = dns_shared_zones(*writer->metrics->dns);
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

static void status_write_dns(struct status_writer *writer)
{
	struct weir_dns_cache_counters cache;
	status_group(writer, "dns");
	status_total(writer, "queries", "weir_dns_queries_total");
	if (*writer->metrics->dns)
		status_write_zones(writer);
	status_total(writer, "cache_hits", "weir_resolver_hits_total");
	status_total(writer, "cache_misses", "weir_resolver_misses_total");
	if (*writer->metrics->dns && dns_shared_cache_counters(*writer->metrics->dns, &cache)) {
		status_number(writer, "cache_entries", cache.entries);
		status_number(writer, "cache_bytes", cache.bytes);
	}
	status_total(writer, "upstreams_backing_off", "weir_upstream_backing_off");
	status_group_end(writer);
}

static void status_write_guard(struct status_writer *writer)
{
	struct weir_guard_counters counters;
	weir_guard_counters(writer->metrics->guard, &counters);
	status_group(writer, "guard");
	status_number(writer, "right_passwords", counters.passed);
	status_number(writer, "wrong_passwords", counters.failed);
	status_number(writer, "delayed_answers", counters.delayed);
	status_group_end(writer);
}

static void status_write_certificates(struct status_writer *writer)
{
	const struct config *config = *writer->metrics->config;
	const struct weir_tls *tls = config ? config_tls_any(config) : NULL;
	status_list(writer, "certificates");
	for (size_t i = 0; tls && i < config->tls.certificates.count; i++) {
		int64_t left_s = weir_tls_certificate_expires_s(tls, i) -
		                 weir_loop_wall_s(writer->metrics->loop);
		status_item(writer);
		status_text(writer, "file", config->tls.certificates.items[i].chain);
		status_signed(writer, "days_left", left_s / 86400);
		status_item_end(writer);
	}
	status_list_end(writer);
}

static void status_write_lanes(struct status_writer *writer)
{
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
	status_list_end(writer);
}

int status_write(const struct daemon_metrics *metrics, const struct metrics_reader *reader,
        enum status_format format, struct weir_buffer *to)
{
	struct status_writer writer = {
	        .metrics = metrics, .reader = reader, .to = to, .format = format};
	status_write_process(&writer);
	status_write_listeners(&writer);
	status_write_protocols(&writer);
	status_write_queue(&writer);
	status_write_dns(&writer);
	status_write_guard(&writer);
	status_write_certificates(&writer);
	status_write_lanes(&writer);
	status_put(&writer, format == STATUS_JSON ? "}\n" : "");
	return writer.error;
}
