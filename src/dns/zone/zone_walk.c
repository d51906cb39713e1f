/*
 * A position in a zone is a few numbers and pointers into its image. Nothing is held or copied but
 * the names of NSEC3 records, which are stored as hashes.
 */
#include <string.h>

#include "zone_image.h"

void dns_walk_init(struct dns_walk *walk, const struct weir_dns_zone *zone)
{
	memset(walk, 0, offsetof(struct dns_walk, owner));
	walk->zone = zone;
}

static void zone_walk_enter(struct dns_walk *walk, const struct dns_rrset *rrset)
{
	walk->rrset = rrset;
	walk->record = 0;
	walk->next = dns_rrset_records(rrset);
}

static void zone_walk_name_hashed(struct dns_walk *walk)
{
	const struct weir_dns_zone *zone = walk->zone;
	uint8_t *to = walk->owner;
	*to++ = DNS_BASE32_SIZE;
	dns_base32_encode(zone->hashed[walk->at].hash, to);
	memcpy(to + DNS_BASE32_SIZE, zone->apex.wire, zone->apex.size);
}

/* Moves to the next RRset, unless there is a current one. Returns false at the end. */
static bool zone_walk_find_rrset(struct dns_walk *walk)
{
	const struct weir_dns_zone *zone = walk->zone;
	if (walk->rrset)
		return true;
	for (; !walk->in_hashed && walk->at < zone->node_count; walk->at++) {
		const struct dns_node *node = &zone->nodes[walk->at];
		if (!node->count)
			continue;
		walk->rrsets = node->count;
		zone_walk_enter(walk, dns_rrset_at(zone, node->rrsets));
		return true;
	}
	if (!walk->in_hashed) {
		walk->in_hashed = true;
		walk->at = 0;
	}
	if (walk->at == zone->hashed_count)
		return false;
	walk->rrsets = 1;
	zone_walk_name_hashed(walk);
	zone_walk_enter(walk, dns_rrset_at(zone, zone->hashed[walk->at].rrset));
	return true;
}

bool dns_walk_peek(struct dns_walk *walk, struct zone_entry *ret)
{
	if (!zone_walk_find_rrset(walk))
		return false;
	const struct dns_rrset *rrset = walk->rrset;
	ret->owner = walk->in_hashed ? walk->owner
	                             : dns_node_name(walk->zone, &walk->zone->nodes[walk->at]);
	ret->type = walk->record < rrset->count ? dns_rrset_type(rrset) : WEIR_DNS_RRSIG;
	ret->ttl = dns_rrset_ttl(rrset);
	ret->data = weir_span(walk->next + 2, dns_get16(walk->next));
	return true;
}

void dns_walk_step(struct dns_walk *walk)
{
	const struct dns_rrset *rrset = walk->rrset;
	walk->next = dns_record_next(walk->next);
	if (++walk->record < (unsigned)rrset->count + rrset->signatures)
		return;
	walk->rrset = NULL;
	if (--walk->rrsets)
		zone_walk_enter(walk, dns_rrset_next(rrset));
	else
		walk->at++;
}

void dns_zone_soa(const struct weir_dns_zone *zone, struct zone_entry *ret)
{
	const struct dns_rrset *soa = dns_node_rrset(zone, zone->nodes, WEIR_DNS_SOA);
	const uint8_t *record = dns_rrset_records(soa);
	*ret = (struct zone_entry){
	        .owner = zone->apex.wire,
	        .type = WEIR_DNS_SOA,
	        .ttl = dns_rrset_ttl(soa),
	        .data = weir_span(record + 2, dns_get16(record)),
	};
}

bool weir_dns_zone_equal(const struct weir_dns_zone *a, const struct weir_dns_zone *b)
{
	struct dns_walk left, right;
	struct zone_entry one, other;
	if (a->records != b->records)
		return false;
	dns_walk_init(&left, a);
	dns_walk_init(&right, b);
	while (dns_walk_peek(&left, &one) && dns_walk_peek(&right, &other)) {
		size_t size = dns_wire_size(one.owner);
		if (size != dns_wire_size(other.owner) || one.type != other.type ||
		        one.ttl != other.ttl || one.data.size != other.data.size ||
		        memcmp(one.owner, other.owner, size) != 0 ||
		        memcmp(one.data.data, other.data.data, one.data.size) != 0)
			return false;
		dns_walk_step(&left);
		dns_walk_step(&right);
	}
	return true;
}
