/*
 * Lookups: what the cache has is given at once, or in the same turn; for the rest there is a question
 * under way (lookup_ask.c), new or not. Leaves out what an answer may contain (reply_accept.c) and how
 * it is kept (cache.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/error.h>

#include "lookup_state.h"

/* -- the upstreams ----------------------------------------------------------------------------- */

static int lookup_ask_upstreams(void *context, const struct weir_dns_question *question,
        unsigned flags, weir_dns_answered *answered, void *answered_context, void **ret)
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

static unsigned lookup_or_default(unsigned value, unsigned other)
{
	return value ? value : other;
}

int weir_dns_lookups_create(struct weir_loop *loop, const struct weir_dns_lookups_options *options,
        struct weir_dns_lookups **ret)
{
	struct weir_dns_lookups *lookups = calloc(1, sizeof *lookups);
	if (!lookups)
		return -ENOMEM;
	lookups->loop = loop;
	lookups->asker = options->asker ? options->asker : &upstreams_asker;
	lookups->asker_context = options->asker ? options->asker_context : options->upstreams;
	lookups->bounds = (struct dns_ttl_bounds){
	        .min_s = options->ttl_min_s,
	        .max_s = lookup_or_default(options->ttl_max_s, WEIR_DNS_TTL_MAX_S),
	        .negative_max_s =
	                lookup_or_default(options->negative_ttl_max_s, WEIR_DNS_NEGATIVE_TTL_MAX_S),
	};
	lookups->asks_max = lookup_or_default(options->asks_max, WEIR_DNS_ASKS_MAX);
	lookups->waiting_max = lookup_or_default(options->lookups_max, WEIR_DNS_LOOKUPS_MAX);
	weir_list_init(&lookups->ready);
	size_t size = sizeof lookups->clients.key;
	int error = getrandom(&lookups->clients.key, size, 0) == (ssize_t)size ? 0 : -EIO;
	if (error == 0)
		error = dns_cache_create(
		        options->cache_bytes ? options->cache_bytes : WEIR_DNS_CACHE_BYTES,
		        options->never_stale
		                ? 0
		                : lookup_or_default(options->stale_s, WEIR_DNS_STALE_S),
		        &lookups->counters, &lookups->cache);
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
	dns_cache_destroy(lookups->cache);
	free(lookups);
}

const struct weir_dns_lookups_counters *weir_dns_lookups_counters(
        const struct weir_dns_lookups *lookups)
{
	return &lookups->counters;
}

/* -- from the cache ---------------------------------------------------------------------------- */

/* Soon to expire, and wanted: so that nobody has to wait then. */
static bool lookup_wants_prefetch(const struct dns_cache_entry *entry, uint32_t now_s)
{
	uint64_t left = entry->ttl_s - (now_s - entry->stored_s);
	return left * WEIR_DNS_PREFETCH_PART <= entry->ttl_s &&
	       entry->uses > WEIR_DNS_PREFETCH_USES && now_s >= entry->retry_s && !entry->failure;
}

static void lookup_prefetch(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, uint32_t hash)
{
	struct dns_pending *pending;
	/* Who waits for an answer comes before who has one. */
	if (lookups->asks >= lookups->asks_max / 2 ||
	        dns_pending_find(lookups, question, flags, hash))
		return;
	if (dns_pending_start(lookups, question, flags, hash, &pending) == 0)
		lookups->counters.prefetches++;
}

/* The entry if it may be given now, or NULL: it must be asked for. *ret_stale is one for need. */
static struct dns_cache_entry *lookup_usable(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, struct dns_cache_key *key,
        struct dns_cache_entry **ret_stale)
{
	uint32_t now_s = dns_lookups_now_s(lookups);
	dns_cache_key(lookups->cache, question, flags, key);
	struct dns_cache_entry *entry = dns_cache_find(lookups->cache, key, now_s);
	*ret_stale = NULL;
	if (!entry)
		return NULL;
	if (dns_entry_fresh(entry, now_s)) {
		lookups->counters.hits++;
		entry->uses += entry->uses < DNS_USES_MAX;
		if (lookup_wants_prefetch(entry, now_s))
			lookup_prefetch(lookups, question, flags, key->hash);
		return entry;
	}
	if (now_s < entry->retry_s) {
		lookups->counters.stale++;
		return entry;
	}
	*ret_stale = entry;
	return NULL;
}

size_t weir_dns_lookup_cached(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, void *reply, size_t room,
        struct weir_dns_found *ret)
{
	struct dns_cache_key key;
	struct dns_cache_entry *stale, *entry;
	entry = lookup_usable(lookups, question, flags & DNS_CACHE_FLAGS, &key, &stale);
	if (!entry)
		return 0;
	return dns_entry_write(entry, question, dns_lookups_now_s(lookups), reply, room, ret);
}

/* -- later ------------------------------------------------------------------------------------- */

static struct weir_dns_lookup *lookup_create(
        struct weir_dns_lookups *lookups, weir_dns_answered *answered, void *context, size_t size)
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
static int lookup_make_ready(struct weir_dns_lookups *lookups, const struct dns_cache_entry *entry,
        const struct weir_dns_question *question, weir_dns_answered *answered, void *context,
        struct weir_dns_lookup **ret)
{
	struct weir_dns_lookup *lookup =
	        lookup_create(lookups, answered, context, dns_entry_reply_size(entry, question));
	if (!lookup)
		return -ENOMEM;
	dns_entry_write(entry, question, dns_lookups_now_s(lookups), lookup->bytes, lookup->size,
	        &lookup->found);
	lookup->task.run = lookup_on_ready;
	weir_list_append(&lookups->ready, &lookup->link);
	weir_loop_defer(lookups->loop, &lookup->task);
	*ret = lookup;
	return 0;
}

/* Waits for a question under way, which is a new one if there is none. */
static int lookup_wait_for(struct weir_dns_lookups *lookups,
        const struct weir_dns_question *question, unsigned flags, uint32_t hash,
        struct weir_dns_lookup *lookup, bool stale)
{
	struct dns_pending *pending = dns_pending_find(lookups, question, flags, hash);
	int error = 0;
	if (pending)
		lookups->counters.joined++;
	else
		error = dns_pending_start(lookups, question, flags, hash, &pending);
	if (error < 0)
		return error;
	weir_list_append(&pending->waiting, &lookup->link);
	if (stale)
		dns_pending_hurry(pending);
	return 0;
}

int weir_dns_lookup(struct weir_dns_lookups *lookups, const struct weir_dns_question *question,
        unsigned flags, weir_dns_answered *answered, void *context, struct weir_dns_lookup **ret)
{
	return weir_dns_lookup_for(lookups, NULL, question, flags, answered, context, ret);
}

int weir_dns_lookup_for(struct weir_dns_lookups *lookups, const struct weir_address *client,
        const struct weir_dns_question *question, unsigned flags, weir_dns_answered *answered,
        void *context, struct weir_dns_lookup **ret)
{
	struct dns_cache_key key;
	struct dns_cache_entry *stale, *entry;
	flags &= DNS_CACHE_FLAGS;
	if (lookups->waiting >= lookups->waiting_max)
		return WEIR_E_LIMIT;
	entry = lookup_usable(lookups, question, flags, &key, &stale);
	if (entry)
		return lookup_make_ready(lookups, entry, question, answered, context, ret);
	lookups->counters.misses++;
	struct weir_dns_lookup *lookup =
	        lookup_create(lookups, answered, context, question->name.size);
	if (!lookup)
		return -ENOMEM;
	memcpy(lookup->bytes, question->name.wire, question->name.size);
	int error = -EDQUOT;
	if (dns_client_enter(lookup, client))
		error = lookup_wait_for(lookups, question, flags, key.hash, lookup, stale);
	if (error == 0) {
		*ret = lookup;
		return 0;
	}
	dns_lookup_free(lookup);
	return stale ? lookup_make_ready(lookups, stale, question, answered, context, ret) : error;
}

const struct weir_dns_found *weir_dns_lookup_found(const struct weir_dns_lookup *lookup)
{
	return &lookup->found;
}

void weir_dns_lookup_cancel(struct weir_dns_lookup *lookup)
{
	/* What a client has caused is his until it ends: who hangs up may not ask for more. */
	if (lookup->counted[0]) {
		lookup->answered = NULL;
		return;
	}
	weir_list_remove(&lookup->link);
	weir_loop_cancel(lookup->lookups->loop, &lookup->task);
	dns_lookup_free(lookup);
}
