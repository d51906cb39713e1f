/* A walk through the records of a zone, for transfers, differences and the saved file. */
#ifndef WEIR_DNS_ZONE_WALK_H
#define WEIR_DNS_ZONE_WALK_H

#include <weir/span.h>

#include "nsec3.h"
#include "zone_image.h"

/* Valid until the next step of the same walk. */
struct zone_entry {
	const uint8_t *owner; /* in lower case */
	uint16_t type;
	uint32_t ttl;
	struct weir_span data; /* uncompressed */
};

/*
 * A position in a zone, which must stay held. Names come in canonical order, then the hashed ones;
 * the records of a name are in the order of the type that they have or cover.
 */
struct dns_walk {
	const struct weir_dns_zone *zone;
	bool in_hashed;
	uint32_t at;                   /* the node, or the index in hashed */
	unsigned rrsets;               /* of the node, still to come with this one */
	unsigned record;               /* of the RRset, and then its signatures */
	const struct dns_rrset *rrset; /* NULL: at the beginning of a node */
	const uint8_t *next;
	uint8_t owner[1 + DNS_BASE32_SIZE + WEIR_DNS_NAME_MAX]; /* of a hashed name */
};

void dns_walk_init(struct dns_walk *walk, const struct weir_dns_zone *zone);

/* The current record. Returns false at the end. Only dns_walk_next moves on. */
bool dns_walk_peek(struct dns_walk *walk, struct zone_entry *ret);
void dns_walk_step(struct dns_walk *walk);

/* The SOA record of a zone that is not a placeholder. */
void dns_zone_soa(const struct weir_dns_zone *zone, struct zone_entry *ret);

#endif
