/*
 * Invariant: an owner is in the table, ASKED or HANDED; each of its partners is JOINED. So a loop
 * that finds no owner may ask, once it has looked into the cache again: owners put their answers
 * there before they leave the table.
 *
 * Tasks are posted under the lock. So the loop that they are posted to is alive: its lookups would
 * have left first.
 */
#include <stdlib.h>

#include "lookup_state.h"

void dns_questions_init(struct dns_questions *questions)
{
	pthread_mutex_init(&questions->lock, NULL);
}

void dns_questions_finish(struct dns_questions *questions)
{
	pthread_mutex_destroy(&questions->lock);
}

static struct dns_questions *share_lock(const struct dns_pending *pending)
{
	struct dns_questions *questions = dns_cache_questions(pending->lookups->cache);
	pthread_mutex_lock(&questions->lock);
	return questions;
}

static struct dns_pending **share_bucket(struct dns_questions *questions, uint32_t hash)
{
	return &questions->owners[hash % DNS_PENDING_BUCKETS];
}

static void share_insert(struct dns_questions *questions, struct dns_pending *pending)
{
	struct dns_pending **bucket = share_bucket(questions, pending->hash);
	pending->shared.next = *bucket;
	*bucket = pending;
}

static void share_remove(struct dns_questions *questions, struct dns_pending *pending)
{
	struct dns_pending **at = share_bucket(questions, pending->hash);
	while (*at != pending)
		at = &(*at)->shared.next;
	*at = pending->shared.next;
}

static struct dns_pending *share_find(
        struct dns_questions *questions, const struct dns_pending *pending)
{
	struct dns_pending *owner = *share_bucket(questions, pending->hash);
	while (owner && !dns_pending_is(owner, &pending->question, pending->flags, pending->hash))
		owner = owner->shared.next;
	return owner;
}

static struct dns_pending *share_partner(struct weir_list *link)
{
	return WEIR_CONTAINER(link, struct dns_pending, shared.link);
}

static bool share_known(const struct dns_pending *pending)
{
	struct weir_dns_lookups *lookups = pending->lookups;
	uint32_t now_s = dns_lookups_now_s(lookups);
	struct dns_cache_key key;
	dns_cache_key(lookups->cache, &pending->question, pending->flags, &key);
	dns_cache_read_begin(&lookups->reader);
	const struct dns_cache_entry *entry = dns_cache_find(lookups->cache, &key, now_s);
	bool known = entry && dns_entry_fresh(entry, now_s);
	dns_cache_read_end(&lookups->reader);
	return known;
}

enum dns_share_entry dns_share_enter(
        struct dns_pending *pending, void (*on_posted)(struct weir_task *task), bool unless_known)
{
	struct dns_share *shared = &pending->shared;
	weir_list_init(&shared->partners);
	weir_list_init(&shared->link);
	shared->task.run = on_posted;
	struct dns_questions *questions = share_lock(pending);
	struct dns_pending *owner = share_find(questions, pending);
	enum dns_share_entry entry = DNS_SHARE_WAITS;
	if (!owner)
		entry = unless_known && share_known(pending) ? DNS_SHARE_KNOWN : DNS_SHARE_OWNS;
	if (entry == DNS_SHARE_WAITS) {
		shared->state = DNS_SHARE_JOINED;
		weir_list_append(&owner->shared.partners, &shared->link);
	} else if (entry == DNS_SHARE_OWNS) {
		shared->state = DNS_SHARE_ASKED;
		share_insert(questions, pending);
	}
	pthread_mutex_unlock(&questions->lock);
	return entry;
}

/* -- posted ------------------------------------------------------------------------------------ */

static void share_post(struct dns_pending *pending, enum dns_share_state state)
{
	pending->shared.state = state;
	weir_loop_post(pending->lookups->loop, &pending->shared.task);
}

enum dns_share_state dns_share_posted(struct dns_pending *pending)
{
	/*
	 * Its lookups may be gone, and their cache. Nobody else changes what is not in the table.
	 */
	if (pending->shared.state != DNS_SHARE_HANDED)
		return pending->shared.state;
	struct dns_questions *questions = share_lock(pending);
	pending->shared.state = DNS_SHARE_ASKED;
	pthread_mutex_unlock(&questions->lock);
	return DNS_SHARE_HANDED;
}

/* -- answers ----------------------------------------------------------------------------------- */

static struct dns_shared_reply *share_copy(const struct dns_accepted *accepted)
{
	struct dns_shared_reply *reply = malloc(sizeof *reply + accepted->size);
	if (!reply)
		return NULL;
	refcount_init(&reply->holds);
	reply->info = accepted->info;
	reply->size = accepted->size;
	memcpy(reply->bytes, accepted->message, accepted->size);
	return reply;
}

void dns_shared_reply_release(struct dns_shared_reply *reply)
{
	if (reply && refcount_release(&reply->holds))
		free(reply);
}

void dns_share_publish(struct dns_pending *pending, const struct dns_accepted *accepted)
{
	struct weir_list *partners = &pending->shared.partners;
	struct dns_shared_reply *reply = NULL;
	struct dns_questions *questions = share_lock(pending);
	share_remove(questions, pending);
	if (!weir_list_empty(partners))
		reply = share_copy(accepted);
	while (!weir_list_empty(partners)) {
		struct dns_pending *partner = share_partner(partners->next);
		weir_list_remove(&partner->shared.link);
		if (reply)
			refcount_hold(&reply->holds);
		partner->shared.reply = reply;
		share_post(partner, DNS_SHARE_ANSWERED);
	}
	pthread_mutex_unlock(&questions->lock);
	dns_shared_reply_release(reply);
}

/* -- ends -------------------------------------------------------------------------------------- */

static void share_hand_over(struct dns_questions *questions, struct dns_pending *pending)
{
	share_remove(questions, pending);
	if (weir_list_empty(&pending->shared.partners))
		return;
	struct dns_pending *heir = share_partner(pending->shared.partners.next);
	weir_list_remove(&heir->shared.link);
	weir_list_move(&heir->shared.partners, &pending->shared.partners);
	share_insert(questions, heir);
	share_post(heir, DNS_SHARE_HANDED);
}

bool dns_share_leave(struct dns_pending *pending)
{
	struct dns_share *shared = &pending->shared;
	struct dns_questions *questions = share_lock(pending);
	bool posted = shared->state == DNS_SHARE_HANDED || shared->state == DNS_SHARE_ANSWERED;
	if (shared->state == DNS_SHARE_JOINED)
		weir_list_remove(&shared->link);
	else if (shared->state != DNS_SHARE_ANSWERED)
		share_hand_over(questions, pending);
	if (posted)
		shared->state = DNS_SHARE_ABANDONED;
	pthread_mutex_unlock(&questions->lock);
	return posted;
}
