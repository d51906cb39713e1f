/*
 * Lookups: what the cache has is given at once, or in the same turn; for the rest there is a
 * question under way (lookup_ask.c), new or not. Leaves out what an answer may contain
 * (reply_accept.c) and how it is kept (cache.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/address.h>
#include <weir/error.h>
#include <weir/network.h>

#include "lookup_state.h"

/* -- the upstreams ----------------------------------------------------------------------------- */

static int lookup_ask_upstreams(void *context, const struct weir_dns_question *question,
        unsigned flags, weir_dns_answered_fn *answered, void *answered_context, void **ret)
{
	struct weir_dns_ask *ask;
	int error = weir_dns_ask(context, question, flags, answered, answered_context, &ask);
	if (error == 0)
		*ret = ask;
	return error;
}

static void lookup_cancel_upstreams(void *ask)
{
	weir_dns_ask_cancel(ask);
}

static const struct weir_dns_asker upstreams_asker = {
        lookup_ask_upstreams, lookup_cancel_upstreams};

/* -- life -------------------------------------------------------------------------------------- */

void weir_dns_lookups_options_init(struct weir_dns_lookups_options *options)
{
	*options = (struct weir_dns_lookups_options){
	        .ttl_max_s = WEIR_DNS_TTL_MAX_S,
	        .negative_ttl_max_s = WEIR_DNS_NEGATIVE_TTL_MAX_S,
	        .asks_max = WEIR_DNS_ASKS_MAX,
	        .lookups_max = WEIR_DNS_LOOKUPS_MAX,
	};
	weir_dns_cache_options_init(&options->own_cache);
}

static int lookups_set_cache(
        struct weir_dns_lookups *lookups, const struct weir_dns_lookups_options *options)
{
	int error = 0;
	if (options->cache)
		lookups->cache = weir_dns_cache_hold(options->cache);
	else
		error = weir_dns_cache_create(&options->own_cache, &lookups->cache);
	if (error == 0)
		dns_cache_add_reader(lookups->cache, &lookups->reader);
	return error;
}

int weir_dns_lookups_create(struct weir_loop *loop, const struct weir_dns_lookups_options *options,
        struct weir_dns_lookups **ret)
{
	if (!options->asks_max || !options->lookups_max)
		return -EINVAL;
	struct weir_dns_lookups *lookups = calloc(1, sizeof *lookups);
	if (!lookups)
		return -ENOMEM;
	lookups->loop = loop;
	lookups->asker = options->asker ? options->asker : &upstreams_asker;
	lookups->asker_context = options->asker ? options->asker_context : options->upstreams;
	lookups->bounds = (struct dns_ttl_bounds){
	        .min_s = options->ttl_min_s,
	        .max_s = options->ttl_max_s,
	        .negative_max_s = options->negative_ttl_max_s,
	};
	lookups->asks_max = options->asks_max;
	lookups->waiting_max = options->lookups_max;
	weir_list_init(&lookups->ready);
	size_t size = sizeof lookups->clients.key;
	lookups->cells = lookup_metrics(loop);
	if (!lookups->cells) {
		free(lookups);
		return -ENOMEM;
	}
	int error = getrandom(&lookups->clients.key, size, 0) == (ssize_t)size ? 0 : -EIO;
	if (error == 0)
		error = lookups_set_cache(lookups, options);
	if (error < 0)
		free(lookups);
	else
		*ret = lookups;
	return error;
}

void weir_dns_lookups_destroy(struct weir_dns_lookups *lookups)
{
	if (!lookups)
		return;
	for (unsigned i = 0; i < DNS_PENDING_BUCKETS; i++)
		while (lookups->pending[i])
			dns_pending_destroy(lookups->pending[i]);
	while (!weir_list_empty(&lookups->ready))
		weir_dns_lookup_cancel(
		        WEIR_CONTAINER(lookups->ready.next, struct weir_dns_lookup, link));
	dns_cache_remove_reader(lookups->cache, &lookups->reader);
	weir_dns_cache_release(lookups->cache);
	free(lookups);
}

const struct weir_dns_lookups_counters *weir_dns_lookups_counters(
        const struct weir_dns_lookups *lookups)
{
	return &lookups->counters;
}

struct weir_dns_cache *weir_dns_lookups_cache(const struct weir_dns_lookups *lookups)
{
	return lookups->cache;
}

/* -- from the cache ---------------------------------------------------------------------------- */

/* Whether the cache can answer a question. */
enum usable {
	USABLE_NOT, /* nothing, or an expired answer: the question must be asked */
	USABLE_NOW,
	USABLE_REFRESH, /* it may be given, and is to be asked for again */
};

/*
 * Whether the entry is wanted and expires soon: it is asked for again, so that nobody has to wait
 * then. One loop does so.
 */
static bool lookup_wants_prefetch(
        const struct weir_dns_lookups *lookups, struct dns_cache_entry *entry, uint32_t now_s)
{
	uint64_t left = entry->ttl_s - dns_entry_age(entry, now_s);
	if (left * WEIR_DNS_PREFETCH_PART > entry->ttl_s ||
	        atomic_load_explicit(&entry->uses, memory_order_relaxed) <=
	                WEIR_DNS_PREFETCH_USES ||
	        now_s < atomic_load_explicit(&entry->retry_s, memory_order_relaxed) ||
	        entry->failure)
		return false;
	/* Clients that wait for an answer come before those that have one. */
	return lookups->asks < lookups->asks_max / 2 &&
	       !atomic_load_explicit(&entry->refreshing, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&entry->refreshing, true, memory_order_relaxed);
}

static void lookup_prefetch(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, const struct dns_cache_key *key)
{
	struct dns_pending *pending;
	if (dns_pending_find(lookups, question, flags, key->hash))
		return;
	if (dns_pending_start(lookups, question, flags, key->hash, false, &pending) == 0) {
		LOOKUP_COUNT(lookups, prefetches);
		return;
	}
	dns_cache_read_begin(&lookups->reader);
	struct dns_cache_entry *entry =
	        dns_cache_find(lookups->cache, key, dns_lookups_now_s(lookups));
	if (entry)
		atomic_store_explicit(&entry->refreshing, false, memory_order_relaxed);
	dns_cache_read_end(&lookups->reader);
}

/* Call it between dns_cache_read_begin and dns_cache_read_end. */
static enum usable lookup_usable(struct weir_dns_lookups *lookups, const struct dns_cache_key *key,
        uint32_t now_s, struct dns_cache_entry **ret)
{
	struct dns_cache_entry *entry = dns_cache_find(lookups->cache, key, now_s);
	if (!entry)
		return USABLE_NOT;
	*ret = entry;
	if (dns_entry_fresh(entry, now_s)) {
		unsigned uses = atomic_load_explicit(&entry->uses, memory_order_relaxed);
		LOOKUP_COUNT(lookups, hits);
		/*
		 * The count has a maximum, so that loops do not write to an entry that all of them
		 * read often.
		 */
		if (uses < DNS_USES_MAX)
			atomic_store_explicit(
			        &entry->uses, (unsigned char)(uses + 1), memory_order_relaxed);
		return lookup_wants_prefetch(lookups, entry, now_s) ? USABLE_REFRESH : USABLE_NOW;
	}
	if (now_s >= atomic_load_explicit(&entry->retry_s, memory_order_relaxed))
		return USABLE_NOT;
	LOOKUP_COUNT(lookups, stale);
	return USABLE_NOW;
}

size_t weir_dns_lookup_cached(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, void *reply, size_t room,
        struct weir_dns_lookup_info *ret)
{
	struct dns_cache_key key;
	struct dns_cache_entry *entry;
	size_t size = 0;
	uint32_t now_s = dns_lookups_now_s(lookups);
	flags &= DNS_CACHE_FLAGS;
	dns_cache_key(lookups->cache, question, flags, &key);
	dns_cache_read_begin(&lookups->reader);
	enum usable what = lookup_usable(lookups, &key, now_s, &entry);
	if (what != USABLE_NOT)
		size = dns_entry_write(entry, question, now_s, reply, room, ret);
	dns_cache_read_end(&lookups->reader);
	if (what == USABLE_REFRESH)
		lookup_prefetch(lookups, question, flags, &key);
	return size;
}

/* -- clients ----------------------------------------------------------------------------------- */

/*
 * Counters in two rows (a count-min sketch). A network has a counter in each row, of which the
 * smaller one is the better estimate. It is never too small, and too large only if other networks
 * share both counters. So no memory is allocated for a client. The hash is keyed, because clients
 * choose their addresses.
 */
/* The network of the address: all bits, or 56 of IPv6. */
bool dns_client_enter(struct weir_dns_lookup *lookup, const struct weir_address *client)
{
	struct weir_dns_lookups *lookups = lookup->lookups;
	struct dns_clients *clients = &lookups->clients;
	unsigned most = lookups->asks_max / WEIR_DNS_CLIENT_PART;
	struct weir_network network;
	bool few = false;
	if (!client)
		return true;
	weir_network_of(client, 32, 56, &network);
	uint64_t hash = siphash_13(&clients->key, network.address, sizeof network.address);
	for (unsigned i = 0; i < DNS_CLIENT_ROWS; i++, hash >>= 32) {
		lookup->counted[i] = &clients->counts[i][hash % DNS_CLIENT_COUNTERS];
		few |= *lookup->counted[i] < (most ? most : 1);
	}
	for (unsigned i = 0; i < DNS_CLIENT_ROWS; i++)
		++*lookup->counted[i];
	return few;
}

void dns_client_leave(struct weir_dns_lookup *lookup)
{
	for (unsigned i = 0; i < DNS_CLIENT_ROWS; i++)
		if (lookup->counted[i])
			--*lookup->counted[i];
}

/* -- later ------------------------------------------------------------------------------------- */

/* A lookup that is wanted. It must not be answered from within the call. */
struct wanted {
	struct weir_dns_lookups *lookups;
	const struct weir_dns_question *question;
	unsigned flags;
	weir_dns_answered_fn *answered;
	void *context;
	struct dns_cache_key key;
};

static struct weir_dns_lookup *lookup_create(struct weir_dns_lookups *lookups,
        weir_dns_answered_fn *answered, void *context, size_t size)
{
	struct weir_dns_lookup *lookup = malloc(sizeof *lookup + size);
	if (!lookup)
		return NULL;
	*lookup = (struct weir_dns_lookup){
	        .lookups = lookups, .answered = answered, .context = context, .size = size};
	lookups->waiting++;
	return lookup;
}

void dns_lookup_free(struct weir_dns_lookup *lookup)
{
	lookup->lookups->waiting--;
	dns_client_leave(lookup);
	free(lookup);
}

static void lookup_on_ready(struct weir_task *task)
{
	struct weir_dns_lookup *lookup = WEIR_CONTAINER(task, struct weir_dns_lookup, task);
	weir_list_remove(&lookup->link);
	lookup->answered(lookup->context, 0, weir_span(lookup->bytes, lookup->size));
	dns_lookup_free(lookup);
}

/* Answers with an entry, later in this turn. */
static int lookup_make_ready(const struct wanted *wanted, const struct dns_cache_entry *entry,
        struct weir_dns_lookup **ret)
{
	struct weir_dns_lookups *lookups = wanted->lookups;
	struct weir_dns_lookup *lookup = lookup_create(lookups, wanted->answered, wanted->context,
	        dns_entry_reply_size(entry, wanted->question));
	if (!lookup)
		return -ENOMEM;
	dns_entry_write(entry, wanted->question, dns_lookups_now_s(lookups), lookup->bytes,
	        lookup->size, &lookup->info);
	lookup->task.run = lookup_on_ready;
	weir_list_append(&lookups->ready, &lookup->link);
	weir_loop_defer(lookups->loop, &lookup->task);
	*ret = lookup;
	return 0;
}

/*
 * Answers from the cache, if possible. Returns false if the question must be asked. *ret_expired:
 * as a last resort.
 */
static bool answer_from_cache(const struct wanted *wanted, bool *ret_expired, int *ret_error,
        struct weir_dns_lookup **ret)
{
	struct weir_dns_lookups *lookups = wanted->lookups;
	struct dns_cache_entry *entry = NULL;
	dns_cache_read_begin(&lookups->reader);
	enum usable what = lookup_usable(lookups, &wanted->key, dns_lookups_now_s(lookups), &entry);
	if (what != USABLE_NOT)
		*ret_error = lookup_make_ready(wanted, entry, ret);
	dns_cache_read_end(&lookups->reader);
	if (what == USABLE_REFRESH)
		lookup_prefetch(lookups, wanted->question, wanted->flags, &wanted->key);
	*ret_expired = entry;
	return what != USABLE_NOT;
}

/* Answers from the cache, also with an expired entry. Returns `error` if there is none any more. */
static int answer_expired(const struct wanted *wanted, int error, struct weir_dns_lookup **ret)
{
	struct weir_dns_lookups *lookups = wanted->lookups;
	dns_cache_read_begin(&lookups->reader);
	const struct dns_cache_entry *entry =
	        dns_cache_find(lookups->cache, &wanted->key, dns_lookups_now_s(lookups));
	if (entry)
		error = lookup_make_ready(wanted, entry, ret);
	dns_cache_read_end(&lookups->reader);
	return error;
}

/* Waits for the question under way, or asks it. */
static int lookup_wait_for(const struct wanted *wanted, struct weir_dns_lookup *lookup,
        bool expired, bool unless_known)
{
	struct weir_dns_lookups *lookups = wanted->lookups;
	uint32_t hash = wanted->key.hash;
	struct dns_pending *pending =
	        dns_pending_find(lookups, wanted->question, wanted->flags, hash);
	int error = 0;
	if (pending)
		LOOKUP_COUNT(lookups, joined);
	else
		error = dns_pending_start(
		        lookups, wanted->question, wanted->flags, hash, unless_known, &pending);
	if (error < 0)
		return error;
	weir_list_append(&pending->waiting, &lookup->link);
	if (expired)
		dns_pending_hurry(pending);
	return 0;
}

/* -EALREADY: the cache has learnt the answer in the meantime, but only if `unless_known`. */
static int answer_later(const struct wanted *wanted, const struct weir_address *client,
        bool expired, bool unless_known, struct weir_dns_lookup **ret)
{
	const struct weir_dns_question *question = wanted->question;
	struct weir_dns_lookup *lookup = lookup_create(
	        wanted->lookups, wanted->answered, wanted->context, question->name.size);
	if (!lookup)
		return -ENOMEM;
	memcpy(lookup->bytes, question->name.wire, question->name.size);
	int error = -EDQUOT;
	if (dns_client_enter(lookup, client))
		error = lookup_wait_for(wanted, lookup, expired, unless_known);
	if (error == 0) {
		*ret = lookup;
		return 0;
	}
	dns_lookup_free(lookup);
	return expired && error != -EALREADY ? answer_expired(wanted, error, ret) : error;
}

int weir_dns_lookup(struct weir_dns_lookups *lookups, const struct weir_dns_question *question,
        unsigned flags, weir_dns_answered_fn *answered, void *context, struct weir_dns_lookup **ret)
{
	return weir_dns_lookup_for(lookups, NULL, question, flags, answered, context, ret);
}

int weir_dns_lookup_for(struct weir_dns_lookups *lookups, const struct weir_address *client,
        const struct weir_dns_question *question, unsigned flags, weir_dns_answered_fn *answered,
        void *context, struct weir_dns_lookup **ret)
{
	struct wanted wanted = {.lookups = lookups,
	        .question = question,
	        .flags = flags & DNS_CACHE_FLAGS,
	        .answered = answered,
	        .context = context};
	bool expired;
	int error;
	if (lookups->waiting >= lookups->waiting_max)
		return WEIR_E_LIMIT;
	dns_cache_key(lookups->cache, question, wanted.flags, &wanted.key);
	if (answer_from_cache(&wanted, &expired, &error, ret))
		return error;
	LOOKUP_COUNT(lookups, misses);
	error = answer_later(&wanted, client, expired, true, ret);
	if (error != -EALREADY || answer_from_cache(&wanted, &expired, &error, ret))
		return error;
	return answer_later(&wanted, client, expired, false, ret);
}

const struct weir_dns_lookup_info *weir_dns_lookup_info(const struct weir_dns_lookup *lookup)
{
	return &lookup->info;
}

void weir_dns_lookup_cancel(struct weir_dns_lookup *lookup)
{
	/*
	 * A client's lookup counts until its question ends: a client that hangs up gets no further
	 * permits.
	 */
	if (lookup->counted[0]) {
		lookup->answered = NULL;
		return;
	}
	weir_list_remove(&lookup->link);
	weir_loop_cancel(lookup->lookups->loop, &lookup->task);
	dns_lookup_free(lookup);
}
