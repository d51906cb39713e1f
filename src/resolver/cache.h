/*
 * The cache of answers: a hash table of entries, each one block of memory: key, records, and where
 * their TTLs stand. A hit is a hash, a comparison, a copy and the TTLs.
 *
 * Knows no clock: times are seconds of its user's, who never goes back.
 */
#ifndef WEIR_DNS_CACHE_H
#define WEIR_DNS_CACHE_H

#include <weir/dns_lookup.h>

#include "reply_accept.h"

enum {
	DNS_CACHE_KEY_MAX = WEIR_DNS_NAME_MAX + 5,
	DNS_CACHE_FLAGS = WEIR_DNS_ASK_DNSSEC | WEIR_DNS_ASK_CHECKING_DISABLED,
};

/* What was asked: the name in lower case, type, class, flags. The hash is keyed. */
struct dns_cache_key {
	uint32_t hash;
	uint16_t size;
	uint8_t bytes[DNS_CACHE_KEY_MAX];
};

struct dns_cache_entry {
	struct dns_cache_entry *next; /* in its bucket */
	uint32_t hash;
	uint32_t stored_s;
	uint32_t ttl_s;
	uint32_t retry_s; /* nothing is to be asked again before this */
	uint16_t key_size;
	uint16_t body_size; /* of all records */
	uint16_t answers;
	uint16_t authorities;
	uint16_t extended_error; /* DNS_NO_ERROR: none */
	uint8_t rcode;
	uint8_t uses : 4; /* halved from time to time; without, it makes room for others */
	bool authenticated : 1;
	bool failure : 1;
	uint8_t bytes[]; /* the key, the records, 16 bits for each record: its TTL in them */
};

enum {
	DNS_NO_ERROR = 0xffff,
	DNS_USES_MAX = 15
};

struct dns_cache;

/* `bytes` bounds all of its memory. 0; -ENOMEM; an errno of getrandom. */
int dns_cache_create(size_t bytes, uint32_t stale_s, struct weir_dns_lookups_counters *counters,
        struct dns_cache **ret);
void dns_cache_destroy(struct dns_cache *cache);

void dns_cache_key(const struct dns_cache *cache, const struct weir_dns_question *question,
        unsigned flags, struct dns_cache_key *ret);

/* The entry, or NULL; also one that has expired, but not one that is too old to be given as stale. */
struct dns_cache_entry *dns_cache_find(
        struct dns_cache *cache, const struct dns_cache_key *key, uint32_t now_s);

/*
 * Takes the place of what there was for the key, even if it cannot be kept: without memory, or as it
 * is too large or its TTL is 0.
 */
void dns_cache_put(struct dns_cache *cache, const struct dns_cache_key *key,
        const struct dns_accepted *accepted, uint32_t now_s);

static inline bool dns_entry_fresh(const struct dns_cache_entry *entry, uint32_t now_s)
{
	return now_s - entry->stored_s < entry->ttl_s;
}

static inline size_t dns_entry_reply_size(
        const struct dns_cache_entry *entry, const struct weir_dns_question *question)
{
	return WEIR_DNS_HEADER_SIZE + question->name.size + 4u + entry->body_size;
}

/* See weir_dns_lookup_cached. One that is not fresh is written as stale. */
size_t dns_entry_write(const struct dns_cache_entry *entry,
        const struct weir_dns_question *question, uint32_t now_s, uint8_t *reply, size_t room,
        struct weir_dns_found *ret);

#endif
