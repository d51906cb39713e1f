/*
 * The guard: two hash tables with a keyed hash and buckets of a few entries. One counts wrong
 * passwords by network. The other stores which users have logged in from a network, with a count of
 * their own.
 *
 * Invariants: an entry is in its own bucket or nowhere; an entry whose count has decayed to 0 is
 * free. The lock covers all of it and is held for one bucket, except for clearing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/bans.h>
#include <weir/limits.h>
#include <weir/sasl_guard.h>

#include "siphash.h"
#include "helper.h"

enum {
	ENTRIES = 8, /* of a bucket */
	BUCKETS = WEIR_GUARD_ADDRESSES_MAX / ENTRIES,
	KNOWN_BUCKETS = WEIR_GUARD_KNOWN_MAX / ENTRIES,
	/* The delay does not grow beyond this count above the threshold. */
	COUNT_MAX = 16,
};

_Static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a power of two");
_Static_assert((KNOWN_BUCKETS & (KNOWN_BUCKETS - 1)) == 0, "a power of two");

struct guard_count {
	int64_t since_ms; /* when the count was made */
	unsigned count;
};

struct guard_network {
	struct weir_network network; /* an IPv4 address, or the first 64 bits of IPv6 */
	struct guard_count wrong;    /* of this process */
	struct guard_count others;   /* of other processes; see weir_guard_learn */
	bool changed;                /* `wrong` has grown since weir_guard_collect */
};

/* A user who has logged in from a network. */
struct guard_known {
	struct weir_network network;
	uint64_t user[2]; /* a keyed hash of the name */
	int64_t login_ms; /* of the last login; 0: the entry is free */
	struct guard_count wrong;
};

struct weir_guard {
	struct weir_guard_options options;
	struct siphash_key key;
	pthread_mutex_t lock; /* covers all but the key */
	struct weir_guard_counters counters;
	size_t changes; /* at least as many networks as have `changed` */
	struct guard_network networks[BUCKETS][ENTRIES];
	struct guard_known known[KNOWN_BUCKETS][ENTRIES];
};

/* -- life -------------------------------------------------------------------------------------- */

void weir_guard_options_init(struct weir_guard_options *options)
{
	*options = (struct weir_guard_options){
	        .enabled = true,
	        .first_ms = WEIR_GUARD_FIRST_MS,
	        .most_ms = WEIR_GUARD_MOST_MS,
	        .decay_ms = WEIR_GUARD_DECAY_MS,
	};
}

static int guard_copy(const struct weir_guard_options *options, struct weir_guard_options *ret)
{
	struct weir_guard_options copy;
	struct weir_network *exempt = NULL;
	weir_guard_options_init(&copy);
	if (options)
		copy = *options;
	if (!copy.first_ms || !copy.decay_ms)
		return -EINVAL;
	if (copy.exempt_count) {
		exempt = calloc(copy.exempt_count, sizeof *exempt);
		if (!exempt)
			return -ENOMEM;
		memcpy(exempt, copy.exempt, copy.exempt_count * sizeof *exempt);
	}
	copy.exempt = exempt;
	if (copy.threshold > WEIR_GUARD_THRESHOLD_MAX)
		copy.threshold = WEIR_GUARD_THRESHOLD_MAX;
	*ret = copy;
	return 0;
}

int weir_guard_create(const struct weir_guard_options *options, struct weir_guard **ret)
{
	struct weir_guard *guard = calloc(1, sizeof *guard);
	int error = guard ? guard_copy(options, &guard->options) : -ENOMEM;
	if (error == 0 && getrandom(&guard->key, sizeof guard->key, 0) != sizeof guard->key) {
		free((void *)guard->options.exempt);
		error = -EIO;
	}
	if (error < 0) {
		free(guard);
		return error;
	}
	pthread_mutex_init(&guard->lock, NULL);
	*ret = guard;
	return 0;
}

int weir_guard_set(struct weir_guard *guard, const struct weir_guard_options *options)
{
	struct weir_guard_options copy;
	int error = guard_copy(options, &copy);
	if (error < 0)
		return error;
	pthread_mutex_lock(&guard->lock);
	const struct weir_network *old = guard->options.exempt;
	guard->options = copy;
	pthread_mutex_unlock(&guard->lock);
	free((void *)old);
	return 0;
}

void weir_guard_destroy(struct weir_guard *guard)
{
	if (!guard)
		return;
	pthread_mutex_destroy(&guard->lock);
	free((void *)guard->options.exempt);
	free(guard);
}

/* -- counts ------------------------------------------------------------------------------------ */

static bool guard_same(const struct weir_network *one, const struct weir_network *other)
{
	return memcmp(one, other, sizeof *one) == 0;
}

static void guard_decay(const struct weir_guard *guard, struct guard_count *wrong, int64_t now_ms)
{
	int64_t gone = (now_ms - wrong->since_ms) / guard->options.decay_ms;
	if (gone <= 0)
		return;
	wrong->count = gone >= wrong->count ? 0 : wrong->count - (unsigned)gone;
	wrong->since_ms += gone * guard->options.decay_ms;
}

static void guard_add(const struct weir_guard *guard, struct guard_count *wrong, int64_t now_ms)
{
	const struct weir_guard_options *options = &guard->options;
	wrong->count +=
	        wrong->count < options->threshold + COUNT_MAX || wrong->count < options->ban_after;
	wrong->since_ms = now_ms;
}

/* NULL has none. */
static unsigned guard_total(const struct guard_network *entry)
{
	return entry ? entry->wrong.count + entry->others.count : 0;
}

static uint32_t guard_delay(const struct weir_guard *guard, unsigned count)
{
	const struct weir_guard_options *options = &guard->options;
	uint64_t delay_ms = options->first_ms;
	if (count <= options->threshold)
		return 0;
	unsigned doublings = count - options->threshold - 1;
	delay_ms <<= min_of(doublings, (unsigned)COUNT_MAX);
	return delay_ms < options->most_ms ? (uint32_t)delay_ms : options->most_ms;
}

/*
 * Finds the entry of a network. If there is none and `claim` is set, replaces a free entry, or the
 * least important one.
 */
static struct guard_network *guard_find(
        struct weir_guard *guard, const struct weir_network *network, int64_t now_ms, bool claim)
{
	uint64_t hash = siphash_13(&guard->key, network->address, sizeof network->address);
	struct guard_network *entries = guard->networks[hash & (BUCKETS - 1)], *least = entries;
	for (int i = 0; i < ENTRIES; i++) {
		guard_decay(guard, &entries[i].wrong, now_ms);
		guard_decay(guard, &entries[i].others, now_ms);
		unsigned count = guard_total(&entries[i]);
		if (count && guard_same(&entries[i].network, network))
			return &entries[i];
		if (count < guard_total(least) ||
		        (count == guard_total(least) &&
		                entries[i].wrong.since_ms < least->wrong.since_ms))
			least = &entries[i];
	}
	if (!claim)
		return NULL;
	*least =
	        (struct guard_network){*network, {.since_ms = now_ms}, {.since_ms = now_ms}, false};
	return least;
}

/* Finds or makes the entry of a user who has logged in from the network. */
static struct guard_known *guard_find_known(struct weir_guard *guard,
        const struct weir_network *network, struct weir_span user, int64_t now_ms, bool claim)
{
	uint64_t name[2];
	siphash_24(&guard->key, user.size ? user.data : "", user.size, name);
	uint64_t at = name[0] ^ siphash_13(&guard->key, network->address, sizeof network->address);
	struct guard_known *entries = guard->known[at & (KNOWN_BUCKETS - 1)], *oldest = entries;
	for (int i = 0; i < ENTRIES; i++) {
		if (entries[i].login_ms && now_ms - entries[i].login_ms > WEIR_GUARD_KNOWN_MS)
			entries[i].login_ms = 0;
		if (entries[i].login_ms && memcmp(entries[i].user, name, sizeof name) == 0 &&
		        guard_same(&entries[i].network, network)) {
			guard_decay(guard, &entries[i].wrong, now_ms);
			return &entries[i];
		}
		if (entries[i].login_ms < oldest->login_ms)
			oldest = &entries[i];
	}
	if (!claim)
		return NULL;
	*oldest = (struct guard_known){*network, {name[0], name[1]}, .wrong = {.since_ms = now_ms}};
	return oldest;
}

/* -- logins ------------------------------------------------------------------------------------ */

/* Locks; returns whether the address is counted at all. */
static bool guard_enter(
        struct weir_guard *guard, const struct weir_address *address, struct weir_network *ret)
{
	const struct weir_guard_options *options = &guard->options;
	pthread_mutex_lock(&guard->lock);
	if (!options->enabled || (options->exempt_count && weir_networks_contain(options->exempt,
	                                                           options->exempt_count, address)))
		return false;
	weir_network_of(address, 32, 64, ret);
	return true;
}

/* A list that is full bans no further network; the delay stays. */
static void guard_ban(struct weir_guard *guard, const struct weir_network *network, unsigned count,
        int64_t now_ms)
{
	const struct weir_guard_options *options = &guard->options;
	if (!options->bans || !options->ban_after || count < options->ban_after)
		return;
	weir_bans_add(options->bans, network, now_ms + options->ban_ms, now_ms);
}

bool weir_guard_suspects(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms)
{
	struct weir_network network;
	bool suspect = false;
	if (guard_enter(guard, address, &network) && guard_find(guard, &network, now_ms, false)) {
		const struct guard_known *known =
		        guard_find_known(guard, &network, user, now_ms, false);
		suspect = !known || known->wrong.count;
	}
	pthread_mutex_unlock(&guard->lock);
	return suspect;
}

uint32_t weir_guard_passed(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms)
{
	struct weir_network network;
	uint32_t delay_ms = 0;
	if (guard_enter(guard, address, &network)) {
		struct guard_known *known = guard_find_known(guard, &network, user, now_ms, true);
		delay_ms = guard_delay(guard,
		        known->login_ms ? known->wrong.count
		                        : guard_total(guard_find(guard, &network, now_ms, false)));
		known->login_ms = now_ms ? now_ms : 1;
	}
	guard->counters.passed++;
	guard->counters.delayed += delay_ms > 0;
	pthread_mutex_unlock(&guard->lock);
	return delay_ms;
}

uint32_t weir_guard_failed(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms)
{
	struct weir_network network;
	uint32_t delay_ms = 0;
	if (guard_enter(guard, address, &network)) {
		struct guard_network *entry = guard_find(guard, &network, now_ms, true);
		struct guard_known *known = guard_find_known(guard, &network, user, now_ms, false);
		guard_add(guard, &entry->wrong, now_ms);
		guard->changes += !entry->changed;
		entry->changed = true;
		if (known)
			guard_add(guard, &known->wrong, now_ms);
		guard_ban(guard, &network, guard_total(entry), now_ms);
		delay_ms = guard_delay(guard, guard_total(entry));
	}
	guard->counters.failed++;
	guard->counters.delayed += delay_ms > 0;
	pthread_mutex_unlock(&guard->lock);
	return delay_ms;
}

/* -- the state --------------------------------------------------------------------------------- */

void weir_guard_counters(struct weir_guard *guard, struct weir_guard_counters *ret)
{
	pthread_mutex_lock(&guard->lock);
	*ret = guard->counters;
	pthread_mutex_unlock(&guard->lock);
}

void weir_guard_each(
        struct weir_guard *guard, int64_t now_ms, weir_guard_show_fn *show, void *context)
{
	for (int bucket = 0; bucket < BUCKETS; bucket++) {
		struct weir_guard_entry found[ENTRIES];
		int count = 0;
		pthread_mutex_lock(&guard->lock);
		for (int i = 0; i < ENTRIES; i++) {
			struct guard_network *from = &guard->networks[bucket][i];
			guard_decay(guard, &from->wrong, now_ms);
			guard_decay(guard, &from->others, now_ms);
			unsigned total = guard_total(from);
			if (!total)
				continue;
			found[count] = (struct weir_guard_entry){
			        from->network, total, guard_delay(guard, total)};
			count++;
		}
		pthread_mutex_unlock(&guard->lock);
		for (int i = 0; i < count; i++)
			show(context, &found[i]);
	}
}

size_t weir_guard_clear(struct weir_guard *guard, const struct weir_network *network)
{
	struct guard_network *networks = guard->networks[0];
	struct guard_known *known = guard->known[0];
	size_t cleared = 0;
	pthread_mutex_lock(&guard->lock);
	for (size_t i = 0; i < (size_t)BUCKETS * ENTRIES; i++) {
		if (!guard_total(&networks[i]) ||
		        (network && !weir_networks_overlap(network, &networks[i].network)))
			continue;
		networks[i].wrong.count = networks[i].others.count = 0;
		networks[i].changed = false;
		cleared++;
	}
	for (size_t i = 0; i < (size_t)KNOWN_BUCKETS * ENTRIES; i++)
		if (!network || weir_networks_overlap(network, &known[i].network))
			known[i].wrong.count = 0;
	pthread_mutex_unlock(&guard->lock);
	return cleared;
}

size_t weir_guard_clear_user(struct weir_guard *guard, struct weir_span user)
{
	struct guard_known *known = guard->known[0];
	size_t cleared = 0;
	uint64_t name[2];
	siphash_24(&guard->key, user.size ? user.data : "", user.size, name);
	pthread_mutex_lock(&guard->lock);
	for (size_t i = 0; i < (size_t)KNOWN_BUCKETS * ENTRIES; i++) {
		if (!known[i].login_ms || !known[i].wrong.count ||
		        memcmp(known[i].user, name, sizeof name) != 0)
			continue;
		known[i].wrong.count = 0;
		cleared++;
	}
	pthread_mutex_unlock(&guard->lock);
	return cleared;
}

/* -- several processes ------------------------------------------------------------------------- */

/* Call with the lock. Returns whether the network has a count that was not collected. */
static bool guard_collect_entry(struct weir_guard *guard, struct guard_network *entry,
        int64_t now_ms, struct weir_guard_share *ret)
{
	guard_decay(guard, &entry->wrong, now_ms);
	bool changed = entry->changed && entry->wrong.count;
	entry->changed = false;
	if (changed)
		*ret = (struct weir_guard_share){.network = entry->network,
		        .count = entry->wrong.count,
		        .age_ms = now_ms - entry->wrong.since_ms,
		        .left_ms = (int64_t)entry->wrong.count * guard->options.decay_ms -
		                   (now_ms - entry->wrong.since_ms)};
	return changed;
}

size_t weir_guard_collect(
        struct weir_guard *guard, int64_t now_ms, struct weir_guard_share *ret, size_t room)
{
	struct guard_network *networks = guard->networks[0];
	size_t count = 0, i = 0;
	pthread_mutex_lock(&guard->lock);
	bool any = guard->changes;
	guard->changes = 0;
	pthread_mutex_unlock(&guard->lock);
	while (any && count < room && i < (size_t)BUCKETS * ENTRIES) {
		/* Logins wait for one bucket at most. */
		pthread_mutex_lock(&guard->lock);
		for (int k = 0; k < ENTRIES && count < room; k++, i++)
			count += guard_collect_entry(guard, &networks[i], now_ms, &ret[count]);
		pthread_mutex_unlock(&guard->lock);
	}
	if (count == room && any) {
		pthread_mutex_lock(&guard->lock);
		guard->changes++; /* there may be more */
		pthread_mutex_unlock(&guard->lock);
	}
	return count;
}

static bool guard_is_exempt(const struct weir_guard *guard, const struct weir_network *network)
{
	const struct weir_guard_options *options = &guard->options;
	for (size_t i = 0; i < options->exempt_count; i++)
		if (weir_networks_overlap(&options->exempt[i], network))
			return true;
	return false;
}

void weir_guard_learn(
        struct weir_guard *guard, const struct weir_guard_share *share, int64_t now_ms)
{
	pthread_mutex_lock(&guard->lock);
	const struct weir_guard_options *options = &guard->options;
	if (options->enabled && !guard_is_exempt(guard, &share->network)) {
		struct guard_network *entry = guard_find(guard, &share->network, now_ms, true);
		unsigned most = max_of(options->threshold + COUNT_MAX, options->ban_after);
		entry->others.count = min_of(share->count, most);
		entry->others.since_ms = now_ms - max_of(share->age_ms, (int64_t)0);
		guard_decay(guard, &entry->others, now_ms);
		guard_ban(guard, &share->network, guard_total(entry), now_ms);
	}
	pthread_mutex_unlock(&guard->lock);
}
