/*
 * Questions under way. When the answer has come, the cache learns it first, then other loops that
 * wait for it, then the lookups of this loop. The question is in no table any more by then: what
 * their callbacks ask is a new one.
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
	while (pending && !dns_pending_is(pending, question, flags, hash))
		pending = pending->next;
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

/* -- answering the lookups --------------------------------------------------------------------- */

/* Each lookup gets the question in the case in which it was asked. */
static void lookup_ask_answer(
        struct dns_pending *pending, const struct weir_dns_lookup_info *info, size_t size)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	while (!weir_list_empty(&pending->waiting)) {
		struct weir_dns_lookup *lookup =
		        WEIR_CONTAINER(pending->waiting.next, struct weir_dns_lookup, link);
		weir_list_remove(&lookup->link);
		memcpy(lookups->message + WEIR_DNS_HEADER_SIZE, lookup->bytes, lookup->size);
		lookup->info = *info;
		lookup->info.kind = pending->hash | 1;
		if (lookup->answered)
			lookup->answered(lookup->context, 0, weir_span(lookups->message, size));
		dns_lookup_free(lookup);
	}
}

/* Writes the stale answer, if there is one, into lookups->message. Returns its size, or 0. */
static size_t lookup_ask_write_stale(struct dns_pending *pending, struct weir_dns_lookup_info *info)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	struct dns_cache_key key;
	size_t size = 0;
	uint32_t now_s = dns_lookups_now_s(lookups);
	dns_cache_key(lookups->cache, &pending->question, pending->flags, &key);
	dns_cache_read_begin(&lookups->reader);
	struct dns_cache_entry *entry = dns_cache_find(lookups->cache, &key, now_s);
	if (entry && !entry->failure) {
		atomic_store_explicit(
		        &entry->retry_s, now_s + WEIR_DNS_STALE_RETRY_S, memory_order_relaxed);
		atomic_store_explicit(&entry->refreshing, false, memory_order_relaxed);
		size = dns_entry_write(entry, &pending->question, now_s, lookups->message,
		        sizeof lookups->message, info);
	}
	dns_cache_read_end(&lookups->reader);
	return size;
}

/* Answers the waiting lookups with the stale answer (RFC 8767). Returns false if there is none. */
static bool lookup_ask_answer_stale(struct dns_pending *pending)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	struct weir_dns_lookup_info info;
	size_t size = lookup_ask_write_stale(pending, &info);
	if (!size)
		return false;
	WEIR_LIST_EACH (const struct weir_dns_lookup, lookup, &pending->waiting, link)
		LOOKUP_COUNT(lookups, stale);
	lookup_ask_answer(pending, &info, size);
	return true;
}

static void lookup_ask_on_stale_time(struct weir_timer *timer)
{
	lookup_ask_answer_stale(WEIR_CONTAINER(timer, struct dns_pending, timer));
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
		LOOKUP_COUNT(lookups, rejected);
	}
	dns_accept_failure(
	        &pending->question, WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY, lookups->message, ret);
}

/* A failure does not replace an old answer in the cache. */
static void lookup_ask_remember(struct dns_pending *pending, const struct dns_accepted *accepted)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	struct dns_cache_key key;
	uint32_t now_s = dns_lookups_now_s(lookups);
	dns_cache_key(lookups->cache, &pending->question, pending->flags, &key);
	dns_cache_read_begin(&lookups->reader);
	const struct dns_cache_entry *entry = dns_cache_find(lookups->cache, &key, now_s);
	bool has_old = entry && !entry->failure;
	dns_cache_read_end(&lookups->reader);
	if (accepted->info.rcode != WEIR_DNS_SERVFAIL || !has_old)
		dns_cache_put(lookups->cache, &key, accepted, now_s);
}

/* `accepted` is in lookups->message. Frees the pending question. */
static void pending_end(struct dns_pending *pending, const struct dns_accepted *accepted)
{
	lookup_ask_forget(pending);
	if (accepted->info.rcode != WEIR_DNS_SERVFAIL || !lookup_ask_answer_stale(pending))
		lookup_ask_answer(pending, &accepted->info, accepted->size);
	free(pending);
}

static void lookup_ask_count_time(const struct dns_pending *pending)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	int64_t took_ms = weir_loop_now_ms(lookups->loop) - pending->asked_ms;
	weir_metric_observe_ms(lookups->counters.ask_ms, took_ms);
	weir_metric_observe_ms(lookups->cells->ask_ms, took_ms);
}

static void lookup_ask_on_answered(void *context, int error, struct weir_span reply)
{
	struct dns_pending *pending = context;
	struct dns_accepted accepted;
	pending->ask = NULL;
	lookup_ask_count_time(pending);
	lookup_ask_accept_reply(pending, error, reply, &accepted);
	if (accepted.info.rcode == WEIR_DNS_SERVFAIL)
		LOOKUP_COUNT(pending->lookups, failures);
	lookup_ask_remember(pending, &accepted);
	dns_share_publish(pending, &accepted);
	pending_end(pending, &accepted);
}

/* -- with other loops -------------------------------------------------------------------------- */

static int pending_ask(struct dns_pending *pending)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	pending->asked_ms = weir_loop_now_ms(lookups->loop);
	int error = lookups->asker->ask(lookups->asker_context, &pending->question, pending->flags,
	        lookup_ask_on_answered, pending, &pending->ask);
	if (error == 0)
		LOOKUP_COUNT(lookups, asks);
	return error;
}

static void pending_fail(struct dns_pending *pending)
{
	struct dns_accepted accepted;
	dns_accept_failure(&pending->question, WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY,
	        pending->lookups->message, &accepted);
	pending_end(pending, &accepted);
}

/* The loop that asked has sent its answer, or a failure if there was no memory for it. */
static void pending_end_shared(struct dns_pending *pending)
{
	struct dns_shared_reply *reply = pending->shared.reply;
	if (!reply) {
		pending_fail(pending);
		return;
	}
	const struct dns_accepted accepted = {.info = reply->info, .size = reply->size};
	memcpy(pending->lookups->message, reply->bytes, reply->size);
	dns_shared_reply_release(reply);
	pending_end(pending, &accepted);
}

static void on_posted(struct weir_task *task)
{
	struct dns_pending *pending = WEIR_CONTAINER(task, struct dns_pending, shared.task);
	switch (dns_share_posted(pending)) {
	case DNS_SHARE_HANDED:
		if (pending_ask(pending) == 0)
			return;
		dns_share_leave(pending);
		pending_fail(pending);
		return;
	case DNS_SHARE_ANSWERED:
		pending_end_shared(pending);
		return;
	default:
		dns_shared_reply_release(pending->shared.reply);
		free(pending);
	}
}

/* -- life -------------------------------------------------------------------------------------- */

static void pending_insert(struct dns_pending *pending)
{
	struct dns_pending **bucket = lookup_ask_bucket_of(pending->lookups, pending->hash);
	pending->next = *bucket;
	*bucket = pending;
	pending->lookups->asks++;
}

int dns_pending_start(struct weir_dns_lookups *lookups, const struct weir_dns_question *question,
        unsigned flags, uint32_t hash, bool unless_known, struct dns_pending **ret)
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
	int error = 0;
	switch (dns_share_enter(pending, on_posted, unless_known)) {
	case DNS_SHARE_KNOWN:
		error = -EALREADY;
		break;
	case DNS_SHARE_WAITS:
		LOOKUP_COUNT(lookups, joined);
		break;
	case DNS_SHARE_OWNS:
		error = pending_ask(pending);
		if (error < 0)
			dns_share_leave(pending);
	}
	if (error < 0) {
		free(pending);
		return error;
	}
	pending_insert(pending);
	*ret = pending;
	return 0;
}

void dns_pending_destroy(struct dns_pending *pending)
{
	lookup_ask_forget(pending);
	if (pending->ask)
		pending->lookups->asker->cancel(pending->ask);
	WEIR_LIST_EACH_SAFE (struct weir_dns_lookup, lookup, next, &pending->waiting, link)
		dns_lookup_free(lookup);
	if (!dns_share_leave(pending))
		free(pending);
}
