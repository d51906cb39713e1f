/*
 * The number of buckets is fixed by the bound, so that nothing is ever moved. Room is made by a hand
 * that goes round the buckets (the clock algorithm): what has not been used since it came by last
 * goes, and what is too old in any case.
 *
 * Invariant: counters->bytes, the table and all entries with what malloc adds, is within the bound.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "cache.h"
#include "name.h"
#include "siphash.h"

enum {
	BYTES_PER_BUCKET = 128, /* of the bound: about an entry */
	LARGEST_PART = 4,       /* an entry may take so much of the bound: a fourth */
	FIRST_USES = 1
};

struct dns_cache {
	struct siphash_key secret;
	struct weir_dns_lookups_counters *counters;
	size_t bytes;
	uint32_t stale_s;
	uint32_t mask;
	uint32_t hand;
	struct dns_cache_entry *buckets[];
};

int dns_cache_create(size_t bytes, uint32_t stale_s, struct weir_dns_lookups_counters *counters,
        struct dns_cache **ret)
{
	if (bytes < WEIR_DNS_CACHE_MIN)
		bytes = WEIR_DNS_CACHE_MIN;
	size_t buckets = 1;
	while (buckets * BYTES_PER_BUCKET < bytes && buckets < UINT32_MAX / 2)
		buckets *= 2;
	size_t table = buckets * sizeof(struct dns_cache_entry *);
	struct dns_cache *cache = calloc(1, sizeof *cache + table);
	if (!cache)
		return -ENOMEM;
	if (getrandom(&cache->secret, sizeof cache->secret, 0) != sizeof cache->secret) {
		free(cache);
		return -EIO;
	}
	cache->counters = counters;
	cache->bytes = bytes;
	cache->stale_s = stale_s;
	cache->mask = (uint32_t)buckets - 1;
	counters->bytes = table;
	*ret = cache;
	return 0;
}

void dns_cache_destroy(struct dns_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i <= cache->mask; i++)
		for (struct dns_cache_entry *entry = cache->buckets[i], *next; entry;
		        entry = next) {
			next = entry->next;
			free(entry);
		}
	free(cache);
}

void dns_cache_key(const struct dns_cache *cache, const struct weir_dns_question *question,
        unsigned flags, struct dns_cache_key *ret)
{
	size_t size = question->name.size;
	for (size_t i = 0; i < size; i++)
		ret->bytes[i] = dns_lower(question->name.wire[i]);
	dns_put16(ret->bytes + size, question->type);
	dns_put16(ret->bytes + size + 2, question->class);
	ret->bytes[size + 4] = (uint8_t)(flags & DNS_CACHE_FLAGS);
	ret->size = (uint16_t)(size + 5);
	ret->hash = (uint32_t)siphash_13(&cache->secret, ret->bytes, ret->size);
}

/* -- entries ----------------------------------------------------------------------------------- */

static size_t dns_cache_entry_size(const struct dns_cache_entry *entry)
{
	size_t records = (size_t)entry->answers + entry->authorities;
	return sizeof *entry + entry->key_size + entry->body_size + records * sizeof(uint16_t);
}

/* What malloc takes for so many bytes. */
static size_t dns_cache_cost_of(size_t size)
{
	return (size + sizeof(size_t) + 15) & ~(size_t)15;
}

static bool dns_cache_too_old(
        const struct dns_cache *cache, const struct dns_cache_entry *entry, uint32_t now_s)
{
	uint64_t age = now_s - entry->stored_s;
	return age >= (uint64_t)entry->ttl_s + (entry->failure ? 0 : cache->stale_s);
}

static void dns_cache_drop(struct dns_cache *cache, struct dns_cache_entry **at)
{
	struct dns_cache_entry *entry = *at;
	cache->counters->bytes -= dns_cache_cost_of(dns_cache_entry_size(entry));
	cache->counters->entries--;
	*at = entry->next;
	free(entry);
}

static struct dns_cache_entry **dns_cache_search(
        struct dns_cache *cache, const struct dns_cache_key *key)
{
	struct dns_cache_entry **at = &cache->buckets[key->hash & cache->mask];
	for (; *at; at = &(*at)->next)
		if ((*at)->hash == key->hash && (*at)->key_size == key->size &&
		        memcmp((*at)->bytes, key->bytes, key->size) == 0)
			break;
	return at;
}

struct dns_cache_entry *dns_cache_find(
        struct dns_cache *cache, const struct dns_cache_key *key, uint32_t now_s)
{
	struct dns_cache_entry **at = dns_cache_search(cache, key);
	if (*at && dns_cache_too_old(cache, *at, now_s))
		dns_cache_drop(cache, at);
	else
		return *at;
	return NULL;
}

/* -- room -------------------------------------------------------------------------------------- */

static void dns_cache_sweep_bucket(struct dns_cache *cache, uint32_t now_s)
{
	struct dns_cache_entry **at = &cache->buckets[cache->hand];
	while (*at) {
		struct dns_cache_entry *entry = *at;
		if (!entry->uses || dns_cache_too_old(cache, entry, now_s)) {
			dns_cache_drop(cache, at);
			cache->counters->evicted++;
		} else {
			entry->uses /= 2;
			at = &entry->next;
		}
	}
	cache->hand = (cache->hand + 1) & cache->mask;
}

/* False: it would need too much of the whole. */
static bool dns_cache_make_room(struct dns_cache *cache, size_t cost, uint32_t now_s)
{
	if (cost > cache->bytes / LARGEST_PART)
		return false;
	while (cache->counters->bytes + cost > cache->bytes)
		dns_cache_sweep_bucket(cache, now_s);
	return true;
}

/* -- storing ----------------------------------------------------------------------------------- */

/* Behind a name as the writer puts it. */
static size_t dns_cache_skip_name(const uint8_t *message, size_t at)
{
	while (message[at] && message[at] < 0xc0)
		at += message[at] + 1u;
	return at + (message[at] ? 2 : 1);
}

static void dns_cache_note_ttls(const struct dns_accepted *accepted, uint8_t *to)
{
	size_t at = accepted->body;
	for (; at < accepted->size; to += 2) {
		size_t fixed = dns_cache_skip_name(accepted->message, at);
		uint16_t offset = (uint16_t)(fixed + 4 - accepted->body);
		memcpy(to, &offset, sizeof offset);
		at = fixed + 10 + dns_get16(accepted->message + fixed + 8);
	}
}

/* Of exactly as many bytes as it needs; or NULL. */
static struct dns_cache_entry *dns_cache_entry_create(struct dns_cache *cache,
        const struct dns_cache_key *key, const struct dns_accepted *accepted, uint32_t now_s)
{
	const struct weir_dns_found *found = &accepted->found;
	size_t body = accepted->size - accepted->body;
	size_t records = (size_t)accepted->answers + accepted->authorities;
	size_t size =
	        sizeof(struct dns_cache_entry) + key->size + body + records * sizeof(uint16_t);
	struct dns_cache_entry *entry =
	        dns_cache_make_room(cache, dns_cache_cost_of(size), now_s) ? malloc(size) : NULL;
	if (!entry)
		return NULL;
	*entry = (struct dns_cache_entry){
	        .hash = key->hash,
	        .stored_s = now_s,
	        .ttl_s = accepted->ttl_s,
	        .retry_s = now_s,
	        .key_size = key->size,
	        .body_size = (uint16_t)body,
	        .answers = accepted->answers,
	        .authorities = accepted->authorities,
	        .extended_error = (uint16_t)(found->extended_error < 0 ? DNS_NO_ERROR
	                                                               : found->extended_error),
	        .rcode = (uint8_t)found->rcode,
	        .uses = FIRST_USES,
	        .authenticated = found->authenticated,
	        .failure = found->rcode == WEIR_DNS_SERVFAIL,
	};
	memcpy(entry->bytes, key->bytes, key->size);
	memcpy(entry->bytes + key->size, accepted->message + accepted->body, body);
	dns_cache_note_ttls(accepted, entry->bytes + key->size + body);
	return entry;
}

void dns_cache_put(struct dns_cache *cache, const struct dns_cache_key *key,
        const struct dns_accepted *accepted, uint32_t now_s)
{
	struct dns_cache_entry **old = dns_cache_search(cache, key);
	if (*old)
		dns_cache_drop(cache, old);
	if (!accepted->ttl_s)
		return;
	struct dns_cache_entry *entry = dns_cache_entry_create(cache, key, accepted, now_s);
	if (!entry)
		return;
	struct dns_cache_entry **bucket = &cache->buckets[key->hash & cache->mask];
	entry->next = *bucket;
	*bucket = entry;
	cache->counters->bytes += dns_cache_cost_of(dns_cache_entry_size(entry));
	cache->counters->entries++;
}

/* -- writing ----------------------------------------------------------------------------------- */

static void dns_cache_found_of(
        const struct dns_cache_entry *entry, uint32_t now_s, struct weir_dns_found *ret)
{
	*ret = (struct weir_dns_found){
	        .rcode = entry->rcode,
	        .authenticated = entry->authenticated,
	        .extended_error =
	                entry->extended_error == DNS_NO_ERROR ? -1 : entry->extended_error,
	        .kind = entry->hash | 1,
	};
	if (entry->failure) {
		if (ret->extended_error < 0)
			ret->extended_error = WEIR_DNS_EDE_CACHED_ERROR;
	} else if (!dns_entry_fresh(entry, now_s)) {
		ret->extended_error = entry->rcode == WEIR_DNS_NXDOMAIN
		                              ? WEIR_DNS_EDE_STALE_NXDOMAIN
		                              : WEIR_DNS_EDE_STALE;
	}
}

static void dns_cache_set_ttls(const struct dns_cache_entry *entry, uint32_t now_s, uint8_t *body)
{
	const uint8_t *offsets = entry->bytes + entry->key_size + entry->body_size;
	unsigned count = (unsigned)entry->answers + entry->authorities;
	bool fresh = dns_entry_fresh(entry, now_s);
	uint32_t age = now_s - entry->stored_s;
	for (unsigned i = 0; i < count; i++, offsets += 2) {
		uint16_t offset;
		memcpy(&offset, offsets, sizeof offset);
		dns_put32(body + offset,
		        fresh ? dns_get32(body + offset) - age : WEIR_DNS_STALE_TTL_S);
	}
}

size_t dns_entry_write(const struct dns_cache_entry *entry,
        const struct weir_dns_question *question, uint32_t now_s, uint8_t *reply, size_t room,
        struct weir_dns_found *ret)
{
	size_t name = question->name.size, body = WEIR_DNS_HEADER_SIZE + name + 4;
	dns_cache_found_of(entry, now_s, ret);
	ret->truncated = entry->body_size > room - body;
	dns_put16(reply, 0);
	dns_put16(reply + 2, dns_found_flags(ret));
	dns_put16(reply + 4, 1);
	dns_put16(reply + 6, ret->truncated ? 0 : entry->answers);
	dns_put16(reply + 8, ret->truncated ? 0 : entry->authorities);
	dns_put16(reply + 10, 0);
	memcpy(reply + WEIR_DNS_HEADER_SIZE, question->name.wire, name);
	dns_put16(reply + body - 4, question->type);
	dns_put16(reply + body - 2, question->class);
	if (ret->truncated)
		return body;
	memcpy(reply + body, entry->bytes + entry->key_size, entry->body_size);
	dns_cache_set_ttls(entry, now_s, reply + body);
	return body + entry->body_size;
}
