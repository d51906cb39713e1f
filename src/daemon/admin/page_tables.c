/* Connections and warnings, between the two parts that daemon_status.c writes. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "daemon_metrics.h"
#include "daemon_status.h"
#include "page_tables.h"
#include "recent_lines.h"
#include "service.h"
#include "survey.h"

static bool page_type_is_configured(
        const struct config *config, const struct listener_type *type, const uint64_t *counts)
{
	for (unsigned i = 0; i <= WEIR_ACTIVITY_REPLYING; i++)
		if (counts[i])
			return true;
	/* Without any listener, HTTP has one. */
	if (config && config->listeners.count == 0)
		return type == listener_types;
	for (size_t i = 0; config && i < config->listeners.count; i++)
		if (config->listeners.items[i].type == type)
			return true;
	return false;
}

static void page_write_connections(struct status_writer *writer,
        const struct daemon_metrics *metrics, const struct survey_counts *counts)
{
	status_list(writer, "connections");
	for (size_t i = 0; i < SURVEY_TYPES && listener_types[i].name; i++) {
		const uint64_t *of = counts->of[i];
		if (!page_type_is_configured(*metrics->config, &listener_types[i], of))
			continue;
		status_item(writer);
		status_text(writer, "listener", listener_types[i].name);
		status_number(writer, "idle", of[WEIR_ACTIVITY_IDLE]);
		status_number(writer, "receiving", of[WEIR_ACTIVITY_RECEIVING]);
		status_number(writer, "replying", of[WEIR_ACTIVITY_REPLYING]);
		status_item_end(writer);
	}
	status_list_end(writer, "connections", 0);
}

static void page_write_waiting(struct status_writer *writer, const struct survey_counts *counts)
{
	status_group(writer, "waiting_to_leave");
	status_number(writer, "replies_queued", counts->replies);
	status_number(writer, "kernel_bytes", counts->unsent);
	status_number(writer, "slow_connections", counts->slow);
	if (counts->unasked)
		status_number(writer, "connections_not_asked", counts->unasked);
	status_group_end(writer);
}

static void page_write_slow(struct status_writer *writer, const struct connection_survey *survey)
{
	uint64_t slow = survey->counts.slow;
	status_list(writer, "slow");
	for (size_t i = 0; i < survey->count; i++) {
		const struct survey_item *item = &survey->items[i];
		char peer[WEIR_ADDRESS_TEXT_MAX];
		weir_address_format(&item->peer, peer);
		status_item(writer);
		status_text(writer, "peer", peer);
		status_text(writer, "listener", item->type->name);
		status_text(writer, "waits_for", item->waits_for);
		status_decimal(writer, "seconds", item->quiet_ms / 1000.0);
		status_number(writer, "replies", item->replies);
		status_number(writer, "sent_bytes", item->sent);
		status_number(writer, "unsent_bytes", item->unsent);
		status_item_end(writer);
	}
	status_list_end(writer, "slow", slow > survey->count ? slow - survey->count : 0);
}

static void page_write_warnings(struct status_writer *writer)
{
	struct recent_line *lines = calloc(RECENT_LINES_MAX, sizeof *lines);
	size_t count = lines ? recent_lines_copy(lines) : 0;
	status_list(writer, "warnings");
	for (size_t i = 0; i < count; i++) {
		time_t at = (time_t)lines[i].at_s;
		struct tm utc;
		char when[32] = "";
		if (gmtime_r(&at, &utc))
			strftime(when, sizeof when, "%Y-%m-%d %H:%M:%SZ", &utc);
		status_item(writer);
		status_text(writer, "time", when);
		status_text(writer, "text", lines[i].text);
		status_item_end(writer);
	}
	status_list_end(writer, "warnings", 0);
	free(lines);
}

int page_tables_write(const struct daemon_metrics *metrics, const struct metrics_reader *reader,
        const struct connection_survey *survey, enum status_format format, struct weir_buffer *to)
{
	struct status_writer writer;
	status_begin(&writer, format, to);
	status_write_summary(&writer, metrics, reader);
	page_write_connections(&writer, metrics, &survey->counts);
	page_write_waiting(&writer, &survey->counts);
	page_write_slow(&writer, survey);
	page_write_warnings(&writer);
	status_write_details(&writer, metrics, reader);
	return status_end(&writer);
}
