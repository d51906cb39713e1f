/*
 * Zones and sets of zones: looking into their images, and their life.
 *
 * Names are found by hash, their order by bisection; neither takes memory, and nothing here changes
 * an image. The zone of a query is the one with the longest name. So the names above the name in
 * question are looked up from there to the root, of which only as many labels count as the longest
 * name of a zone has.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>

#include "refcount.h"
#include "zone_image.h"

/* -- a zone ------------------------------------------------------------------------------------ */

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

/* -- a set of zones ---------------------------------------------------------------------------- */

/* Copies `size` bytes to the end of the set's own memory. */
static const void *zones_copy(char **to, const void *from, size_t size)
{
	void *copied = *to;
	if (size)
		memcpy(copied, from, size);
	*to += (size + 7) & ~(size_t)7;
	return copied;
}

static size_t zones_policy_size(const struct weir_dns_policy *policy)
{
	size_t networks = policy->network_count * sizeof *policy->networks;
	size_t keys = policy->key_count * sizeof *policy->keys;
	size_t notify = policy->notify_count * sizeof *policy->notify;
	return ((networks + 7) & ~(size_t)7) + ((keys + 7) & ~(size_t)7) +
	       ((notify + 7) & ~(size_t)7);
}

static void zones_copy_policy(char **to, struct weir_dns_policy *policy)
{
	policy->networks =
	        zones_copy(to, policy->networks, policy->network_count * sizeof *policy->networks);
	policy->keys = zones_copy(to, policy->keys, policy->key_count * sizeof *policy->keys);
	policy->notify =
	        zones_copy(to, policy->notify, policy->notify_count * sizeof *policy->notify);
}

static uint32_t *zones_find_slot(
        const struct weir_dns_zones *zones, const struct dns_key *key, unsigned skip)
{
	const uint8_t *wire = key->wire + key->starts[skip];
	unsigned size = key->size - key->starts[skip];
	uint32_t at = key->hashes[skip] & zones->mask;
	for (; zones->table[at]; at = (at + 1) & zones->mask) {
		const struct weir_dns_name *apex = &zones->entries[zones->table[at] - 1].zone->apex;
		if (apex->size == size && memcmp(apex->wire, wire, size) == 0)
			break;
	}
	return &zones->table[at];
}

const struct weir_dns_zone_entry *dns_zones_search(
        const struct weir_dns_zones *zones, const struct dns_key *key, unsigned skip)
{
	if (key->labels > zones->labels_max && skip < key->labels - zones->labels_max)
		skip = key->labels - zones->labels_max;
	for (; skip <= key->labels; skip++) {
		uint32_t slot = *zones_find_slot(zones, key, skip);
		if (slot)
			return &zones->entries[slot - 1];
	}
	return NULL;
}

/* Puts the zone into the table. */
static int zones_add(struct weir_dns_zones *zones, uint32_t number)
{
	const struct weir_dns_name *apex = &zones->entries[number].zone->apex;
	struct dns_key key;
	dns_key_make(&key, apex->wire, apex->size, dns_seed());
	uint32_t *slot = zones_find_slot(zones, &key, 0);
	if (*slot)
		return WEIR_E_SYNTAX;
	*slot = number + 1;
	if (key.labels > zones->labels_max)
		zones->labels_max = key.labels;
	return 0;
}

int weir_dns_zones_create(
        const struct weir_dns_zone_entry *entries, size_t count, struct weir_dns_zones **ret)
{
	size_t capacity = 4, copied = count * sizeof *entries;
	if (count > WEIR_DNS_ZONES_MAX)
		return WEIR_E_LIMIT;
	while (capacity < count * 2)
		capacity *= 2;
	for (size_t i = 0; i < count; i++)
		copied += zones_policy_size(&entries[i].policy);
	struct weir_dns_zones *zones =
	        calloc(1, sizeof *zones + copied + capacity * sizeof *zones->table);
	if (!zones)
		return -ENOMEM;
	char *to = (char *)(zones + 1);
	int error = 0;
	refcount_init(&zones->references);
	zones->entries = (struct weir_dns_zone_entry *)(void *)to;
	zones->table = (uint32_t *)(void *)(to + copied);
	zones->mask = (uint32_t)(capacity - 1);
	to += count * sizeof *entries;
	for (; zones->count < count && error == 0; zones->count++) {
		struct weir_dns_zone_entry *entry = &zones->entries[zones->count];
		*entry = entries[zones->count];
		weir_dns_zone_hold(entry->zone);
		zones_copy_policy(&to, &entry->policy);
		error = zones_add(zones, (uint32_t)zones->count);
	}
	if (error < 0)
		weir_dns_zones_release(zones);
	else
		*ret = zones;
	return error;
}

struct weir_dns_zones *weir_dns_zones_hold(struct weir_dns_zones *zones)
{
	refcount_hold(&zones->references);
	return zones;
}

void weir_dns_zones_release(struct weir_dns_zones *zones)
{
	if (!zones || !refcount_release(&zones->references))
		return;
	for (size_t i = 0; i < zones->count; i++)
		weir_dns_zone_release(zones->entries[i].zone);
	free(zones);
}

size_t weir_dns_zones_count(const struct weir_dns_zones *zones)
{
	return zones->count;
}

const struct weir_dns_zone_entry *weir_dns_zones_entry(
        const struct weir_dns_zones *zones, size_t at)
{
	return at < zones->count ? &zones->entries[at] : NULL;
}

const struct weir_dns_zone_entry *weir_dns_zones_find(
        const struct weir_dns_zones *zones, const struct weir_dns_name *name)
{
	struct dns_key key;
	dns_key_make(&key, name->wire, name->size, dns_seed());
	uint32_t slot = *zones_find_slot(zones, &key, 0);
	return slot ? &zones->entries[slot - 1] : NULL;
}
