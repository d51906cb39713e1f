/* Lookups, from inside. */
#ifndef WEIR_DNS_LOOKUP_STATE_H
#define WEIR_DNS_LOOKUP_STATE_H

#include <weir/loop.h>

#include "cache.h"
#include "lookup_clients.h"

enum {
	DNS_PENDING_BUCKETS = 1024
};

/* A question under way: asked once, whoever waits for it. */
struct dns_pending {
	struct dns_pending *next; /* in its bucket */
	struct weir_dns_lookups *lookups;
	void *ask;
	struct weir_list waiting; /* lookups; none: it is for the cache alone */
	struct weir_timer timer;  /* then who waits gets the stale answer */
	uint32_t hash;
	unsigned flags;
	struct weir_dns_question question;
};

struct weir_dns_lookup {
	struct weir_list link; /* of a pending question, or of `ready` */
	struct weir_task task; /* of one that is ready */
	struct weir_dns_lookups *lookups;
	weir_dns_answered *answered; /* NULL: cancelled, but still counted */
	void *context;
	uint32_t *counted[DNS_CLIENT_ROWS]; /* for a client; or NULL */
	struct weir_dns_found found;
	size_t size;
	uint8_t bytes[]; /* the name as it was asked for; or the reply that is ready */
};

struct weir_dns_lookups {
	struct weir_loop *loop;
	const struct weir_dns_asker *asker;
	void *asker_context;
	struct dns_cache *cache;
	struct dns_ttl_bounds bounds;
	struct dns_clients clients;
	unsigned asks, asks_max;
	unsigned waiting, waiting_max; /* lookups, ready ones among them */
	struct weir_dns_lookups_counters counters;
	struct weir_list ready;
	struct dns_pending *pending[DNS_PENDING_BUCKETS];
	uint8_t message[WEIR_DNS_MESSAGE_MAX]; /* of the reply that is being told */
};

static inline uint32_t dns_lookups_now_s(const struct weir_dns_lookups *lookups)
{
	return (uint32_t)(weir_loop_now_ms(lookups->loop) / 1000);
}

/* The question under way, or NULL. */
struct dns_pending *dns_pending_find(const struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, uint32_t hash);

/* Asks; nobody waits yet. 0, WEIR_E_LIMIT, -ENOMEM or an error of the asker. */
int dns_pending_start(struct weir_dns_lookups *lookups, const struct weir_dns_question *question,
        unsigned flags, uint32_t hash, struct dns_pending **ret);

/* Who waits will not wait for long: there is a stale answer. */
void dns_pending_hurry(struct dns_pending *pending);

/* Cancels it, and the lookups that wait for it. */
void dns_pending_destroy(struct dns_pending *pending);

/* It is in no list any more; frees it. */
void dns_lookup_free(struct weir_dns_lookup *lookup);

#endif
