/* The metrics of WebSockets, by site. They are there from the first WebSocket of a site on. */
#include <weir/metrics.h>

#include "websocket_state.h"

static const char *const websocket_metrics_directions[] = {
        [WEBSOCKET_RECEIVED] = "received",
        [WEBSOCKET_SENT] = "sent",
};

static const struct weir_metric_label websocket_metrics_direction = {
        "direction", websocket_metrics_directions, WEBSOCKET_DIRECTIONS};

static const char *const websocket_metrics_ends[WEBSOCKET_ENDS] = {
        [WEBSOCKET_END_NORMAL] = "normal",
        [WEBSOCKET_END_ERROR] = "error",
        [WEBSOCKET_END_APPLICATION] = "application",
        [WEBSOCKET_END_ABNORMAL] = "abnormal",
};

static const struct weir_metric_label websocket_metrics_end = {
        "code", websocket_metrics_ends, WEBSOCKET_ENDS};

static const struct weir_metric websocket_metrics_rows[] = {
        {.name = "weir_websocket_connections_total",
                .help = "WebSockets that have begun",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct websocket_cells, begun)},
        {.name = "weir_websocket_open_connections",
                .help = "WebSockets that are open",
                .type = WEIR_METRIC_GAUGE,
                .cell = WEIR_METRIC_CELL(struct websocket_cells, open)},
        {.name = "weir_websocket_messages_total",
                .help = "Messages of WebSockets",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct websocket_cells, messages),
                .labels = {&websocket_metrics_direction}},
        {.name = "weir_websocket_bytes_total",
                .help = "Bytes of the frames of WebSockets",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct websocket_cells, bytes),
                .labels = {&websocket_metrics_direction}},
        {.name = "weir_websocket_closed_total",
                .help = "WebSockets that have ended; normal: 1000, 1001 or no code; error: another "
                        "code below 3000; application: from 3000 on; abnormal: without a Close "
                        "frame",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct websocket_cells, closed),
                .labels = {&websocket_metrics_end}},
        {0},
};

struct websocket_cells *websocket_metrics_of(const struct weir_http_exchange *exchange)
{
	static const struct weir_metric_table table = {
	        .metrics = websocket_metrics_rows,
	        .size = sizeof(struct websocket_cells),
	        .labels = {"site"},
	};
	const struct weir_http_site *site = exchange->site;
	const char *name = site && site->names && site->names[0] ? site->names[0] : "-";
	return weir_metrics_set(exchange->server->loop, &table, (const char *[]){name, ""});
}

enum websocket_end websocket_metrics_end_of(unsigned code)
{
	switch (code) {
	case WEIR_WEBSOCKET_NORMAL:
	case WEIR_WEBSOCKET_GOING_AWAY:
	case WEIR_WEBSOCKET_NO_CODE:
		return WEBSOCKET_END_NORMAL;
	case WEIR_WEBSOCKET_ABNORMAL:
		return WEBSOCKET_END_ABNORMAL;
	default:
		return code < 3000 ? WEBSOCKET_END_ERROR : WEBSOCKET_END_APPLICATION;
	}
}
