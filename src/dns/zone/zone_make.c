/*
 * Making the image from the collected records. Names are sorted, the size of each name's records is
 * measured, then one block is allocated and filled. Records that do not make a zone are refused
 * here.
 *
 * The records of a name are gathered and sorted by the type that they have or cover. So RRsets,
 * their signatures and duplicates are adjacent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <weir/error.h>

#include "helper.h"
#include "refcount.h"
#include "zone_builder.h"
#include "zone_image.h"

struct order {
	uint64_t rank;
	uint32_t name; /* its number in the builder */
};

/* A record of the current name. */
struct gathered {
	const struct dns_raw_record *record;
	const uint8_t *data;
	uint32_t kind; /* the type, and whether it is a signature over it: in this order */
};

struct making {
	struct dns_builder *builder;
	void (*report)(void *context, unsigned line, const char *text);
	void *context;
	int error;
	struct order *order; /* of names, then of hashed ones */
	uint32_t nodes, hashed;
	uint32_t *numbers; /* the node of a name of the builder */
	struct gathered *gathered;
	size_t gathered_max;
	size_t size; /* bytes of data */
	struct weir_dns_zone *zone;
};

static void zone_make_complain(struct making *making, unsigned line, const char *text)
{
	if (making->report)
		making->report(making->context, line, text);
	making->error = WEIR_E_SYNTAX;
}

static void zone_make_complain_of(
        struct making *making, const struct dns_raw_name *raw, unsigned line, const char *text)
{
	struct weir_dns_name name;
	char written[WEIR_DNS_TEXT_MAX], whole[WEIR_DNS_TEXT_MAX + 100];
	const uint8_t *wire = dns_builder_bytes(making->builder, raw->wire);
	weir_dns_name_set(weir_span(wire, raw->name_size), &name);
	weir_dns_name_format(&name, written);
	snprintf(whole, sizeof whole, "%s %s", written, text);
	zone_make_complain(making, line, whole);
}

/* -- order ------------------------------------------------------------------------------------- */

static int zone_make_compare_order(const void *left, const void *right, void *context)
{
	const struct dns_builder *builder = context;
	const struct order *a = left, *b = right;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	const struct dns_raw_name *one = &dns_builder_names(builder)[a->name];
	const struct dns_raw_name *other = &dns_builder_names(builder)[b->name];
	const uint8_t *left_wire = dns_builder_bytes(builder, one->wire);
	const uint8_t *right_wire = dns_builder_bytes(builder, other->wire);
	if (one->parent != other->parent || one->parent == DNS_NONE)
		return dns_wire_compare(left_wire, right_wire);
	/* Both names are in lower case, and differ in their first labels only. */
	unsigned size = min_of(left_wire[0], right_wire[0]);
	int difference = memcmp(left_wire + 1, right_wire + 1, size);
	return difference ? difference : left_wire[0] - right_wire[0];
}

static int zone_make_put_in_order(struct making *making)
{
	struct dns_builder *builder = making->builder;
	uint32_t count = dns_builder_count(builder), hashed = 0, nodes = 0;
	making->order = malloc((count + 1) * sizeof *making->order);
	making->numbers = malloc((count + 1) * sizeof *making->numbers);
	if (!making->order || !making->numbers)
		return -ENOMEM;
	memory_prefer_huge_pages(making->order, count * sizeof *making->order);
	memory_prefer_huge_pages(making->numbers, count * sizeof *making->numbers);
	for (uint32_t i = 0; i < count; i++)
		nodes += !dns_builder_names(builder)[i].hashed;
	making->nodes = nodes;
	for (uint32_t i = 0, next = 0; i < count; i++) {
		const struct dns_raw_name *name = &dns_builder_names(builder)[i];
		uint32_t at = name->hashed ? nodes + hashed++ : next++;
		making->order[at] = (struct order){name->rank, i};
	}
	making->hashed = hashed;
	qsort_r(making->order, nodes, sizeof *making->order, zone_make_compare_order, builder);
	for (uint32_t i = 0; i < nodes; i++)
		making->numbers[making->order[i].name] = i;
	return 0;
}

/* -- the records of one name ------------------------------------------------------------------- */

static int zone_make_compare_gathered(const void *left, const void *right)
{
	const struct gathered *a = left, *b = right;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	size_t size = min_of(a->record->size, b->record->size);
	int difference = size ? memcmp(a->data, b->data, size) : 0;
	return difference ? difference : (int)a->record->size - (int)b->record->size;
}

/* Sorts the records and removes duplicates. Returns their number or a negative errno. */
static ssize_t zone_make_gather(struct making *making, const struct dns_raw_name *name)
{
	const struct dns_builder *builder = making->builder;
	size_t count = 0, unique = 0;
	for (uint32_t at = name->first; at; at = dns_builder_records(builder)[at - 1].next) {
		const struct dns_raw_record *record = &dns_builder_records(builder)[at - 1];
		const uint8_t *data = dns_builder_bytes(builder, record->data);
		bool covers = record->type == WEIR_DNS_RRSIG && record->size >= 2;
		if (count == making->gathered_max) {
			size_t most = making->gathered_max ? making->gathered_max * 2 : 64;
			struct gathered *more =
			        realloc(making->gathered, most * sizeof *making->gathered);
			if (!more)
				return -ENOMEM;
			making->gathered = more;
			making->gathered_max = most;
		}
		uint32_t type = covers ? dns_get16(data) : record->type;
		making->gathered[count++] = (struct gathered){record, data, type * 2 + covers};
	}
	if (count > 1)
		qsort(making->gathered, count, sizeof *making->gathered,
		        zone_make_compare_gathered);
	for (size_t i = 0; i < count; i++)
		if (!unique || zone_make_compare_gathered(
		                       &making->gathered[unique - 1], &making->gathered[i]) != 0)
			making->gathered[unique++] = making->gathered[i];
	return (ssize_t)unique;
}

/* The end of the RRset that begins at `from`. */
static size_t zone_make_rrset_end(const struct making *making, size_t from, size_t count)
{
	size_t end = from + 1;
	while (end < count && making->gathered[end].kind / 2 == making->gathered[from].kind / 2)
		end++;
	return end;
}

static size_t zone_make_rrset_size(const struct making *making, size_t from, size_t end)
{
	size_t size = sizeof(struct dns_rrset);
	for (size_t i = from; i < end; i++)
		size += 2u + making->gathered[i].record->size;
	return (size + 3) & ~(size_t)3;
}

/* RFC 1034 3.6.2 and RFC 2181 10.1 forbid a CNAME beside other data, and a second CNAME. */
static void zone_make_judge(struct making *making, const struct dns_raw_name *name, size_t count)
{
	unsigned cnames = 0, others = 0, dnames = 0, line = 0;
	for (size_t i = 0; i < count; i++) {
		const struct gathered *gathered = &making->gathered[i];
		unsigned type = gathered->kind / 2;
		if (gathered->kind & 1)
			continue;
		cnames += type == WEIR_DNS_CNAME;
		dnames += type == WEIR_DNS_DNAME;
		others += type != WEIR_DNS_CNAME && type != WEIR_DNS_NSEC && type != WEIR_DNS_NSEC3;
		line = type == WEIR_DNS_CNAME || !line ? gathered->record->line : line;
		if (type == WEIR_DNS_SOA && name->parent != DNS_NONE)
			zone_make_complain_of(making, name, gathered->record->line,
			        "has a SOA record but is not the zone's name");
	}
	if (cnames && others)
		zone_make_complain_of(making, name, line, "has a CNAME record and other data");
	if (cnames > 1)
		zone_make_complain_of(making, name, line, "has more than one CNAME record");
	if (dnames > 1)
		zone_make_complain_of(making, name, line, "has more than one DNAME record");
}

static bool zone_make_has_dname(const struct dns_builder *builder, const struct dns_raw_name *name)
{
	for (uint32_t at = name->first; at; at = dns_builder_records(builder)[at - 1].next)
		if (dns_builder_records(builder)[at - 1].type == WEIR_DNS_DNAME)
			return true;
	return false;
}

/* RFC 6672 2.4 forbids data below a DNAME, because no query could get it. */
static void zone_make_check_location(struct making *making, const struct dns_raw_name *name)
{
	const struct dns_builder *builder = making->builder;
	if (!name->first)
		return;
	for (uint32_t at = name->parent; at != DNS_NONE;
	        at = dns_builder_names(builder)[at].parent) {
		if (!zone_make_has_dname(builder, &dns_builder_names(builder)[at]))
			continue;
		zone_make_complain_of(making, name,
		        dns_builder_records(builder)[name->first - 1].line,
		        "has data below a DNAME record");
		return;
	}
}

static int zone_make_measure(struct making *making)
{
	for (uint32_t i = 0; i < making->nodes + making->hashed; i++) {
		const struct dns_raw_name *name =
		        &dns_builder_names(making->builder)[making->order[i].name];
		ssize_t count = zone_make_gather(making, name);
		if (count < 0)
			return (int)count;
		if (!name->hashed) {
			zone_make_judge(making, name, (size_t)count);
			if (making->builder->strict && making->builder->dnames)
				zone_make_check_location(making, name);
			making->size += name->name_size;
		}
		for (size_t from = 0, end; from < (size_t)count; from = end) {
			end = zone_make_rrset_end(making, from, (size_t)count);
			if (end - from > UINT16_MAX)
				return WEIR_E_LIMIT;
			making->size += zone_make_rrset_size(making, from, end);
		}
		making->size = (making->size + 3) & ~(size_t)3;
	}
	return making->size > WEIR_DNS_ZONE_BYTES_MAX ? WEIR_E_LIMIT : 0;
}

/* -- the block --------------------------------------------------------------------------------- */

static size_t zone_make_aligned(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static int zone_make_take_block(struct making *making)
{
	size_t capacity = 16;
	while (capacity < (size_t)making->nodes + making->nodes / 2)
		capacity *= 2;
	size_t nodes = zone_make_aligned(sizeof(struct weir_dns_zone));
	size_t slots = nodes + zone_make_aligned(making->nodes * sizeof(struct dns_node));
	size_t hashed = slots + capacity * sizeof(struct dns_hash_slot);
	size_t data = hashed + zone_make_aligned(making->hashed * sizeof(struct dns_hashed));
	struct weir_dns_zone *zone = calloc(1, data + making->size);
	if (!zone)
		return -ENOMEM;
	memory_prefer_huge_pages(zone, data + making->size);
	char *block = (char *)zone;
	refcount_init(&zone->references);
	zone->made_s = time(NULL);
	zone->apex = making->builder->apex;
	zone->size = data + making->size;
	zone->node_count = making->nodes;
	zone->mask = (uint32_t)(capacity - 1);
	zone->labels_max = making->builder->labels_max;
	zone->hashed_count = making->hashed;
	zone->nodes = (struct dns_node *)(void *)(block + nodes);
	zone->slots = (struct dns_hash_slot *)(void *)(block + slots);
	zone->hashed = (struct dns_hashed *)(void *)(block + hashed);
	zone->data = (uint8_t *)block + data;
	making->zone = zone;
	making->size = 0; /* of data, from here on what is filled */
	return 0;
}

/*
 * The lowest TTL counts, should they differ (RFC 2181 5.2); signatures have that of what they
 * cover.
 */
static uint32_t zone_make_ttl_of(const struct making *making, size_t from, size_t end)
{
	uint32_t ttl = making->gathered[from].record->ttl;
	for (size_t i = from; i < end && making->gathered[i].kind == making->gathered[from].kind;
	        i++)
		if (making->gathered[i].record->ttl < ttl)
			ttl = making->gathered[i].record->ttl;
	return ttl > INT32_MAX ? 0 : ttl;
}

static uint32_t zone_make_put_rrset(struct making *making, size_t from, size_t end)
{
	struct weir_dns_zone *zone = making->zone;
	uint32_t start = (uint32_t)making->size;
	struct dns_rrset *rrset = (struct dns_rrset *)(void *)(zone->data + start);
	uint8_t *to = (uint8_t *)(rrset + 1);
	rrset->size = (uint32_t)zone_make_rrset_size(making, from, end);
	dns_put16(rrset->fixed, making->gathered[from].kind / 2);
	dns_put16(rrset->fixed + 2, WEIR_DNS_IN);
	dns_put32(rrset->fixed + 4, zone_make_ttl_of(making, from, end));
	for (size_t i = from; i < end; i++) {
		const struct dns_raw_record *record = making->gathered[i].record;
		bool signature = making->gathered[i].kind & 1;
		rrset->count = (uint16_t)(rrset->count + !signature);
		rrset->signatures = (uint16_t)(rrset->signatures + signature);
		zone->is_signed |= signature;
		dns_put16(to, record->size);
		memcpy(to + 2, making->gathered[i].data, record->size);
		to += 2u + record->size;
	}
	zone->records += rrset->count + rrset->signatures;
	making->size += rrset->size;
	return start;
}

static int zone_make_fill_node(struct making *making, uint32_t number)
{
	struct weir_dns_zone *zone = making->zone;
	struct dns_node *node = &zone->nodes[number];
	const struct dns_raw_name *name =
	        &dns_builder_names(making->builder)[making->order[number].name];
	const uint8_t *wire = dns_builder_bytes(making->builder, name->wire);
	ssize_t count = zone_make_gather(making, name);
	if (count < 0)
		return (int)count;
	*node = (struct dns_node){
	        .name = (uint32_t)making->size,
	        .parent = name->parent == DNS_NONE ? DNS_NONE : making->numbers[name->parent],
	        .occluder = DNS_NONE,
	        .wildcard = DNS_NONE,
	        .denial = DNS_NONE,
	        .name_size = name->name_size,
	};
	memcpy(zone->data + making->size, wire, name->name_size);
	making->size = (making->size + name->name_size + 3) & ~(size_t)3;
	node->rrsets = (uint32_t)making->size;
	for (size_t from = 0, end; from < (size_t)count; from = end, node->count++) {
		end = zone_make_rrset_end(making, from, (size_t)count);
		zone_make_put_rrset(making, from, end);
	}
	if (wire[0] == 1 && wire[1] == '*' && node->parent != DNS_NONE)
		zone->nodes[node->parent].wildcard = number;
	uint32_t at = name->hash & zone->mask;
	while (zone->slots[at].node)
		at = (at + 1) & zone->mask;
	zone->slots[at] = (struct dns_hash_slot){name->hash, number + 1};
	return 0;
}

/* -- the NSEC3 records ------------------------------------------------------------------------- */

/*
 * NSEC3 records of the chain come first. The others, which only transfers send, are put from the
 * end.
 */
static int zone_make_fill_hashed(struct making *making)
{
	struct weir_dns_zone *zone = making->zone;
	bool chosen = dns_zone_choose_chain(zone);
	uint32_t others = making->hashed;
	for (uint32_t i = 0; i < making->hashed; i++) {
		const struct dns_raw_name *name =
		        &dns_builder_names(making->builder)[making->order[making->nodes + i].name];
		const uint8_t *wire = dns_builder_bytes(making->builder, name->wire);
		struct dns_hashed entry = {0};
		ssize_t count = zone_make_gather(making, name);
		if (count <= 0)
			return count < 0 ? (int)count : 0;
		entry.rrset = zone_make_put_rrset(making, 0, (size_t)count);
		if (chosen &&
		        dns_zone_in_chain(zone, dns_rrset_at(zone, entry.rrset), wire, entry.hash))
			zone->hashed[zone->chain_count++] = entry;
		else if (dns_base32_decode(wire, entry.hash))
			zone->hashed[--others] = entry;
		else
			zone_make_complain_of(making, name, making->gathered[0].record->line,
			        "is not the hash of a name");
	}
	if (zone->iterations > WEIR_DNS_NSEC3_ITERATIONS_MAX)
		zone_make_complain(making, 0, "too many iterations of NSEC3");
	return 0;
}

static void zone_make_judge_apex(struct making *making)
{
	struct weir_dns_zone *zone = making->zone;
	const struct dns_rrset *soa = dns_node_rrset(zone, zone->nodes, WEIR_DNS_SOA);
	if (!soa) {
		zone_make_complain(making, 0, "the zone has no SOA record");
		return;
	}
	if (soa->count > 1)
		zone_make_complain(making, 0, "the zone has more than one SOA record");
	if (!dns_node_rrset(zone, zone->nodes, WEIR_DNS_NS))
		zone_make_complain(making, 0, "the zone has no NS records");
	const uint8_t *data = dns_rrset_records(soa) + 2;
	size_t names = dns_wire_size(data);
	names += dns_wire_size(data + names);
	zone->serial = dns_get32(data + names);
}

static int zone_make_make(struct making *making)
{
	int error = zone_make_put_in_order(making);
	if (error == 0 && !making->nodes) {
		zone_make_complain(making, 0, "the zone has no records");
		return 0;
	}
	if (error == 0)
		error = zone_make_measure(making);
	if (error == 0)
		error = zone_make_take_block(making);
	for (uint32_t i = 0; error == 0 && i < making->nodes; i++)
		error = zone_make_fill_node(making, i);
	if (error < 0)
		return error;
	zone_make_judge_apex(making);
	error = zone_make_fill_hashed(making);
	return error == 0 && !making->error ? dns_zone_link(making->zone) : error;
}

int dns_builder_finish(struct dns_builder *builder,
        void (*report)(void *context, unsigned line, const char *text), void *context,
        struct weir_dns_zone **ret)
{
	struct making making = {.builder = builder, .report = report, .context = context};
	int error = zone_make_make(&making);
	free(making.order);
	free(making.numbers);
	free(making.gathered);
	error = error ? error : making.error;
	if (error)
		free(making.zone);
	else
		*ret = making.zone;
	return error;
}
