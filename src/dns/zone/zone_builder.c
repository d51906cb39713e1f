/*
 * Collecting records: names are interned, and with each the names above it up to the apex, so that
 * empty non-terminals are there from the beginning. Records chain at their names as they come.
 * Leaves out all judgement: see zone_make.c.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "helper.h"
#include "zone_builder.h"

enum {
	TABLE_MIN = 1024,
	HASHED_MARK = 0x5bd1e995 /* makes the hash of a hashed name another one */
};

int dns_builder_init(struct dns_builder *builder, const struct weir_dns_name *apex)
{
	*builder = (struct dns_builder){.apex = *apex, .recent = DNS_NONE, .mask = TABLE_MIN - 1};
	weir_dns_name_lower(&builder->apex);
	builder->table = calloc(TABLE_MIN, sizeof *builder->table);
	return builder->table ? 0 : -ENOMEM;
}

void dns_builder_free(struct dns_builder *builder)
{
	weir_buffer_finish(&builder->bytes);
	weir_buffer_finish(&builder->names);
	weir_buffer_finish(&builder->records);
	free(builder->table);
	builder->table = NULL;
}

/*
 * The first eight bytes, in canonical order, of the labels before the apex. Each byte is
 * incremented, and 0 ends a label, so that labels with a common beginning are ordered right. Equal
 * results need a comparison of the names.
 */
static uint64_t zone_builder_rank_of(const struct dns_key *key, unsigned skip, unsigned apex_labels)
{
	uint64_t rank = 0;
	unsigned shift = 64;
	for (unsigned i = key->labels - apex_labels; i-- > skip && shift;) {
		const uint8_t *label = key->wire + key->starts[i];
		for (unsigned k = 1; k <= label[0] && shift; k++) {
			shift -= 8;
			if (label[k] >= 0xfe)
				return rank | (uint64_t)0xff << shift;
			rank |= (uint64_t)(label[k] + 1u) << shift;
		}
		shift -= shift ? 8 : 0;
	}
	return rank;
}

static void zone_builder_insert(struct dns_builder *builder, uint32_t hash, uint32_t number)
{
	uint32_t at = hash & builder->mask;
	while (builder->table[at].name)
		at = (at + 1) & builder->mask;
	builder->table[at] = (struct dns_raw_slot){hash, number + 1};
}

static int zone_builder_grow_table(struct dns_builder *builder)
{
	uint32_t count = dns_builder_count(builder);
	if (count < builder->mask / 2)
		return 0;
	size_t capacity = ((size_t)builder->mask + 1) * 2;
	struct dns_raw_slot *table = calloc(capacity, sizeof *table);
	if (!table)
		return -ENOMEM;
	memory_prefer_huge_pages(table, capacity * sizeof *table);
	free(builder->table);
	builder->table = table;
	builder->mask = (uint32_t)(capacity - 1);
	for (uint32_t i = 0; i < count; i++)
		zone_builder_insert(builder, dns_builder_names(builder)[i].hash, i);
	return 0;
}

static bool zone_builder_name_is(const struct dns_builder *builder, uint32_t number,
        const struct dns_key *key, unsigned skip, bool hashed)
{
	const struct dns_raw_name *name = &dns_builder_names(builder)[number];
	unsigned size = key->size - key->starts[skip];
	return name->name_size == size && name->hashed == hashed &&
	       memcmp(dns_builder_bytes(builder, name->wire), key->wire + key->starts[skip],
	               size) == 0;
}

static uint32_t zone_builder_find(
        const struct dns_builder *builder, const struct dns_key *key, unsigned skip, bool hashed)
{
	uint32_t hash = key->hashes[skip] ^ (hashed ? HASHED_MARK : 0);
	uint32_t at = hash & builder->mask;
	for (; builder->table[at].name; at = (at + 1) & builder->mask)
		if (builder->table[at].hash == hash &&
		        zone_builder_name_is(
		                builder, builder->table[at].name - 1, key, skip, hashed))
			return builder->table[at].name - 1;
	return DNS_NONE;
}

static int zone_builder_add_name(struct dns_builder *builder, const struct dns_key *key,
        unsigned skip, bool hashed, uint32_t parent)
{
	struct dns_raw_name name = {
	        .rank = zone_builder_rank_of(key, skip, builder->apex.labels),
	        .wire = (uint32_t)builder->bytes.size,
	        .hash = key->hashes[skip] ^ (hashed ? HASHED_MARK : 0),
	        .parent = parent,
	        .name_size = (uint8_t)(key->size - key->starts[skip]),
	        .hashed = hashed,
	};
	if (dns_builder_count(builder) == WEIR_DNS_ZONE_NAMES_MAX)
		return WEIR_E_LIMIT;
	int error = zone_builder_grow_table(builder);
	if (error == 0)
		error = weir_buffer_append(&builder->bytes, key->wire + key->starts[skip],
		        name.name_size, WEIR_DNS_ZONE_BYTES_MAX);
	if (error == 0)
		error = weir_buffer_append(&builder->names, &name, sizeof name, SIZE_MAX);
	if (error == 0)
		zone_builder_insert(builder, name.hash, dns_builder_count(builder) - 1);
	return error;
}

/* Finds the name, or adds it and the names above it. *ret is its number. */
static int zone_builder_intern(
        struct dns_builder *builder, const struct dns_key *key, bool hashed, uint32_t *ret)
{
	unsigned last = key->labels - builder->apex.labels, skip = 0;
	uint32_t number = zone_builder_find(builder, key, 0, hashed), parent = DNS_NONE;
	if (number != DNS_NONE) {
		*ret = number;
		return 0;
	}
	if (hashed) {
		last = 0;
	} else {
		while (skip < last &&
		        (parent = zone_builder_find(builder, key, skip + 1, false)) == DNS_NONE)
			skip++;
		last = min_of(skip, last);
	}
	for (skip = last + 1; skip-- > 0;) {
		int error = zone_builder_add_name(builder, key, skip, hashed, parent);
		if (error < 0)
			return error;
		parent = dns_builder_count(builder) - 1;
	}
	*ret = parent;
	return 0;
}

static int zone_builder_add_record(struct dns_builder *builder, uint32_t number,
        struct dns_raw_record *record, struct weir_span data)
{
	record->data = (uint32_t)builder->bytes.size;
	record->size = (uint16_t)data.size;
	int error =
	        weir_buffer_append(&builder->bytes, data.data, data.size, WEIR_DNS_ZONE_BYTES_MAX);
	if (error == 0)
		error = weir_buffer_append(&builder->records, record, sizeof *record, UINT32_MAX);
	if (error < 0)
		return error;
	struct dns_raw_name *name = &dns_builder_names(builder)[number];
	uint32_t added = (uint32_t)(builder->records.size / sizeof *record);
	if (name->last)
		dns_builder_records(builder)[name->last - 1].next = added;
	else
		name->first = added;
	name->last = added;
	return 0;
}

int dns_builder_add(struct dns_builder *builder, const struct weir_dns_name *owner, uint16_t type,
        uint32_t ttl, struct weir_span data, unsigned line)
{
	struct dns_key key;
	struct dns_raw_record record = {.ttl = ttl, .type = type, .line = line};
	bool hashed = type == WEIR_DNS_NSEC3 ||
	              (type == WEIR_DNS_RRSIG && data.size >= 2 &&
	                      dns_get16((const uint8_t *)data.data) == WEIR_DNS_NSEC3);
	if (!weir_dns_name_beneath(owner, &builder->apex))
		return WEIR_E_SYNTAX;
	if (data.size > UINT16_MAX || !dns_rdata_good(type, data))
		return -EBADMSG;
	if (hashed && owner->labels != builder->apex.labels + 1)
		return WEIR_E_SYNTAX;
	dns_key_make(&key, owner->wire, owner->size, dns_seed());
	uint32_t number = builder->recent;
	if (number == DNS_NONE || !zone_builder_name_is(builder, number, &key, 0, hashed)) {
		int error = zone_builder_intern(builder, &key, hashed, &number);
		if (error < 0)
			return error;
		builder->recent = number;
	}
	builder->dnames |= type == WEIR_DNS_DNAME;
	if (!hashed && key.labels > builder->labels_max)
		builder->labels_max = key.labels;
	return zone_builder_add_record(builder, number, &record, data);
}
