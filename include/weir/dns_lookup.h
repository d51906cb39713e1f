/*
 * Lookups: questions are answered from a cache, or by upstream servers whose answers are then
 * cached.
 *
 *   question ──▶ cache ──▶ answer, at once
 *                  └─ miss ──▶ upstream, once for all lookups ──▶ accept ──▶ cache ──▶ answers
 *
 * The cache stores whole answers. The key is the question: name, type, class, DO and CD. So no
 * answer can change the answer to another question. Only records that belong to the question are
 * accepted: those of the names in its CNAME chain, and the SOA record if there is nothing. With DO
 * these are signatures and proofs, too. They are not validated.
 *
 * - A negative answer is cached for the time in its SOA record (RFC 2308), a failure for
 *   WEIR_DNS_FAILURE_S (RFC 9520).
 * - An expired answer becomes stale (RFC 8767). It is given, with a TTL of WEIR_DNS_STALE_TTL_S, if
 *   the upstreams fail or take longer than WEIR_DNS_STALE_WAIT_MS.
 * - An answer that is used often is prefetched: the question is asked again before it expires.
 *
 * Lookups belong to the thread of a loop. Lookups of several loops may share a cache. Then each
 * question is asked once for all of them, and all give the same answer with the same TTL. A loop
 * that answers from the cache takes no lock and waits for no other loop.
 */
#ifndef WEIR_DNS_LOOKUP_H
#define WEIR_DNS_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/dns_message.h>
#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/metrics.h>

WEIR_C_BEGIN

struct weir_dns_cache;   /* answers, for the lookups of one or more loops */
struct weir_dns_lookups; /* the lookups of one loop */
struct weir_dns_lookup;  /* a pending one */
struct weir_address;
struct weir_loop;

/* -- the cache --------------------------------------------------------------------------------- */

/* Begin with weir_dns_cache_options_init. */
struct weir_dns_cache_options {
	/* Bytes of memory; WEIR_DNS_CACHE_BYTES. Fewer than WEIR_DNS_CACHE_MIN become that. */
	size_t bytes;
	bool stale;       /* expired answers are retained as stale ones; true */
	uint32_t stale_s; /* for so long after they have expired; WEIR_DNS_STALE_S */
};

/* Sets every member to its default, which is written beside it. */
WEIR_API void weir_dns_cache_options_init(struct weir_dns_cache_options *options);

/*
 * Creates a cache with one hold. Returns 0; -EINVAL if `bytes` is 0, for example because the struct
 * was not initialised; -ENOMEM, or an errno of getrandom.
 */
WEIR_API int weir_dns_cache_create(
        const struct weir_dns_cache_options *options, struct weir_dns_cache **ret);

/*
 * Any thread may call these. Lookups have a hold of their own. The last release frees the cache;
 * NULL is allowed.
 */
WEIR_API struct weir_dns_cache *weir_dns_cache_hold(struct weir_dns_cache *cache);
WEIR_API void weir_dns_cache_release(struct weir_dns_cache *cache);

struct weir_dns_cache_counters {
	uint64_t evicted; /* answers removed to make room for others */
	uint64_t entries; /* answers in the cache */
	uint64_t bytes;   /* of memory, as counted for the bound */
};

/* Copies the counters. Any thread may call this. */
WEIR_API void weir_dns_cache_counters(
        struct weir_dns_cache *cache, struct weir_dns_cache_counters *ret);

/* An answer in the cache. Valid during the call. */
struct weir_dns_cached {
	struct weir_dns_name name; /* in lower case */
	uint16_t type;
	unsigned flags; /* of weir_dns_ask */
	unsigned rcode;
	int64_t left_s; /* until it expires; negative: it is stale */
	size_t bytes;   /* of memory */
};

/*
 * Calls `show(context, cached)` for the answers to questions for `name` and the names below it;
 * NULL: all. It ends when `show` returns false. `now_s` are the seconds of weir_loop_now_ms. The
 * cache is locked meanwhile: hits go on, and new answers wait. So `show` must be quick, and must
 * not use the cache. Any thread.
 */
WEIR_API void weir_dns_cache_each(struct weir_dns_cache *cache, const struct weir_dns_name *name,
        uint32_t now_s, bool (*show)(void *context, const struct weir_dns_cached *cached),
        void *context);

/*
 * Removes the answers to questions for `name` and the names below it; NULL: all. Returns their
 * number. A question that is being asked may put its answer in afterwards. Any thread.
 */
WEIR_API size_t weir_dns_cache_flush(
        struct weir_dns_cache *cache, const struct weir_dns_name *name);

/* -- lookups ----------------------------------------------------------------------------------- */

/*
 * Asks the questions that the cache cannot answer. weir_dns_ask and weir_dns_ask_cancel have the
 * contracts of these two functions.
 */
struct weir_dns_asker {
	int (*ask)(void *context, const struct weir_dns_question *question, unsigned flags,
	        weir_dns_answered_fn *answered, void *answered_context, void **ret);
	void (*cancel)(void *ask);
};

/* Begin with weir_dns_lookups_options_init. */
struct weir_dns_lookups_options {
	struct weir_dns_upstreams *upstreams; /* must outlive the lookups */
	const struct weir_dns_asker *asker;   /* asked instead of the upstreams; or NULL */
	void *asker_context;
	/*
	 * The cache that is shared with the lookups of other loops; held. All of them should have
	 * the same upstreams and bounds of TTLs. NULL: a cache is created with the options
	 * `own_cache`.
	 */
	struct weir_dns_cache *cache;
	struct weir_dns_cache_options own_cache;
	uint32_t ttl_min_s; /* shorter TTLs are raised to this; 0 */
	/* Longer TTLs become these. With 0 no answer, or no negative answer, is cached. */
	uint32_t ttl_max_s;          /* WEIR_DNS_TTL_MAX_S */
	uint32_t negative_ttl_max_s; /* WEIR_DNS_NEGATIVE_TTL_MAX_S */
	unsigned asks_max;           /* questions under way; WEIR_DNS_ASKS_MAX */
	unsigned lookups_max;        /* pending lookups; WEIR_DNS_LOOKUPS_MAX */
};

/* Sets every member to its default. `upstreams` and `asker` have none: set one of them. */
WEIR_API void weir_dns_lookups_options_init(struct weir_dns_lookups_options *options);

/*
 * Returns 0; -EINVAL if an option has a value that cannot work, for example because the struct was
 * not initialised; -ENOMEM, or an errno of getrandom.
 */
WEIR_API int weir_dns_lookups_create(struct weir_loop *loop,
        const struct weir_dns_lookups_options *options, struct weir_dns_lookups **ret);

/*
 * Cancels all lookups without their callbacks. If another loop of the cache waits for the same
 * question, that loop asks it again. NULL is allowed. Must not be called from a callback. The loop
 * must turn once more, or be destroyed.
 */
WEIR_API void weir_dns_lookups_destroy(struct weir_dns_lookups *lookups);

/* -- at once ----------------------------------------------------------------------------------- */

/* Facts about an answer beside its records. */
struct weir_dns_lookup_info {
	unsigned rcode;
	bool authenticated; /* the upstream has set AD */
	bool truncated;     /* it does not fit: only header and question were written, with TC */
	int extended_error; /* of RFC 8914, by the upstream or by us; -1: none */
	uint32_t kind;      /* a keyed hash of the question, for limiting the rate of replies */
};

/*
 * Writes the cached answer as a message without OPT. The header has the ID 0, QR, RD, RA, AD and
 * the rcode. The question has the case of `question`, and the TTLs are those that are left. `room`
 * is at least the size of header and question. `flags` are those of weir_dns_ask. Returns the size
 * of the message, or 0 if the cache has no answer: nothing was written then.
 */
WEIR_API size_t weir_dns_lookup_cached(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, void *reply, size_t room,
        struct weir_dns_lookup_info *ret);

/* -- pending ----------------------------------------------------------------------------------- */

/*
 * Looks a question up, in the cache or by asking. `answered` is called once, never from within this
 * call, with a message like that of weir_dns_lookup_cached, but never truncated. If the question
 * could not be answered, the message is SERVFAIL. The handle is valid until the callback returns.
 *
 * Returns 0, WEIR_E_LIMIT if too many lookups are pending, -ENOMEM, or an error of weir_dns_ask.
 * The callback is called only after 0.
 */
WEIR_API int weir_dns_lookup(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, weir_dns_answered_fn *answered,
        void *context, struct weir_dns_lookup **ret);

/*
 * Like weir_dns_lookup, for a client. Its network is an address, or 56 bits of IPv6. A network may
 * have asks_max / WEIR_DNS_CLIENT_PART pending lookups, at least one. A cancelled lookup counts
 * until its question has been answered. Returns -EDQUOT if the network has as many already.
 */
WEIR_API int weir_dns_lookup_for(struct weir_dns_lookups *lookups,
        const struct weir_address *client, const struct weir_dns_question *question, unsigned flags,
        weir_dns_answered_fn *answered, void *context, struct weir_dns_lookup **ret);

/* Valid during the callback. */
WEIR_API const struct weir_dns_lookup_info *weir_dns_lookup_info(
        const struct weir_dns_lookup *lookup);

/*
 * The callback will not be called. The question is still asked, for the cache. Must not be called
 * from the callback of this lookup.
 */
WEIR_API void weir_dns_lookup_cancel(struct weir_dns_lookup *lookup);

/* -- counters ---------------------------------------------------------------------------------- */

struct weir_dns_lookups_counters {
	uint64_t hits;
	uint64_t misses;
	uint64_t stale;      /* answers given after they had expired */
	uint64_t asks;       /* questions asked */
	uint64_t prefetches; /* of `asks`, before the answer had expired */
	uint64_t joined;     /* lookups for a question that was already being asked */
	uint64_t failures;   /* questions that were not answered */
	uint64_t rejected;   /* of `failures`, because the reply did not answer the question */
	/* How long each question of `asks` took: a histogram (weir/metrics.h). */
	uint64_t ask_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

WEIR_API const struct weir_dns_lookups_counters *weir_dns_lookups_counters(
        const struct weir_dns_lookups *lookups);

/* The cache, shared or not. The caller gets no hold. */
WEIR_API struct weir_dns_cache *weir_dns_lookups_cache(const struct weir_dns_lookups *lookups);

WEIR_C_END

#endif
