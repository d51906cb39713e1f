/*
 * What a zone was before: the differences that led to it, for IXFR (RFC 1995). Each is counted and
 * shared by the zones that follow each other; a zone's own list of them never changes.
 */
#ifndef WEIR_DNS_ZONE_HISTORY_H
#define WEIR_DNS_ZONE_HISTORY_H

#include <weir/buffer.h>

#include "zone_walk.h"

/*
 * One step, in the order in which IXFR has it: the SOA record before, the records that went, the SOA
 * record after, those that came. Each is owner, type, TTL, length and rdata, without compression.
 */
struct dns_delta {
	atomic_uint references;
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

/* Where in the zone's history a client with this serial begins; false: it is not there. */
bool dns_history_find(const struct weir_dns_zone *zone, uint32_t serial, unsigned *ret);

/* A place in the steps of a history, from one of them to the last. */
struct dns_steps {
	const struct dns_history *history; /* NULL: none */
	unsigned delta;
	size_t at;
};

bool dns_steps_peek(const struct dns_steps *steps, struct zone_entry *ret);
void dns_steps_step(struct dns_steps *steps);

/*
 * The difference of two zones, as in a step. 0; WEIR_E_LIMIT: it is larger than `limit`; -ENOMEM.
 */
int dns_zone_difference(const struct weir_dns_zone *from, const struct weir_dns_zone *to,
        size_t limit, struct weir_buffer *ret);

#endif
