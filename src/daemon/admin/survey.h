/*
 * A survey of the open connections: how many there are of each type and activity, what waits to be
 * sent, and those that lead in some order.
 *
 *   survey_start ─▶ each worker, on its thread ─▶ done, on the main loop
 *
 * Each worker walks over its connections once, and holds the leading ones in a heap. So a survey
 * costs a comparison for most connections, and memory for those that it shows.
 */
#ifndef DAEMON_SURVEY_H
#define DAEMON_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/channel.h>

struct listener_type;
struct worker;

enum {
	SURVEY_SHOWN_MAX = 500,
	SURVEY_TYPES = 16,       /* of listeners; the first ones of listener_types */
	SURVEY_ASKED_MAX = 1000, /* connections of a worker whose unsent bytes are asked for */
	SURVEY_RECENT_MS = 10 * 1000,
	SURVEY_SLOW_MS = 1000,
};

enum survey_order {
	SURVEY_QUIET,   /* the longest time since the last byte */
	SURVEY_SENT,    /* the most bytes sent */
	SURVEY_REPLIES, /* the most replies in the queue */
	SURVEY_SLOW,    /* as SURVEY_QUIET, of those that have begun something */
	SURVEY_ORDERS,
};

struct survey_item {
	uint64_t rank; /* in the order */
	struct weir_channel_ref ref;
	unsigned worker;
	const struct listener_type *type;
	struct weir_address peer;
	const char *waits_for;
	uint64_t sent;
	unsigned replies;
	unsigned unsent;
	uint32_t quiet_ms;
	bool secure;
};

struct survey_counts {
	uint64_t connections;
	uint64_t of[SURVEY_TYPES][WEIR_ACTIVITY_REPLYING + 1]; /* by type and enum weir_activity */
	uint64_t slow;    /* not idle, and no byte came or went for SURVEY_SLOW_MS */
	uint64_t replies; /* in all queues */
	/*
	 * The bytes that the kernel holds: of connections with replies, and of those that had a
	 * byte in the last SURVEY_RECENT_MS. `unasked` of them were over SURVEY_ASKED_MAX.
	 */
	uint64_t unsent;
	uint64_t unasked;
};

struct connection_survey {
	struct survey_counts counts;
	const struct survey_item *items; /* the leading ones, in their order */
	size_t count;
};

/* The survey is valid during the call. Called once, unless survey_start failed. */
typedef void survey_done_fn(void *context, const struct connection_survey *survey);

/*
 * Asks `count` workers, of which there must be one. `shown` connections lead, up to
 * SURVEY_SHOWN_MAX. Returns 0 or -ENOMEM.
 */
int survey_start(struct worker *const *workers, unsigned count, enum survey_order order,
        size_t shown, survey_done_fn *done, void *context);

#endif
