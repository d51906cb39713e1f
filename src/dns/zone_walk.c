/*
 * A place in a zone is a few numbers and pointers into its image; nothing is taken or copied but the
 * names of NSEC3 records, which stand in the image as hashes.
 */
#include <string.h>

#include "zone_walk.h"

void weir_dns_walk_init(struct dns_walk *walk, const struct weir_dns_zone *zone)
{
	memset(walk, 0, offsetof(struct dns_walk, owner));
	walk->zone = zone;
}

static void enter(struct dns_walk *walk, const struct dns_rrset *rrset)
{
	walk->rrset = rrset;
	walk->record = 0;
	walk->next = weir_dns_rrset_records(rrset);
}

static void name_hashed(struct dns_walk *walk)
{
	const struct weir_dns_zone *zone = walk->zone;
	uint8_t *to = walk->owner;
	*to++ = DNS_BASE32_SIZE;
	weir_dns_base32_encode(zone->hashed[walk->at].hash, to);
	memcpy(to + DNS_BASE32_SIZE, zone->apex.wire, zone->apex.size);
}

/* To the next RRset, unless there is one at hand. False: the end. */
static bool find_rrset(struct dns_walk *walk)
{
	const struct weir_dns_zone *zone = walk->zone;
	if (walk->rrset)
		return true;
	for (; !walk->in_hashed && walk->at < zone->node_count; walk->at++) {
		const struct dns_node *node = &zone->nodes[walk->at];
		if (!node->count)
			continue;
		walk->rrsets = node->count;
		enter(walk, weir_dns_rrset_at(zone, node->rrsets));
		return true;
	}
	if (!walk->in_hashed) {
		walk->in_hashed = true;
		walk->at = 0;
	}
	if (walk->at == zone->hashed_count)
		return false;
	walk->rrsets = 1;
	name_hashed(walk);
	enter(walk, weir_dns_rrset_at(zone, zone->hashed[walk->at].rrset));
	return true;
}

bool weir_dns_walk_peek(struct dns_walk *walk, struct dns_entry *ret)
{
	if (!find_rrset(walk))
		return false;
	const struct dns_rrset *rrset = walk->rrset;
	ret->owner = walk->in_hashed ? walk->owner
	                             : weir_dns_node_name(walk->zone, &walk->zone->nodes[walk->at]);
	ret->type = walk->record < rrset->count ? weir_dns_rrset_type(rrset) : WEIR_DNS_RRSIG;
	ret->ttl = weir_dns_rrset_ttl(rrset);
	ret->data = weir_span(walk->next + 2, weir_dns_get16(walk->next));
	return true;
}

void weir_dns_walk_step(struct dns_walk *walk)
{
	const struct dns_rrset *rrset = walk->rrset;
	walk->next = weir_dns_record_next(walk->next);
	if (++walk->record < (unsigned)rrset->count + rrset->signatures)
		return;
	walk->rrset = NULL;
	if (--walk->rrsets)
		enter(walk, weir_dns_rrset_next(rrset));
	else
		walk->at++;
}

void weir_dns_zone_soa(const struct weir_dns_zone *zone, struct dns_entry *ret)
{
	const struct dns_rrset *soa = weir_dns_node_rrset(zone, zone->nodes, WEIR_DNS_SOA);
	const uint8_t *record = weir_dns_rrset_records(soa);
	*ret = (struct dns_entry){
	        .owner = zone->apex.wire,
	        .type = WEIR_DNS_SOA,
	        .ttl = weir_dns_rrset_ttl(soa),
	        .data = weir_span(record + 2, weir_dns_get16(record)),
	};
}

bool weir_dns_zone_equal(const struct weir_dns_zone *a, const struct weir_dns_zone *b)
{
	struct dns_walk left, right;
	struct dns_entry one, other;
	if (a->records != b->records)
		return false;
	weir_dns_walk_init(&left, a);
	weir_dns_walk_init(&right, b);
	while (weir_dns_walk_peek(&left, &one) && weir_dns_walk_peek(&right, &other)) {
		size_t size = weir_dns_wire_size(one.owner);
		if (size != weir_dns_wire_size(other.owner) || one.type != other.type ||
		        one.ttl != other.ttl || one.data.size != other.data.size ||
		        memcmp(one.owner, other.owner, size) != 0 ||
		        memcmp(one.data.data, other.data.data, one.data.size) != 0)
			return false;
		weir_dns_walk_step(&left);
		weir_dns_walk_step(&right);
	}
	return true;
}
