/* The cells of each listener, on each loop. */
#ifndef WEIR_CHANNEL_METRICS_H
#define WEIR_CHANNEL_METRICS_H

#include <weir/metrics.h>

struct weir_address;
struct weir_listener;
struct weir_loop;

enum channel_handshake_result {
	CHANNEL_HANDSHAKE_FULL,
	CHANNEL_HANDSHAKE_RESUMED,
	CHANNEL_HANDSHAKE_FAILED,
	CHANNEL_HANDSHAKE_RESULTS,
};

enum {
	CHANNEL_TIMINGS = 10 /* the values of enum timing */
};

struct channel_cells {
	uint64_t opened;
	uint64_t open;
	uint64_t refused;
	uint64_t requests;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t limits_hit;
	uint64_t malformed;
	uint64_t timeouts[CHANNEL_TIMINGS];
	uint64_t handshakes[CHANNEL_HANDSHAKE_RESULTS];
};

/* Returns the cells of a listener, or NULL without memory. */
struct channel_cells *channel_metrics_of_listener(struct weir_loop *loop,
        const struct weir_listener *listener, const char *protocol,
        const struct weir_address *address);

/* Returns the cells of all outgoing connections, or NULL without memory. */
struct channel_cells *channel_metrics_of_outgoing(struct weir_loop *loop);

#endif
