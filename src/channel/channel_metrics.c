/*
 * The metrics of listeners. The address that is a label is the one that the server listens on; an
 * address of a peer never is.
 */
#include <string.h>

#include <weir/server.h>

#include "channel_metrics.h"
#include "channel_state.h"

_Static_assert(TIMING_LAST + 1 == CHANNEL_TIMINGS, "a cell for each value of enum timing");

static const char *const channel_metrics_limits[CHANNEL_TIMINGS] = {
        [TIMING_NONE] = "none",
        [TIMING_IDLE] = "idle",
        [TIMING_REQUEST] = "request",
        [TIMING_BODY] = "body",
        [TIMING_OUTPUT] = "output",
        [TIMING_LINGER] = "linger",
        [TIMING_CONNECT] = "connect",
        [TIMING_HANDSHAKE] = "handshake",
        [TIMING_GATHER] = "gather",
        [TIMING_PROXY] = "proxy",
};

static const char *const channel_metrics_results[CHANNEL_HANDSHAKE_RESULTS] = {
        [CHANNEL_HANDSHAKE_FULL] = "full",
        [CHANNEL_HANDSHAKE_RESUMED] = "resumed",
        [CHANNEL_HANDSHAKE_FAILED] = "failed",
};

static const struct weir_metric_label channel_metrics_limit = {
        "limit", channel_metrics_limits, CHANNEL_TIMINGS};
static const struct weir_metric_label channel_metrics_result = {
        "result", channel_metrics_results, CHANNEL_HANDSHAKE_RESULTS};

#define CHANNEL_CELL(field) .cell = WEIR_METRIC_CELL(struct channel_cells, field)

static const struct weir_metric channel_metrics_rows[] = {
        {"weir_listener_connections_total", "Connections accepted", WEIR_METRIC_COUNTER,
                CHANNEL_CELL(opened)},
        {"weir_listener_open_connections", "Connections that are open", WEIR_METRIC_GAUGE,
                CHANNEL_CELL(open)},
        {"weir_listener_refused_total", "Connections closed at once for lack of memory",
                WEIR_METRIC_COUNTER, CHANNEL_CELL(refused)},
        {"weir_listener_requests_total", "Requests and commands cut from the input",
                WEIR_METRIC_COUNTER, CHANNEL_CELL(requests)},
        {"weir_listener_received_bytes_total", "Bytes received, after decryption",
                WEIR_METRIC_COUNTER, CHANNEL_CELL(bytes_in)},
        {"weir_listener_sent_bytes_total", "Bytes sent, before encryption", WEIR_METRIC_COUNTER,
                CHANNEL_CELL(bytes_out)},
        {"weir_listener_limits_total", "Requests and connections over a limit", WEIR_METRIC_COUNTER,
                CHANNEL_CELL(limits_hit)},
        {"weir_listener_malformed_total", "Input that the protocol does not have",
                WEIR_METRIC_COUNTER, CHANNEL_CELL(malformed)},
        {"weir_listener_timeouts_total", "Connections ended by a time limit", WEIR_METRIC_COUNTER,
                CHANNEL_CELL(timeouts), .labels = {&channel_metrics_limit}},
        {"weir_listener_tls_handshakes_total", "TLS handshakes by their result",
                WEIR_METRIC_COUNTER, CHANNEL_CELL(handshakes), .labels = {&channel_metrics_result}},
        {0},
};

static const struct weir_metric_table channel_metrics_table = {
        .metrics = channel_metrics_rows,
        .size = sizeof(struct channel_cells),
        .labels = {"listener", "address"},
};

struct channel_cells *channel_metrics_of_listener(struct weir_loop *loop,
        const struct weir_listener *listener, const char *protocol,
        const struct weir_address *address)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	if (listener->passive)
		memcpy(text, "-", 2);
	else
		weir_address_format(address, text);
	return weir_metrics_set(loop, &channel_metrics_table,
	        (const char *[]){listener->name ? listener->name : protocol, text});
}

struct channel_cells *channel_metrics_of_outgoing(struct weir_loop *loop)
{
	return weir_metrics_set(
	        loop, &channel_metrics_table, (const char *[]){"outgoing", "outgoing"});
}
