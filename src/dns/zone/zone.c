/*
 * Looking into an image, and its life. Names are found by hash, their order by bisection; neither
 * takes memory, and nothing here changes the image.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <string.h>
#include <sys/random.h>

#include "zone_history.h"
#include "refcount.h"

static uint32_t seed;

static void zone_make_seed(void)
{
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		seed = (uint32_t)(uintptr_t)&seed;
}

uint32_t dns_seed(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, zone_make_seed);
	return seed;
}

const struct dns_rrset *dns_node_rrset(
        const struct weir_dns_zone *zone, const struct dns_node *node, uint16_t type)
{
	const struct dns_rrset *rrset = dns_rrset_at(zone, node->rrsets);
	for (unsigned i = 0; i < node->count; i++, rrset = dns_rrset_next(rrset))
		if (dns_rrset_type(rrset) == type)
			return rrset->count ? rrset : NULL;
	return NULL;
}

const struct dns_node *dns_zone_node(
        const struct weir_dns_zone *zone, const struct dns_key *key, unsigned skip)
{
	unsigned from = key->starts[skip], size = key->size - from;
	uint32_t hash = key->hashes[skip];
	for (uint32_t at = hash & zone->mask; zone->slots[at].node; at = (at + 1) & zone->mask) {
		if (zone->slots[at].hash != hash)
			continue;
		const struct dns_node *node = &zone->nodes[zone->slots[at].node - 1];
		if (node->name_size == size &&
		        memcmp(dns_node_name(zone, node), key->wire + from, size) == 0)
			return node;
	}
	return NULL;
}

const struct dns_node *dns_zone_closest(
        const struct weir_dns_zone *zone, const struct dns_key *key, unsigned *ret_skip)
{
	unsigned skip = key->labels > zone->labels_max ? key->labels - zone->labels_max : 0;
	unsigned last = key->labels - zone->apex.labels;
	for (; skip < last; skip++) {
		const struct dns_node *node = dns_zone_node(zone, key, skip);
		if (node) {
			*ret_skip = skip;
			return node;
		}
	}
	*ret_skip = last;
	return zone->nodes;
}

const struct dns_node *dns_zone_before(const struct weir_dns_zone *zone, const uint8_t *wire)
{
	uint32_t low = 0, high = zone->node_count;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (dns_wire_compare(dns_node_name(zone, &zone->nodes[middle]), wire) <= 0)
			low = middle;
		else
			high = middle;
	}
	return &zone->nodes[low];
}

const struct dns_hashed *dns_zone_hashed_before(
        const struct weir_dns_zone *zone, const uint8_t hash[DNS_HASH_SIZE])
{
	uint32_t low = 0, high = zone->chain_count;
	if (memcmp(zone->hashed[0].hash, hash, DNS_HASH_SIZE) > 0)
		return &zone->hashed[zone->chain_count - 1];
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (memcmp(zone->hashed[middle].hash, hash, DNS_HASH_SIZE) <= 0)
			low = middle;
		else
			high = middle;
	}
	return &zone->hashed[low];
}

struct weir_dns_zone *weir_dns_zone_hold(struct weir_dns_zone *zone)
{
	refcount_hold(&zone->references);
	return zone;
}

void weir_dns_zone_release(struct weir_dns_zone *zone)
{
	if (!zone || !refcount_release(&zone->references))
		return;
	dns_history_free(zone->history);
	free(zone);
}

int weir_dns_zone_create_placeholder(const struct weir_dns_name *apex,
        enum weir_dns_extended_error why, struct weir_dns_zone **ret)
{
	struct weir_dns_zone *zone = calloc(1, sizeof *zone);
	if (!zone)
		return -ENOMEM;
	refcount_init(&zone->references);
	zone->made_s = time(NULL);
	zone->apex = *apex;
	weir_dns_name_lower(&zone->apex);
	zone->size = sizeof *zone;
	zone->unavailable = (uint16_t)why;
	*ret = zone;
	return 0;
}

void weir_dns_zone_info(const struct weir_dns_zone *zone, struct weir_dns_zone_info *ret)
{
	*ret = (struct weir_dns_zone_info){
	        .name = zone->apex,
	        .unavailable = zone->unavailable,
	        .serial = zone->serial,
	        .made_s = zone->made_s,
	        .names = zone->node_count,
	        .records = zone->records,
	        .bytes = zone->size,
	        .steps = zone->history ? zone->history->count : 0,
	        .history_bytes = zone->history ? zone->history->size : 0,
	        .is_signed = zone->is_signed,
	        .nsec3 = zone->nsec3,
	        .includes = zone->includes,
	};
}
