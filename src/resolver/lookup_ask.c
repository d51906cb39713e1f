/*
 * Questions under way. One that ends leaves the table first, then the cache learns what came of it,
 * then all who wait are told: what they ask from within is a new question.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "lookup_state.h"

static struct dns_pending **lookup_ask_bucket_of(struct weir_dns_lookups *lookups, uint32_t hash)
{
	return &lookups->pending[hash % DNS_PENDING_BUCKETS];
}

struct dns_pending *dns_pending_find(const struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, uint32_t hash)
{
	struct dns_pending *pending = lookups->pending[hash % DNS_PENDING_BUCKETS];
	for (; pending; pending = pending->next)
		if (pending->hash == hash && pending->flags == flags &&
		        pending->question.type == question->type &&
		        pending->question.class == question->class &&
		        weir_dns_name_equal(&pending->question.name, &question->name))
			break;
	return pending;
}

static void lookup_ask_forget(struct dns_pending *pending)
{
	struct dns_pending **at = lookup_ask_bucket_of(pending->lookups, pending->hash);
	while (*at != pending)
		at = &(*at)->next;
	*at = pending->next;
	pending->lookups->asks--;
	weir_timer_stop(&pending->timer);
}

/* -- telling ----------------------------------------------------------------------------------- */

/* Each gets the question in the case in which he wrote it. */
static void lookup_ask_tell(
        struct dns_pending *pending, const struct weir_dns_found *found, size_t size)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	while (!weir_list_empty(&pending->waiting)) {
		struct weir_dns_lookup *lookup =
		        WEIR_CONTAINER(pending->waiting.next, struct weir_dns_lookup, link);
		weir_list_remove(&lookup->link);
		memcpy(lookups->message + WEIR_DNS_HEADER_SIZE, lookup->bytes, lookup->size);
		lookup->found = *found;
		lookup->found.kind = pending->hash | 1;
		if (lookup->answered)
			lookup->answered(lookup->context, 0, weir_span(lookups->message, size));
		dns_lookup_free(lookup);
	}
}

static struct dns_cache_entry *lookup_ask_find_entry(
        struct dns_pending *pending, struct dns_cache_key *key)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	dns_cache_key(lookups->cache, &pending->question, pending->flags, key);
	return dns_cache_find(lookups->cache, key, dns_lookups_now_s(lookups));
}

/* What was right before is better than nothing. False: there is no such answer. */
static bool lookup_ask_tell_old(struct dns_pending *pending)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	struct weir_dns_found found;
	struct dns_cache_key key;
	uint32_t now_s = dns_lookups_now_s(lookups);
	struct dns_cache_entry *entry = lookup_ask_find_entry(pending, &key);
	if (!entry || entry->failure)
		return false;
	entry->retry_s = now_s + WEIR_DNS_STALE_RETRY_S;
	for (struct weir_list *at = pending->waiting.next; at != &pending->waiting; at = at->next)
		lookups->counters.stale++;
	size_t size = dns_entry_write(entry, &pending->question, now_s, lookups->message,
	        sizeof lookups->message, &found);
	lookup_ask_tell(pending, &found, size);
	return true;
}

static void lookup_ask_on_stale_time(struct weir_timer *timer)
{
	lookup_ask_tell_old(WEIR_CONTAINER(timer, struct dns_pending, timer));
}

void dns_pending_hurry(struct dns_pending *pending)
{
	if (!weir_timer_running(&pending->timer))
		weir_timer_start(pending->lookups->loop, &pending->timer, WEIR_DNS_STALE_WAIT_MS,
		        lookup_ask_on_stale_time);
}

/* -- answers ----------------------------------------------------------------------------------- */

static void lookup_ask_accept_reply(
        struct dns_pending *pending, int error, struct weir_span reply, struct dns_accepted *ret)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	if (error == 0) {
		error = dns_accept(reply, &pending->question, pending->flags, &lookups->bounds,
		        lookups->message, ret);
		if (error == 0)
			return;
		lookups->counters.rejected++;
	}
	dns_accept_failure(
	        &pending->question, WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY, lookups->message, ret);
}

static void lookup_ask_on_answered(void *context, int error, struct weir_span reply)
{
	struct dns_pending *pending = context;
	struct weir_dns_lookups *lookups = pending->lookups;
	struct dns_accepted accepted;
	struct dns_cache_key key;
	bool told = false;
	lookup_ask_forget(pending);
	lookup_ask_accept_reply(pending, error, reply, &accepted);
	if (accepted.found.rcode == WEIR_DNS_SERVFAIL) {
		lookups->counters.failures++;
		told = lookup_ask_tell_old(pending);
	}
	if (!told) {
		dns_cache_key(lookups->cache, &pending->question, pending->flags, &key);
		dns_cache_put(lookups->cache, &key, &accepted, dns_lookups_now_s(lookups));
		lookup_ask_tell(pending, &accepted.found, accepted.size);
	}
	free(pending);
}

/* -- life -------------------------------------------------------------------------------------- */

int dns_pending_start(struct weir_dns_lookups *lookups, const struct weir_dns_question *question,
        unsigned flags, uint32_t hash, struct dns_pending **ret)
{
	if (lookups->asks >= lookups->asks_max)
		return WEIR_E_LIMIT;
	struct dns_pending *pending = calloc(1, sizeof *pending);
	if (!pending)
		return -ENOMEM;
	pending->lookups = lookups;
	pending->hash = hash;
	pending->flags = flags;
	pending->question = *question;
	weir_list_init(&pending->waiting);
	int error = lookups->asker->ask(lookups->asker_context, &pending->question, flags,
	        lookup_ask_on_answered, pending, &pending->ask);
	if (error < 0) {
		free(pending);
		return error;
	}
	struct dns_pending **bucket = lookup_ask_bucket_of(lookups, hash);
	pending->next = *bucket;
	*bucket = pending;
	lookups->asks++;
	lookups->counters.asks++;
	*ret = pending;
	return 0;
}

void dns_pending_destroy(struct dns_pending *pending)
{
	lookup_ask_forget(pending);
	pending->lookups->asker->cancel(pending->ask);
	for (struct weir_list *link = pending->waiting.next, *next; link != &pending->waiting;
	        link = next) {
		next = link->next;
		dns_lookup_free(WEIR_CONTAINER(link, struct weir_dns_lookup, link));
	}
	free(pending);
}
