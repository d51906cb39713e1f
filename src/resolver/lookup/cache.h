/*
 * The cache of answers: a hash table of entries. An entry is one block of memory: the key, the
 * records, and the positions of their TTLs. A hit is a hash, a comparison, a copy and the TTLs.
 *
 * All loops of a process may use one cache. A hit takes no lock and waits for nobody. Entries do
 * not change while they are in the table, except for a few atomic fields. A thread that unlinks an
 * entry frees it only when no loop can be reading it any more:
 *
 *   reader:  read_begin ─▶ find ─▶ the entry may be used ─▶ read_end
 *   writer:  lock ─▶ unlink ─▶ retire ─▶ unlock … ─▶ free, when all readers have been at read_end
 *
 * The cache reads no clock. Times are seconds of its users' monotonic clocks, which may differ a
 * little from loop to loop.
 */
#ifndef WEIR_DNS_CACHE_H
#define WEIR_DNS_CACHE_H

#include <stdatomic.h>

#include <weir/dns_lookup.h>
#include <weir/list.h>

struct dns_questions; /* lookup_state.h */

/* -- reply_accept.c: accepting a reply --------------------------------------------------------- */

/*
 * The records that belong to the question are read and written anew. So only well-formed data is
 * cached and passed on, whatever an upstream sends.
 */

struct dns_ttl_bounds {
	uint32_t min_s, max_s, negative_max_s;
};

/* Of `message`, `body` bytes are header and question; the records of two sections follow. */
struct dns_accepted {
	uint8_t *message;
	size_t body;
	size_t size;
	uint32_t ttl_s; /* 0: not to be remembered */
	uint16_t answers;
	uint16_t authorities;
	struct weir_dns_lookup_info info; /* `kind` is not set */
};

/* The second word of the header for these facts. */
uint16_t dns_lookup_info_flags(const struct weir_dns_lookup_info *info);

/*
 * Accepts a reply to `question`, asked with `flags`. `message` has room for WEIR_DNS_MESSAGE_MAX
 * bytes. An rcode that is no answer becomes SERVFAIL, without records. Returns 0, or WEIR_E_SYNTAX
 * if the reply is malformed, or does not reply to the question.
 */
int dns_accept(struct weir_span reply, const struct weir_dns_question *question, unsigned flags,
        const struct dns_ttl_bounds *bounds, uint8_t *message, struct dns_accepted *ret);

/* A failure in the form of an accepted reply. */
void dns_accept_failure(const struct weir_dns_question *question, int extended_error,
        uint8_t *message, struct dns_accepted *ret);

/* -- cache.c ----------------------------------------------------------------------------------- */

enum {
	DNS_CACHE_KEY_MAX = WEIR_DNS_NAME_MAX + 5,
	DNS_CACHE_FLAGS = WEIR_DNS_ASK_DNSSEC | WEIR_DNS_ASK_CHECKING_DISABLED,
};

/* The question: the name in lower case, type, class, flags. The hash is keyed. */
struct dns_cache_key {
	uint32_t hash;
	uint16_t size;
	uint8_t bytes[DNS_CACHE_KEY_MAX];
};

struct dns_cache_entry {
	_Atomic(struct dns_cache_entry *) next; /* in its bucket */
	struct dns_cache_entry *retired;        /* the next one that waits to be freed */
	uint32_t hash;
	uint32_t stored_s;
	uint32_t ttl_s;
	atomic_uint retry_s; /* the question is not asked again before this */
	uint16_t key_size;
	uint16_t body_size; /* of all records */
	uint16_t answers;
	uint16_t authorities;
	uint16_t extended_error; /* DNS_NO_ERROR: none */
	uint8_t rcode;
	bool authenticated : 1;
	bool failure : 1;
	atomic_uchar uses;      /* halved from time to time; at 0 the entry makes room for others */
	atomic_bool refreshing; /* a loop asks for it again before it expires */
	uint8_t bytes[];        /* the key, the records, 16 bits for each record: its TTL in them */
};

enum {
	DNS_NO_ERROR = 0xffff,
	DNS_USES_MAX = 15
};

/* A loop that reads the cache; in the memory of its lookups, all zero at first. */
struct dns_cache_reader {
	struct weir_list link;
	atomic_uint turns; /* odd: the loop is reading */
	unsigned seen;     /* `turns` when entries were last retired; the cache's lock guards it */
};

void dns_cache_add_reader(struct weir_dns_cache *cache, struct dns_cache_reader *reader);
void dns_cache_remove_reader(struct weir_dns_cache *cache, struct dns_cache_reader *reader);

/*
 * Entries that are found between these two calls stay valid until the second one. The thread must
 * not nest them, nor put an answer between them.
 *
 * The exchange is sequentially consistent, as are the loads that follow it and the stores that
 * unlink an entry: so a writer that sees this reader outside has made its change visible to it.
 */
static inline void dns_cache_read_begin(struct dns_cache_reader *reader)
{
	unsigned turns = atomic_load_explicit(&reader->turns, memory_order_relaxed);
	atomic_exchange(&reader->turns, turns + 1);
}

static inline void dns_cache_read_end(struct dns_cache_reader *reader)
{
	unsigned turns = atomic_load_explicit(&reader->turns, memory_order_relaxed);
	atomic_store_explicit(&reader->turns, turns + 1, memory_order_release);
}

void dns_cache_key(const struct weir_dns_cache *cache, const struct weir_dns_question *question,
        unsigned flags, struct dns_cache_key *ret);

/*
 * Returns the entry, or NULL. It may have expired, but it is not too old to be given as a stale
 * answer.
 */
struct dns_cache_entry *dns_cache_find(
        struct weir_dns_cache *cache, const struct dns_cache_key *key, uint32_t now_s);

/*
 * Replaces what the cache has for the key. The old entry goes even if the new one cannot be stored:
 * there is no memory, it is too large, or its TTL is 0.
 */
void dns_cache_put(struct weir_dns_cache *cache, const struct dns_cache_key *key,
        const struct dns_accepted *accepted, uint32_t now_s);

/* The questions that the loops of this cache are asking. */
struct dns_questions *dns_cache_questions(struct weir_dns_cache *cache);

/* Returns 0 for an entry of a loop whose clock is ahead of this one's. */
static inline uint32_t dns_entry_age(const struct dns_cache_entry *entry, uint32_t now_s)
{
	uint32_t age = now_s - entry->stored_s;
	return age > INT32_MAX ? 0 : age;
}

static inline bool dns_entry_fresh(const struct dns_cache_entry *entry, uint32_t now_s)
{
	return dns_entry_age(entry, now_s) < entry->ttl_s;
}

static inline size_t dns_entry_reply_size(
        const struct dns_cache_entry *entry, const struct weir_dns_question *question)
{
	return WEIR_DNS_HEADER_SIZE + question->name.size + 4u + entry->body_size;
}

/* -- cache_entry.c ----------------------------------------------------------------------------- */

/* An entry of exactly as many bytes as it needs, or NULL. */
struct dns_cache_entry *dns_cache_entry_create(
        const struct dns_cache_key *key, const struct dns_accepted *accepted, uint32_t now_s);

/* See weir_dns_lookup_cached. An entry that is not fresh is written as a stale answer. */
size_t dns_entry_write(const struct dns_cache_entry *entry,
        const struct weir_dns_question *question, uint32_t now_s, uint8_t *reply, size_t room,
        struct weir_dns_lookup_info *ret);

#endif
