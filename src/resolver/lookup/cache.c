/*
 * The number of buckets is fixed by the bound, so that nothing is ever moved. Room is made by a
 * hand that goes round the buckets (the clock algorithm): entries that have not been used since it
 * came by last go, and entries that are too old in any case.
 *
 * Unlinked entries wait in two batches until they can be freed. The older batch is freed when each
 * reader has been outside since that batch was closed; then the younger one becomes the older one.
 * With a single loop nobody ever reads during a put, so that they are freed at once.
 *
 * Invariant: counters.bytes, the table and all entries with what malloc adds, is within the bound.
 * Entries in the table leave a part of it to those that wait to be freed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "cache.h"
#include "dns_codec.h"
#include "helper.h"
#include "lookup_state.h"
#include "refcount.h"
#include "siphash.h"

enum {
	BYTES_PER_BUCKET = 128, /* of the bound: about an entry */
	LARGEST_PART = 4,       /* an entry may take so much of the bound: a fourth */
	RETIRED_PART = 16,      /* unlinked entries may take so much of it: a sixteenth */
	CACHE_LINE = 64
};

struct weir_dns_cache {
	/* These do not change, and every hit reads them. */
	struct siphash_key secret;
	size_t bytes;
	uint32_t stale_s;
	uint32_t mask;
	char apart[CACHE_LINE];

	struct refcount holds;
	pthread_mutex_t lock; /* guards the fields that follow, and changes of the table */
	struct weir_list readers;
	uint32_t hand;
	struct dns_cache_entry
	        *older; /* unlinked entries; `seen` of the readers belongs to this batch */
	struct dns_cache_entry *younger;
	size_t older_bytes, younger_bytes;
	struct weir_dns_cache_counters counters;
	struct dns_questions questions;
	char apart_too[CACHE_LINE];

	_Atomic(struct dns_cache_entry *) buckets[];
};

/* -- life -------------------------------------------------------------------------------------- */

void weir_dns_cache_options_init(struct weir_dns_cache_options *options)
{
	*options = (struct weir_dns_cache_options){
	        .bytes = WEIR_DNS_CACHE_BYTES, .stale = true, .stale_s = WEIR_DNS_STALE_S};
}

int weir_dns_cache_create(const struct weir_dns_cache_options *options, struct weir_dns_cache **ret)
{
	size_t bytes = max_of(options->bytes, (size_t)WEIR_DNS_CACHE_MIN), buckets = 1;
	if (!options->bytes)
		return -EINVAL;
	while (buckets * BYTES_PER_BUCKET < bytes && buckets < UINT32_MAX / 2)
		buckets *= 2;
	size_t table = buckets * sizeof(struct dns_cache_entry *);
	struct weir_dns_cache *cache = calloc(1, sizeof *cache + table);
	if (!cache)
		return -ENOMEM;
	if (getrandom(&cache->secret, sizeof cache->secret, 0) != sizeof cache->secret) {
		free(cache);
		return -EIO;
	}
	refcount_init(&cache->holds);
	pthread_mutex_init(&cache->lock, NULL);
	weir_list_init(&cache->readers);
	dns_questions_init(&cache->questions);
	cache->bytes = bytes;
	cache->stale_s = options->stale ? options->stale_s : 0;
	cache->mask = (uint32_t)buckets - 1;
	cache->counters.bytes = table;
	*ret = cache;
	return 0;
}

struct weir_dns_cache *weir_dns_cache_hold(struct weir_dns_cache *cache)
{
	refcount_hold(&cache->holds);
	return cache;
}

static void cache_free_retired(struct dns_cache_entry *entry)
{
	while (entry) {
		struct dns_cache_entry *next = entry->retired;
		free(entry);
		entry = next;
	}
}

void weir_dns_cache_release(struct weir_dns_cache *cache)
{
	if (!cache || !refcount_release(&cache->holds))
		return;
	for (size_t i = 0; i <= cache->mask; i++)
		for (struct dns_cache_entry *entry = cache->buckets[i], *next; entry;
		        entry = next) {
			next = entry->next;
			free(entry);
		}
	cache_free_retired(cache->older);
	cache_free_retired(cache->younger);
	dns_questions_finish(&cache->questions);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

void weir_dns_cache_counters(struct weir_dns_cache *cache, struct weir_dns_cache_counters *ret)
{
	pthread_mutex_lock(&cache->lock);
	*ret = cache->counters;
	pthread_mutex_unlock(&cache->lock);
}

struct dns_questions *dns_cache_questions(struct weir_dns_cache *cache)
{
	return &cache->questions;
}

/* -- readers ----------------------------------------------------------------------------------- */

void dns_cache_add_reader(struct weir_dns_cache *cache, struct dns_cache_reader *reader)
{
	pthread_mutex_lock(&cache->lock);
	weir_list_append(&cache->readers, &reader->link);
	pthread_mutex_unlock(&cache->lock);
}

void dns_cache_remove_reader(struct weir_dns_cache *cache, struct dns_cache_reader *reader)
{
	pthread_mutex_lock(&cache->lock);
	weir_list_remove(&reader->link);
	pthread_mutex_unlock(&cache->lock);
}

/* Whether each reader has been outside since its `seen` was noted. */
static bool cache_readers_passed(struct weir_dns_cache *cache)
{
	WEIR_LIST_EACH (const struct dns_cache_reader, reader, &cache->readers, link)
		if (reader->seen % 2 && atomic_load(&reader->turns) == reader->seen)
			return false;
	return true;
}

static void cache_note_readers(struct weir_dns_cache *cache)
{
	WEIR_LIST_EACH (struct dns_cache_reader, reader, &cache->readers, link)
		reader->seen = atomic_load(&reader->turns);
}

/* -- entries ----------------------------------------------------------------------------------- */

void dns_cache_key(const struct weir_dns_cache *cache, const struct weir_dns_question *question,
        unsigned flags, struct dns_cache_key *ret)
{
	size_t size = question->name.size;
	dns_wire_lower(ret->bytes, question->name.wire, size);
	dns_put16(ret->bytes + size, question->type);
	dns_put16(ret->bytes + size + 2, question->rr_class);
	ret->bytes[size + 4] = (uint8_t)(flags & DNS_CACHE_FLAGS);
	ret->size = (uint16_t)(size + 5);
	ret->hash = (uint32_t)siphash_13(&cache->secret, ret->bytes, ret->size);
}

static size_t dns_cache_entry_size(const struct dns_cache_entry *entry)
{
	size_t records = (size_t)entry->answers + entry->authorities;
	return offsetof(struct dns_cache_entry, bytes) + entry->key_size + entry->body_size +
	       records * sizeof(uint16_t);
}

/* The bytes that malloc uses for a block of this size. */
static size_t dns_cache_cost_of(size_t size)
{
	return (size + sizeof(size_t) + 15) & ~(size_t)15;
}

static size_t entry_cost(const struct dns_cache_entry *entry)
{
	return dns_cache_cost_of(dns_cache_entry_size(entry));
}

static bool dns_cache_too_old(
        const struct weir_dns_cache *cache, const struct dns_cache_entry *entry, uint32_t now_s)
{
	uint64_t age = dns_entry_age(entry, now_s);
	return age >= (uint64_t)entry->ttl_s + (entry->failure ? 0 : cache->stale_s);
}

static bool entry_matches(const struct dns_cache_entry *entry, const struct dns_cache_key *key)
{
	return entry->hash == key->hash && entry->key_size == key->size &&
	       memcmp(entry->bytes, key->bytes, key->size) == 0;
}

struct dns_cache_entry *dns_cache_find(
        struct weir_dns_cache *cache, const struct dns_cache_key *key, uint32_t now_s)
{
	struct dns_cache_entry *entry = cache->buckets[key->hash & cache->mask];
	while (entry && !entry_matches(entry, key))
		entry = entry->next;
	return entry && !dns_cache_too_old(cache, entry, now_s) ? entry : NULL;
}

/* -- room -------------------------------------------------------------------------------------- */

/* Takes an entry out of the table. Readers that are at it go on by its `next`, which stays. */
static void entry_unlink(struct weir_dns_cache *cache, _Atomic(struct dns_cache_entry *) *at)
{
	struct dns_cache_entry *entry = *at;
	*at = entry->next;
	entry->retired = cache->younger;
	cache->younger = entry;
	cache->younger_bytes += entry_cost(entry);
	cache->counters.entries--;
}

/* Takes the older batch off, to be freed, if no reader can be at one of its entries. */
static bool cache_reclaim_older(struct weir_dns_cache *cache, struct dns_cache_entry **ret)
{
	if (!cache_readers_passed(cache))
		return false;
	*ret = cache->older;
	cache->counters.bytes -= cache->older_bytes;
	cache->older = NULL;
	cache->older_bytes = 0;
	return true;
}

/* Takes what can be freed off both batches, as two lists. */
static void cache_reclaim(struct weir_dns_cache *cache, struct dns_cache_entry *ret[2])
{
	ret[0] = ret[1] = NULL;
	if (!cache_reclaim_older(cache, &ret[0]))
		return;
	cache->older = cache->younger;
	cache->older_bytes = cache->younger_bytes;
	cache->younger = NULL;
	cache->younger_bytes = 0;
	cache_note_readers(cache);
	cache_reclaim_older(cache, &ret[1]);
}

static size_t cache_retired_bytes(const struct weir_dns_cache *cache)
{
	return cache->older_bytes + cache->younger_bytes;
}

static void cache_sweep_bucket(struct weir_dns_cache *cache, uint32_t now_s)
{
	_Atomic(struct dns_cache_entry *) *at = &cache->buckets[cache->hand];
	for (struct dns_cache_entry *entry; (entry = *at);) {
		unsigned uses = atomic_load_explicit(&entry->uses, memory_order_relaxed);
		if (!uses || dns_cache_too_old(cache, entry, now_s)) {
			entry_unlink(cache, at);
			cache->counters.evicted++;
		} else {
			atomic_store_explicit(
			        &entry->uses, (unsigned char)(uses / 2), memory_order_relaxed);
			at = &entry->next;
		}
	}
	cache->hand = (cache->hand + 1) & cache->mask;
}

/* Returns false if the entry would need too much of the whole. */
static bool cache_make_room(struct weir_dns_cache *cache, size_t cost, uint32_t now_s)
{
	size_t most = cache->bytes - cache->bytes / RETIRED_PART;
	if (cost > cache->bytes / LARGEST_PART)
		return false;
	while (cache->counters.bytes - cache_retired_bytes(cache) + cost > most)
		cache_sweep_bucket(cache, now_s);
	return true;
}

/* -- storing ----------------------------------------------------------------------------------- */

static void cache_drop(struct weir_dns_cache *cache, const struct dns_cache_key *key)
{
	_Atomic(struct dns_cache_entry *) *at = &cache->buckets[key->hash & cache->mask];
	for (struct dns_cache_entry *entry; (entry = *at) && !entry_matches(entry, key);)
		at = &entry->next;
	if (*at)
		entry_unlink(cache, at);
}

static void cache_link(struct weir_dns_cache *cache, struct dns_cache_entry *entry)
{
	_Atomic(struct dns_cache_entry *) *bucket = &cache->buckets[entry->hash & cache->mask];
	atomic_init(&entry->next, *bucket);
	*bucket = entry;
	cache->counters.bytes += entry_cost(entry);
	cache->counters.entries++;
}

void dns_cache_put(struct weir_dns_cache *cache, const struct dns_cache_key *key,
        const struct dns_accepted *accepted, uint32_t now_s)
{
	struct dns_cache_entry *unused[2];
	struct dns_cache_entry *entry =
	        accepted->ttl_s ? dns_cache_entry_create(key, accepted, now_s) : NULL;
	pthread_mutex_lock(&cache->lock);
	cache_drop(cache, key);
	bool stored = entry && cache_make_room(cache, entry_cost(entry), now_s);
	cache_reclaim(cache, unused);
	/* Too much waits for a reader that has been interrupted: this answer is not remembered. */
	stored = stored && cache->counters.bytes + entry_cost(entry) <= cache->bytes;
	if (stored)
		cache_link(cache, entry);
	pthread_mutex_unlock(&cache->lock);
	if (!stored)
		free(entry);
	cache_free_retired(unused[0]);
	cache_free_retired(unused[1]);
}

/* -- operators --------------------------------------------------------------------------------- */

/* Reads the question of an entry. The cache has made the key, so that it is well-formed. */
static void cache_question(const struct dns_cache_entry *entry, struct weir_dns_cached *ret)
{
	size_t size = entry->key_size - 5u;
	weir_dns_name_set(weir_span(entry->bytes, size), &ret->name);
	ret->type = dns_get16(entry->bytes + size);
	ret->flags = entry->bytes[size + 4];
}

void weir_dns_cache_each(struct weir_dns_cache *cache, const struct weir_dns_name *name,
        uint32_t now_s, bool (*show)(void *context, const struct weir_dns_cached *cached),
        void *context)
{
	bool more = true;
	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i <= cache->mask && more; i++)
		for (const struct dns_cache_entry *entry = cache->buckets[i]; entry && more;
		        entry = entry->next) {
			struct weir_dns_cached cached;
			cache_question(entry, &cached);
			if (name && !weir_dns_name_beneath(&cached.name, name))
				continue;
			cached.rcode = entry->rcode;
			cached.left_s = (int64_t)entry->ttl_s - dns_entry_age(entry, now_s);
			cached.bytes = entry_cost(entry);
			more = show(context, &cached);
		}
	pthread_mutex_unlock(&cache->lock);
}

static bool cache_is_beneath(const struct dns_cache_entry *entry, const struct weir_dns_name *name)
{
	struct weir_dns_cached cached;
	if (!name)
		return true;
	cache_question(entry, &cached);
	return weir_dns_name_beneath(&cached.name, name);
}

size_t weir_dns_cache_flush(struct weir_dns_cache *cache, const struct weir_dns_name *name)
{
	struct dns_cache_entry *unused[2];
	size_t flushed = 0;
	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i <= cache->mask; i++) {
		_Atomic(struct dns_cache_entry *) *at = &cache->buckets[i];
		for (struct dns_cache_entry *entry; (entry = *at);) {
			if (!cache_is_beneath(entry, name)) {
				at = &entry->next;
				continue;
			}
			entry_unlink(cache, at);
			flushed++;
		}
	}
	cache_reclaim(cache, unused);
	pthread_mutex_unlock(&cache->lock);
	cache_free_retired(unused[0]);
	cache_free_retired(unused[1]);
	return flushed;
}
