/*
 * Earlier versions of a zone: the differences between them, for IXFR (RFC 1995). Each step is
 * reference counted and shared by successive versions; a version's own list of steps never changes.
 */
#ifndef WEIR_DNS_ZONE_HISTORY_H
#define WEIR_DNS_ZONE_HISTORY_H

#include <weir/buffer.h>

#include "zone_walk.h"
#include "refcount.h"

/*
 * One step, in IXFR's order: the old SOA record, the removed records, the new SOA record, the added
 * records. Each record is owner, type, TTL, length and rdata, without compression.
 */
struct dns_delta {
	struct refcount references;
	uint32_t from, to; /* serial numbers */
	size_t size;
	uint8_t data[];
};

struct dns_history {
	size_t size; /* of all steps */
	unsigned count;
	struct dns_delta
	        *deltas[]; /* the last leads to the zone, each begins where the one before ends */
};

/* NULL is allowed. */
void dns_history_free(struct dns_history *history);

/* Finds the step at which a client with this serial begins. Returns false if there is none. */
bool dns_history_find(const struct weir_dns_zone *zone, uint32_t serial, unsigned *ret);

/* A position in the steps of a history, from one of them to the last. */
struct dns_steps {
	const struct dns_history *history; /* NULL: none */
	unsigned delta;
	size_t at;
};

bool dns_steps_peek(const struct dns_steps *steps, struct zone_entry *ret);
void dns_steps_step(struct dns_steps *steps);

/*
 * Makes a step from the difference of two zones. Returns 0, WEIR_E_LIMIT if it is larger than
 * `limit`, or -ENOMEM.
 */
int dns_zone_difference(const struct weir_dns_zone *from, const struct weir_dns_zone *to,
        size_t limit, struct weir_buffer *ret);

#endif
