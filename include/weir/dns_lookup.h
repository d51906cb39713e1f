/*
 * Lookups: answers from a cache, or asked of upstream servers and remembered.
 *
 *   question ──▶ cache ──▶ answer, at once
 *                  └─ not there ──▶ asked once, for all who wait ──▶ accepted ──▶ cache ──▶ answers
 *
 * What is remembered is whole answers, by what was asked: name, type, class, DO and CD. So no answer
 * can change what another question is answered with. Of an answer only that is kept which belongs to
 * the question: records of the names in its CNAME chain, SOA if there is nothing, and to who wants
 * DNSSEC the signatures and the proofs, which are not judged: nothing is validated here.
 *
 * - What there is not is remembered as its SOA record says (RFC 2308), failures for
 *   WEIR_DNS_FAILURE_S (RFC 9520).
 * - An expired answer is kept for a while: it is given, with a TTL of WEIR_DNS_STALE_TTL_S, when the
 *   upstreams fail or take longer than WEIR_DNS_STALE_WAIT_MS (RFC 8767).
 * - An answer that is asked for often is asked for again before it expires.
 *
 * Lookups belong to a loop, and are for its thread alone. Their cache may be shared with the lookups of
 * other loops: each question is asked once for all of them, then, and all see the same answer with
 * the same TTL. A loop that gives an answer from the cache takes no lock and waits for no other loop.
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

struct weir_dns_cache;   /* answers, for the lookups of one or more loops */
struct weir_dns_lookups; /* what one loop is asking */
struct weir_dns_lookup;  /* a question that waits for its answer */
struct weir_address;
struct weir_loop;

/* -- the cache --------------------------------------------------------------------------------- */

struct weir_dns_cache_options {
	size_t bytes;     /* 0: WEIR_DNS_CACHE_BYTES; the least is WEIR_DNS_CACHE_MIN */
	uint32_t stale_s; /* an expired answer is kept for so long; 0: WEIR_DNS_STALE_S */
	bool never_stale; /* an expired answer is not kept */
};

/* Creates a cache with one hold. Returns 0, -ENOMEM or an errno of getrandom. */
WEIR_API int weir_dns_cache_create(
        const struct weir_dns_cache_options *options, struct weir_dns_cache **ret);

/*
 * Any thread may call these. Lookups have a hold of their own. The last release frees the cache; NULL is
 * allowed.
 */
WEIR_API struct weir_dns_cache *weir_dns_cache_hold(struct weir_dns_cache *cache);
WEIR_API void weir_dns_cache_release(struct weir_dns_cache *cache);

struct weir_dns_cache_counters {
	uint64_t evicted; /* answers that made room for others */
	uint64_t entries; /* answers there are now */
	uint64_t bytes;   /* of memory, by the reckoning of the bound */
};

/* Copies the counters. Any thread may call this. */
WEIR_API void weir_dns_cache_counters(
        struct weir_dns_cache *cache, struct weir_dns_cache_counters *ret);

/* -- lookups ----------------------------------------------------------------------------------- */

/*
 * Who answers what the cache does not know: weir_dns_ask and weir_dns_ask_cancel have the contract of
 * these two.
 */
struct weir_dns_asker {
	int (*ask)(void *context, const struct weir_dns_question *question, unsigned flags,
	        weir_dns_answered *answered, void *answered_context, void **ret);
	void (*cancel)(void *ask);
};

struct weir_dns_lookups_options {
	struct weir_dns_upstreams *upstreams; /* must outlive the lookups */
	const struct weir_dns_asker *asker;   /* another one than the upstreams; or NULL */
	void *asker_context;
	/*
	 * Shared with the lookups of other loops, which get a hold of their own. Their bounds of TTLs
	 * and their upstreams should be the same. NULL: a cache of their own, as `own_cache` says.
	 */
	struct weir_dns_cache *cache;
	struct weir_dns_cache_options own_cache;
	uint32_t ttl_min_s;          /* shorter ones are raised to this */
	uint32_t ttl_max_s;          /* 0: WEIR_DNS_TTL_MAX_S */
	uint32_t negative_ttl_max_s; /* 0: WEIR_DNS_NEGATIVE_TTL_MAX_S */
	unsigned asks_max;           /* questions under way; 0: WEIR_DNS_ASKS_MAX */
	unsigned lookups_max;        /* who wait for them; 0: WEIR_DNS_LOOKUPS_MAX */
};

/* 0; -ENOMEM; an errno of getrandom. */
WEIR_API int weir_dns_lookups_create(struct weir_loop *loop,
        const struct weir_dns_lookups_options *options, struct weir_dns_lookups **ret);

/*
 * Cancels all lookups without their callbacks. A question for which another loop of the cache waits, too, is
 * asked anew by that loop. NULL is allowed. Must not be called from a callback. The loop must turn once
 * more, or be destroyed.
 */
WEIR_API void weir_dns_lookups_destroy(struct weir_dns_lookups *lookups);

/* -- at once ----------------------------------------------------------------------------------- */

/* What an answer says beside its records. */
struct weir_dns_found {
	unsigned rcode;
	bool authenticated; /* AD: says the upstream */
	bool truncated;     /* it does not fit: header and question alone were written, with TC */
	int extended_error; /* of RFC 8914, the upstream's or of ours; -1: none */
	uint32_t kind;      /* of the name, keyed: for limiting the rate of replies */
};

/*
 * Writes what the cache has for the question: header (ID 0, QR, RD, RA, AD and the rcode), the
 * question in its own case, answer and authority section with the TTLs that are left, no OPT. `room`
 * is at least WEIR_DNS_HEADER_SIZE and the question. Its size; 0: it must be asked for, nothing was
 * written. `flags` are those of weir_dns_ask.
 */
WEIR_API size_t weir_dns_lookup_cached(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, void *reply, size_t room,
        struct weir_dns_found *ret);

/* -- later ------------------------------------------------------------------------------------- */

/*
 * From the cache, or asked; `answered` is called once, never from within the call, with a reply of
 * the same form as above (never cut). A question that could not be answered is answered by SERVFAIL;
 * an error is one of ours. The handle is valid until the callback returns.
 *
 * 0; WEIR_E_LIMIT: too many are waiting; -ENOMEM; an error of weir_dns_ask. The callback will not
 * come then.
 */
WEIR_API int weir_dns_lookup(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, weir_dns_answered *answered,
        void *context, struct weir_dns_lookup **ret);

/*
 * The same for a client, of whose network (an address, or 56 bits of IPv6) no more lookups may wait
 * than WEIR_DNS_CLIENT_PART of the questions that may be under way, at least one. -EDQUOT: so many do.
 * One that is cancelled counts until its question has been answered.
 */
WEIR_API int weir_dns_lookup_for(struct weir_dns_lookups *lookups,
        const struct weir_address *client, const struct weir_dns_question *question, unsigned flags,
        weir_dns_answered *answered, void *context, struct weir_dns_lookup **ret);

/* During the callback: what the reply says beside its records. */
WEIR_API const struct weir_dns_found *weir_dns_lookup_found(const struct weir_dns_lookup *lookup);

/* There will be no callback. Who asks goes on asking, for the cache. Not from its own callback. */
WEIR_API void weir_dns_lookup_cancel(struct weir_dns_lookup *lookup);

/* -- counters ---------------------------------------------------------------------------------- */

struct weir_dns_lookups_counters {
	uint64_t hits;
	uint64_t misses;
	uint64_t stale;      /* answers given though they had expired */
	uint64_t asks;       /* questions that went out, … */
	uint64_t prefetches; /* … of these, before the answer had expired */
	uint64_t joined;     /* lookups that waited for a question that was under way already */
	uint64_t failures;   /* questions that came to nothing */
	uint64_t rejected;   /* … of these, since the reply was not one to the question */
};

WEIR_API const struct weir_dns_lookups_counters *weir_dns_lookups_counters(
        const struct weir_dns_lookups *lookups);

/* The cache, shared or not; the hold is the lookups'. */
WEIR_API struct weir_dns_cache *weir_dns_lookups_cache(const struct weir_dns_lookups *lookups);

#endif
