/*
 * Differences: one walk through both zones side by side, which have their records in the same
 * order. A record whose TTL alone has changed goes and comes.
 *
 * Leaves out putting several steps together: a client gets each of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "refcount.h"
#include "zone_image.h"

enum {
	FIXED_SIZE = 8 /* type, TTL and length */
};

/* -- entries as bytes -------------------------------------------------------------------------- */

static int zone_history_put(struct weir_buffer *to, const struct zone_entry *entry, size_t limit)
{
	uint8_t fixed[FIXED_SIZE];
	size_t owner = dns_wire_size(entry->owner);
	dns_put16(fixed, entry->type);
	dns_put32(fixed + 2, entry->ttl);
	dns_put16(fixed + 6, (unsigned)entry->data.size);
	int error = weir_buffer_append(to, entry->owner, owner, limit);
	if (error == 0)
		error = weir_buffer_append(to, fixed, sizeof fixed, limit);
	if (error == 0)
		error = weir_buffer_append(to, entry->data.data, entry->data.size, limit);
	return error;
}

bool dns_steps_peek(const struct dns_steps *steps, struct zone_entry *ret)
{
	if (!steps->history || steps->delta == steps->history->count)
		return false;
	const uint8_t *owner = steps->history->deltas[steps->delta]->data + steps->at;
	const uint8_t *fixed = owner + dns_wire_size(owner);
	*ret = (struct zone_entry){
	        .owner = owner,
	        .type = dns_get16(fixed),
	        .ttl = dns_get32(fixed + 2),
	        .data = weir_span(fixed + FIXED_SIZE, dns_get16(fixed + 6)),
	};
	return true;
}

void dns_steps_step(struct dns_steps *steps)
{
	const struct dns_delta *delta = steps->history->deltas[steps->delta];
	struct zone_entry entry;
	if (!dns_steps_peek(steps, &entry))
		return;
	steps->at = (size_t)((const uint8_t *)entry.data.data + entry.data.size - delta->data);
	if (steps->at < delta->size)
		return;
	steps->at = 0;
	steps->delta++;
}

/* -- the walk ---------------------------------------------------------------------------------- */

/* The half of a step that one zone contributes. */
struct side {
	struct dns_walk walk;
	struct zone_entry entry;
	bool there;
};

/* The SOA record is at the beginning of its half. */
static void zone_history_look(struct side *side)
{
	side->there = dns_walk_peek(&side->walk, &side->entry);
	if (side->there && side->entry.type == WEIR_DNS_SOA) {
		dns_walk_step(&side->walk);
		side->there = dns_walk_peek(&side->walk, &side->entry);
	}
}

static void zone_history_begin(struct side *side, const struct weir_dns_zone *zone)
{
	dns_walk_init(&side->walk, zone);
	zone_history_look(side);
}

static void zone_history_next(struct side *side)
{
	dns_walk_step(&side->walk);
	zone_history_look(side);
}

/* The order is names, NSEC3 records of the chain, other NSEC3 records; each part is sorted. */
static int zone_history_part(const struct dns_walk *walk)
{
	if (!walk->in_hashed)
		return 0;
	return walk->at < walk->zone->chain_count ? 1 : 2;
}

static uint32_t zone_history_kind(const struct dns_walk *walk)
{
	return dns_rrset_type(walk->rrset) * 2u + (walk->record >= walk->rrset->count);
}

static int zone_history_compare_sides(const struct side *a, const struct side *b)
{
	if (!a->there || !b->there)
		return (int)b->there - (int)a->there;
	int difference = zone_history_part(&a->walk) - zone_history_part(&b->walk);
	if (difference == 0)
		difference = dns_wire_compare(a->entry.owner, b->entry.owner);
	if (difference == 0 && zone_history_kind(&a->walk) != zone_history_kind(&b->walk))
		difference = zone_history_kind(&a->walk) < zone_history_kind(&b->walk) ? -1 : 1;
	struct weir_span left = a->entry.data, right = b->entry.data;
	size_t size = min_of(left.size, right.size);
	if (difference == 0 && size)
		difference = memcmp(left.data, right.data, size);
	if (difference == 0 && left.size != right.size)
		difference = left.size < right.size ? -1 : 1;
	return difference;
}

/* Makes both halves in one walk. */
static int zone_history_compare(struct side *from, struct side *to, size_t limit,
        struct weir_buffer *gone, struct weir_buffer *come)
{
	int error = 0;
	while (error == 0 && (from->there || to->there)) {
		int order = zone_history_compare_sides(from, to);
		bool changed = order != 0 || from->entry.ttl != to->entry.ttl;
		if (changed && order <= 0)
			error = zone_history_put(gone, &from->entry, limit);
		if (error == 0 && changed && order >= 0)
			error = zone_history_put(come, &to->entry, limit);
		if (order <= 0)
			zone_history_next(from);
		if (order >= 0)
			zone_history_next(to);
	}
	return error;
}

int dns_zone_difference(const struct weir_dns_zone *from, const struct weir_dns_zone *to,
        size_t limit, struct weir_buffer *ret)
{
	struct weir_buffer gone = {0}, come = {0};
	struct side before, after;
	struct zone_entry soa;
	zone_history_begin(&before, from);
	zone_history_begin(&after, to);
	dns_zone_soa(from, &soa);
	int error = zone_history_put(&gone, &soa, limit);
	dns_zone_soa(to, &soa);
	if (error == 0)
		error = zone_history_put(&come, &soa, limit);
	if (error == 0)
		error = zone_history_compare(&before, &after, limit, &gone, &come);
	if (error == 0)
		error = weir_buffer_append(&gone, come.data, come.size, limit);
	weir_buffer_finish(&come);
	if (error < 0)
		weir_buffer_finish(&gone);
	else
		*ret = gone;
	return error;
}

/* -- histories --------------------------------------------------------------------------------- */

static void zone_history_release(struct dns_delta *delta)
{
	if (refcount_release(&delta->references))
		free(delta);
}

void dns_history_free(struct dns_history *history)
{
	if (!history)
		return;
	for (unsigned i = 0; i < history->count; i++)
		zone_history_release(history->deltas[i]);
	free(history);
}

bool dns_history_find(const struct weir_dns_zone *zone, uint32_t serial, unsigned *ret)
{
	const struct dns_history *history = zone->history;
	for (unsigned i = history ? history->count : 0; i-- > 0;)
		if (history->deltas[i]->from == serial) {
			*ret = i;
			return true;
		}
	return false;
}

/* Discard a history larger than the zone: AXFR would be cheaper than IXFR. */
static size_t zone_history_most_of(const struct weir_dns_zone *zone)
{
	return min_of(zone->size, (size_t)WEIR_DNS_HISTORY_BYTES_MAX);
}

/* Makes the step from one zone to the other. Returns WEIR_E_LIMIT if it is too large. */
static int zone_history_make_delta(
        const struct weir_dns_zone *from, const struct weir_dns_zone *to, struct dns_delta **ret)
{
	struct weir_buffer bytes = {0};
	int error = dns_zone_difference(from, to, zone_history_most_of(to), &bytes);
	if (error < 0)
		return error;
	struct dns_delta *delta = malloc(sizeof *delta + bytes.size);
	if (delta) {
		refcount_init(&delta->references);
		delta->from = from->serial;
		delta->to = to->serial;
		delta->size = bytes.size;
		memcpy(delta->data, bytes.data, bytes.size);
		*ret = delta;
	}
	weir_buffer_finish(&bytes);
	return delta ? 0 : -ENOMEM;
}

/* Takes the last steps of `old` that are within the bounds, and then `added`, which may be NULL. */
static int zone_history_join(
        struct weir_dns_zone *zone, const struct dns_history *old, struct dns_delta *added)
{
	unsigned most = WEIR_DNS_HISTORY_STEPS_MAX - (added ? 1 : 0);
	unsigned count = old ? old->count : 0, first = count > most ? count - most : 0;
	size_t size = added ? added->size : 0;
	for (unsigned i = first; i < count; i++)
		size += old->deltas[i]->size;
	for (; first < count && size > zone_history_most_of(zone); first++)
		size -= old->deltas[first]->size;
	struct dns_history *history = malloc(sizeof *history + (count - first + 1) * sizeof added);
	if (!history)
		return -ENOMEM;
	*history = (struct dns_history){.size = size};
	for (unsigned i = first; i < count; i++) {
		struct dns_delta *delta = old->deltas[i];
		refcount_hold(&delta->references);
		history->deltas[history->count++] = delta;
	}
	if (added)
		history->deltas[history->count++] = added;
	zone->history = history;
	return 0;
}

int weir_dns_zone_follow(struct weir_dns_zone *zone, const struct weir_dns_zone *before)
{
	struct dns_delta *delta = NULL;
	int32_t later = (int32_t)(zone->serial - before->serial);
	if (zone == before || zone->history || zone->unavailable || before->unavailable ||
	        later < 0 || !weir_dns_name_equal(&zone->apex, &before->apex))
		return 0;
	if (later == 0)
		return before->history ? zone_history_join(zone, before->history, NULL) : 0;
	int error = zone_history_make_delta(before, zone, &delta);
	if (error == 0)
		error = zone_history_join(zone, before->history, delta);
	if (error < 0 && delta)
		zone_history_release(delta);
	return error == WEIR_E_LIMIT ? 0 : error;
}
