/*
 * The state of lookups, for lookup*.c only.
 *
 *   lookup.c        the lookups: from the cache at once, or pending; quotas of clients
 *   lookup_ask.c    the questions that this loop is asking, or waits for
 *   lookup_share.c  the same question of several loops is asked once
 */
#ifndef WEIR_DNS_LOOKUP_STATE_H
#define WEIR_DNS_LOOKUP_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/dns_lookup.h>
#include <weir/list.h>
#include <weir/loop.h>

#include "lookup_metrics.h"
#include "cache.h"
#include "refcount.h"
#include "siphash.h"

/* -- lookup_share.c: one question of several loops --------------------------------------------- */

/*
 * The questions that the loops of one cache are asking, so that each is asked once for all of them.
 * The loop that asks a question is its owner; the pending questions of other loops that wait for
 * the same answer are its partners.
 *
 *             enter                         the asker has answered
 *   (new) ─┬─────────▶ ASKED ─────────────────────────────────────────────▶ (answered, freed)
 *          │             ▲ task: asks
 *          │           HANDED
 *          │             ▲ the owner left: posted
 *          └─────────▶ JOINED ──────────────▶ ANSWERED ───────────────────▶ (answered, freed)
 *                         the owner has published: posted      task
 *
 * If the lookups of a pending question are destroyed while its task is posted, it is ABANDONED, and
 * the task frees it. Every function must be called on the thread of the pending question's loop.
 */

struct dns_pending;

enum {
	DNS_PENDING_BUCKETS = 1024
};

/* Part of a cache. */
struct dns_questions {
	pthread_mutex_t lock; /* guards this, and the `shared` of each pending question */
	struct dns_pending *owners[DNS_PENDING_BUCKETS];
};

void dns_questions_init(struct dns_questions *questions);
void dns_questions_finish(struct dns_questions *questions);

/* An answer on its way to the partners of the loop that has it. */
struct dns_shared_reply {
	struct refcount holds;
	struct weir_dns_lookup_info info;
	size_t size;
	uint8_t bytes[];
};

void dns_shared_reply_release(struct dns_shared_reply *reply);

enum dns_share_state {
	DNS_SHARE_ASKED,
	DNS_SHARE_JOINED,
	DNS_SHARE_HANDED,
	DNS_SHARE_ANSWERED,
	DNS_SHARE_ABANDONED,
};

/* The part of a pending question that other loops see. */
struct dns_share {
	enum dns_share_state state;
	struct dns_pending *next;  /* of an owner: in its bucket */
	struct weir_list partners; /* of an owner */
	struct weir_list link;     /* of a partner */
	struct weir_task task;     /* posted in HANDED, ANSWERED and ABANDONED */
	/* In ANSWERED and ABANDONED: a hold, or NULL, if there was no memory for it. */
	struct dns_shared_reply *reply;
};

enum dns_share_entry {
	DNS_SHARE_OWNS,  /* ASKED: this loop has to ask */
	DNS_SHARE_WAITS, /* JOINED, or what follows that by now */
	DNS_SHARE_KNOWN, /* the cache has a fresh answer, which another loop has just put there */
};

/*
 * The pending question becomes an owner, or the partner of one. `on_posted` is the task's function.
 * DNS_SHARE_KNOWN is returned only if `unless_known` is set; nothing has changed then.
 */
enum dns_share_entry dns_share_enter(
        struct dns_pending *pending, void (*on_posted)(struct weir_task *task), bool unless_known);

/* The task runs: the state that was posted. HANDED has become ASKED. */
enum dns_share_state dns_share_posted(struct dns_pending *pending);

/* An owner's answer: it is no owner any more, and its partners are ANSWERED. */
void dns_share_publish(struct dns_pending *pending, const struct dns_accepted *accepted);

/*
 * Takes the pending question out. A question that it owns is handed to the first of its partners.
 * True: it is ABANDONED, so that its task frees it.
 */
bool dns_share_leave(struct dns_pending *pending);

/* -- lookup.c, lookup_ask.c -------------------------------------------------------------------- */

/* The pending lookups of each client's network (an address, or 56 bits of IPv6). */
enum {
	DNS_CLIENT_ROWS = 2,
	DNS_CLIENT_COUNTERS = 1024 /* of a row */
};

struct dns_clients {
	struct siphash_key key;
	uint32_t counts[DNS_CLIENT_ROWS][DNS_CLIENT_COUNTERS];
};

/*
 * A question under way: it is asked once for all lookups of this loop that wait for its answer.
 * This loop asks it, or another one that shares the cache (lookup_share.h).
 */
struct dns_pending {
	struct dns_pending *next; /* in its bucket */
	struct weir_dns_lookups *lookups;
	void *ask;                /* NULL: this loop does not ask (yet) */
	struct weir_list waiting; /* lookups; none: it is for the cache alone */
	struct weir_timer timer;  /* then the lookups get the stale answer */
	uint32_t hash;
	unsigned flags;
	int64_t asked_ms; /* if this loop has asked */
	struct weir_dns_question question;
	struct dns_share shared;
};

struct weir_dns_lookup {
	struct weir_list link; /* of a pending question, or of `ready` */
	struct weir_task task; /* of one that is ready */
	struct weir_dns_lookups *lookups;
	weir_dns_answered_fn *answered; /* NULL: cancelled, but still counted */
	void *context;
	uint32_t *counted[DNS_CLIENT_ROWS]; /* for a client; or NULL */
	struct weir_dns_lookup_info info;
	size_t size;
	uint8_t bytes[]; /* the name as it was asked for; or the reply that is ready */
};

struct weir_dns_lookups {
	struct weir_loop *loop;
	const struct weir_dns_asker *asker;
	void *asker_context;
	struct weir_dns_cache *cache;
	struct dns_cache_reader reader;
	struct dns_ttl_bounds bounds;
	struct dns_clients clients;
	unsigned asks, asks_max;
	unsigned waiting, waiting_max; /* lookups, ready ones among them */
	struct weir_dns_lookups_counters counters;
	struct weir_dns_lookups_counters *cells; /* of the loop */
	struct weir_list ready;
	struct dns_pending *pending[DNS_PENDING_BUCKETS];
	uint8_t message[WEIR_DNS_MESSAGE_MAX]; /* of the reply that is being passed to callbacks */
};

static inline uint32_t dns_lookups_now_s(const struct weir_dns_lookups *lookups)
{
	return (uint32_t)(weir_loop_now_ms(lookups->loop) / 1000);
}

static inline bool dns_pending_is(const struct dns_pending *pending,
        const struct weir_dns_question *question, unsigned flags, uint32_t hash)
{
	return pending->hash == hash && pending->flags == flags &&
	       pending->question.type == question->type &&
	       pending->question.rr_class == question->rr_class &&
	       weir_dns_name_equal(&pending->question.name, &question->name);
}

/* The question under way, or NULL. */
struct dns_pending *dns_pending_find(const struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, uint32_t hash);

/*
 * Asks, or joins another loop that does; nobody waits yet. Returns 0, WEIR_E_LIMIT, -ENOMEM or an
 * error of the asker. Returns -EALREADY if `unless_known` is set and another loop has put a fresh
 * answer into the cache in the meantime.
 */
int dns_pending_start(struct weir_dns_lookups *lookups, const struct weir_dns_question *question,
        unsigned flags, uint32_t hash, bool unless_known, struct dns_pending **ret);

/* Limits the wait of its lookups: there is a stale answer. */
void dns_pending_hurry(struct dns_pending *pending);

/* Cancels the question, and the lookups that wait for it. */
void dns_pending_destroy(struct dns_pending *pending);

/*
 * Counts the lookup for the client's network. Returns false if the network has used up its quota. A
 * lookup without a client (NULL) is not counted.
 */
bool dns_client_enter(struct weir_dns_lookup *lookup, const struct weir_address *client);
void dns_client_leave(struct weir_dns_lookup *lookup);

/* Frees a lookup that is in no list any more. */
void dns_lookup_free(struct weir_dns_lookup *lookup);

#endif
