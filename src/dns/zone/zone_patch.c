/*
 * A table by owner, type and data, in which the case of names counts nowhere: by compression, a
 * name may come with another case than it has in the zone. The TTL is no part of what a record is.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "zone_builder.h"
#include "zone_image.h"

enum {
	TABLE_MIN = 256
};

struct change {
	uint32_t hash;
	uint32_t owner; /* in bytes, in lower case */
	uint32_t data;
	uint32_t ttl;
	uint16_t size; /* of the data */
	uint16_t type;
	bool was;  /* the record is in the zone before the first step */
	bool is;   /* and after the last one */
	bool seen; /* in the zone */
};

static struct change *zone_patch_changes(const struct dns_patch *patch)
{
	return (struct change *)(void *)patch->changes.data;
}

static size_t zone_patch_count(const struct dns_patch *patch)
{
	return patch->changes.size / sizeof(struct change);
}

static const uint8_t *zone_patch_bytes_at(const struct dns_patch *patch, uint32_t at)
{
	return (const uint8_t *)patch->bytes.data + at;
}

void dns_patch_free(struct dns_patch *patch)
{
	weir_buffer_finish(&patch->bytes);
	weir_buffer_finish(&patch->changes);
	free(patch->table);
	patch->table = NULL;
}

/* -- what is the same record ------------------------------------------------------------------- */

static uint32_t zone_patch_mix(uint32_t hash, const uint8_t *data, size_t size, bool fold)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (fold ? dns_lower(data[i]) : data[i])) * 16777619u;
	return hash;
}

static uint32_t zone_patch_hash_of(const uint8_t *owner, uint16_t type, struct weir_span data)
{
	uint32_t hash = dns_seed() ^ type;
	hash = zone_patch_mix(hash, owner, dns_wire_size(owner), false);
	hash = zone_patch_mix(hash, (const uint8_t *)data.data, data.size, dns_layout(type).names);
	return hash ^ hash >> 15;
}

/* The length of a label is never a letter, so that names can be compared byte by byte. */
static bool zone_patch_same_names(const uint8_t *a, const uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (dns_lower(a[i]) != dns_lower(b[i]))
			return false;
	return true;
}

/* Both are valid in the sense of dns_rdata_good. */
static bool zone_patch_same_data(uint16_t type, const uint8_t *a, const uint8_t *b, size_t size)
{
	struct dns_layout layout = dns_layout(type);
	size_t end = layout.skip;
	if (!layout.names)
		return !size || memcmp(a, b, size) == 0;
	for (unsigned i = 0; i < layout.names; i++)
		end += dns_wire_size(a + end);
	return memcmp(a, b, layout.skip) == 0 &&
	       zone_patch_same_names(a + layout.skip, b + layout.skip, end - layout.skip) &&
	       memcmp(a + end, b + end, size - end) == 0;
}

static struct change *zone_patch_find(const struct dns_patch *patch, const uint8_t *owner,
        uint16_t type, struct weir_span data, uint32_t hash)
{
	for (uint32_t at = hash & patch->mask; patch->table && patch->table[at];
	        at = (at + 1) & patch->mask) {
		struct change *change = &zone_patch_changes(patch)[patch->table[at] - 1];
		if (change->hash == hash && change->type == type && change->size == data.size &&
		        dns_wire_compare(zone_patch_bytes_at(patch, change->owner), owner) == 0 &&
		        zone_patch_same_data(type, zone_patch_bytes_at(patch, change->data),
		                (const uint8_t *)data.data, data.size))
			return change;
	}
	return NULL;
}

/* -- collecting -------------------------------------------------------------------------------- */

static void zone_patch_insert(struct dns_patch *patch, uint32_t hash, uint32_t number)
{
	uint32_t at = hash & patch->mask;
	while (patch->table[at])
		at = (at + 1) & patch->mask;
	patch->table[at] = number + 1;
}

static int zone_patch_grow(struct dns_patch *patch)
{
	size_t used = zone_patch_count(patch),
	       capacity = patch->table ? (size_t)patch->mask + 1 : 0;
	if (used < capacity / 4 * 3)
		return 0;
	capacity = capacity ? capacity * 2 : TABLE_MIN;
	uint32_t *table = capacity > UINT32_MAX ? NULL : calloc(capacity, sizeof *table);
	if (!table)
		return -ENOMEM;
	free(patch->table);
	patch->table = table;
	patch->mask = (uint32_t)(capacity - 1);
	for (size_t i = 0; i < used; i++)
		zone_patch_insert(patch, zone_patch_changes(patch)[i].hash, (uint32_t)i);
	return 0;
}

static int zone_patch_append(struct dns_patch *patch, struct change *change,
        const struct weir_dns_name *owner, struct weir_span data)
{
	change->owner = (uint32_t)patch->bytes.size;
	change->data = change->owner + owner->size;
	int error = zone_patch_grow(patch);
	if (error == 0)
		error = weir_buffer_append(
		        &patch->bytes, owner->wire, owner->size, WEIR_DNS_ZONE_BYTES_MAX);
	if (error == 0)
		error = weir_buffer_append(
		        &patch->bytes, data.data, data.size, WEIR_DNS_ZONE_BYTES_MAX);
	if (error == 0)
		error = weir_buffer_append(&patch->changes, change, sizeof *change, SIZE_MAX);
	if (error == 0)
		zone_patch_insert(patch, change->hash, (uint32_t)zone_patch_count(patch) - 1);
	return error;
}

int dns_patch_add(struct dns_patch *patch, bool removed, const struct weir_dns_name *owner,
        uint16_t type, uint32_t ttl, struct weir_span data)
{
	struct weir_dns_name lower = *owner;
	if (data.size > UINT16_MAX || !dns_rdata_good(type, data))
		return -EBADMSG;
	weir_dns_name_lower(&lower);
	uint32_t hash = zone_patch_hash_of(lower.wire, type, data);
	struct change *known = zone_patch_find(patch, lower.wire, type, data, hash);
	if (known) {
		if (known->is != removed)
			return -EBADMSG;
		known->is = !removed;
		known->ttl = ttl;
		return 0;
	}
	struct change change = {.hash = hash,
	        .ttl = ttl,
	        .size = (uint16_t)data.size,
	        .type = type,
	        .was = removed,
	        .is = !removed};
	return zone_patch_append(patch, &change, &lower, data);
}

/* -- applying ---------------------------------------------------------------------------------- */

static int zone_patch_give(struct dns_builder *builder, const uint8_t *owner, uint16_t type,
        uint32_t ttl, struct weir_span data)
{
	struct weir_dns_name name;
	weir_dns_name_set(weir_span(owner, dns_wire_size(owner)), &name);
	return dns_builder_add(builder, &name, type, ttl, data, 0);
}

static int zone_patch_give_changed(
        const struct dns_patch *patch, const struct change *change, struct dns_builder *builder)
{
	if (!change->is)
		return 0;
	return zone_patch_give(builder, zone_patch_bytes_at(patch, change->owner), change->type,
	        change->ttl, weir_span(zone_patch_bytes_at(patch, change->data), change->size));
}

int dns_patch_apply(
        struct dns_patch *patch, const struct weir_dns_zone *zone, struct dns_builder *builder)
{
	struct dns_walk walk;
	struct zone_entry entry;
	int error = 0;
	dns_walk_init(&walk, zone);
	for (; error == 0 && dns_walk_peek(&walk, &entry); dns_walk_step(&walk)) {
		uint32_t hash = zone_patch_hash_of(entry.owner, entry.type, entry.data);
		struct change *change =
		        zone_patch_find(patch, entry.owner, entry.type, entry.data, hash);
		if (!change) {
			error = zone_patch_give(
			        builder, entry.owner, entry.type, entry.ttl, entry.data);
			continue;
		}
		/*
		 * Records that differ in case only are one record here: the primary has counted
		 * more.
		 */
		if (!change->was || change->seen)
			return -EBADMSG;
		change->seen = true;
		error = zone_patch_give_changed(patch, change, builder);
	}
	for (size_t i = 0; error == 0 && i < zone_patch_count(patch); i++) {
		const struct change *change = &zone_patch_changes(patch)[i];
		if (change->seen)
			continue;
		error = change->was ? -EBADMSG : zone_patch_give_changed(patch, change, builder);
	}
	return error;
}
