/*
 * The guard: a table of buckets, each of a few places, by a keyed hash of the address.
 *
 * Invariants: an address is in its own bucket or nowhere; a place whose count has decayed to
 * nothing is free. The lock guards all of it and is held for a bucket's length.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/limits.h>
#include <weir/sasl_guard.h>

#include "siphash.h"

enum {
	PLACES = 8, /* of a bucket */
	BUCKETS = WEIR_GUARD_ADDRESSES_MAX / PLACES,
	COUNT_MAX = 16, /* beyond, no delay grows; how much there is to forget is bounded */
};

_Static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a power of two");

struct place {
	uint64_t network[2]; /* IPv4 mapped, or the first 64 bits of IPv6 */
	int64_t since_ms;    /* the count is of then */
	unsigned count;
};

struct weir_guard {
	struct weir_guard_options options;
	struct weir_siphash_key key;
	pthread_mutex_t lock; /* guards the places */
	struct place places[BUCKETS][PLACES];
};

int weir_guard_create(const struct weir_guard_options *options, struct weir_guard **ret)
{
	struct weir_guard *guard = calloc(1, sizeof *guard);
	if (!guard)
		return -ENOMEM;
	if (options)
		guard->options = *options;
	if (!guard->options.first_ms)
		guard->options.first_ms = WEIR_GUARD_FIRST_MS;
	if (!guard->options.most_ms)
		guard->options.most_ms = WEIR_GUARD_MOST_MS;
	if (!guard->options.decay_ms)
		guard->options.decay_ms = WEIR_GUARD_DECAY_MS;
	if (getrandom(&guard->key, sizeof guard->key, 0) != sizeof guard->key) {
		free(guard);
		return -EIO;
	}
	pthread_mutex_init(&guard->lock, NULL);
	*ret = guard;
	return 0;
}

void weir_guard_destroy(struct weir_guard *guard)
{
	if (!guard)
		return;
	pthread_mutex_destroy(&guard->lock);
	free(guard);
}

/* IPv4, mapped or not, is one address; of IPv6 the host's own half does not count. */
static void network_of(const struct weir_address *address, uint64_t ret[2])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	ret[0] = ret[1] = 0;
	if (address->any.sa_family == AF_INET) {
		ret[1] = UINT64_C(0xffff) << 32 | ntohl(address->v4.sin_addr.s_addr);
		return;
	}
	const unsigned char *bytes = address->v6.sin6_addr.s6_addr;
	if (memcmp(bytes, mapped, sizeof mapped) == 0) {
		uint32_t v4;
		memcpy(&v4, bytes + sizeof mapped, sizeof v4);
		ret[1] = UINT64_C(0xffff) << 32 | ntohl(v4);
		return;
	}
	memcpy(&ret[0], bytes, sizeof ret[0]);
}

static void decay(const struct weir_guard *guard, struct place *place, int64_t now_ms)
{
	int64_t gone = (now_ms - place->since_ms) / guard->options.decay_ms;
	if (gone <= 0)
		return;
	place->count = gone >= place->count ? 0 : place->count - (unsigned)gone;
	place->since_ms += gone * guard->options.decay_ms;
}

/* The address's place; if it has none, one that is free or matters least, taken if `take`. */
static struct place *find(
        struct weir_guard *guard, const struct weir_address *address, int64_t now_ms, bool take)
{
	uint64_t network[2];
	network_of(address, network);
	uint64_t hash = weir_siphash_13(&guard->key, network, sizeof network);
	struct place *places = guard->places[hash & (BUCKETS - 1)], *least = places;
	for (int i = 0; i < PLACES; i++) {
		decay(guard, &places[i], now_ms);
		if (places[i].count && memcmp(places[i].network, network, sizeof network) == 0)
			return &places[i];
		if (places[i].count < least->count ||
		        (places[i].count == least->count && places[i].since_ms < least->since_ms))
			least = &places[i];
	}
	if (!take)
		return NULL;
	*least = (struct place){.network = {network[0], network[1]}, .since_ms = now_ms};
	return least;
}

static uint32_t delay_of(const struct weir_guard *guard, const struct place *place)
{
	uint64_t delay_ms = guard->options.first_ms;
	if (!place || !place->count)
		return 0;
	delay_ms <<= place->count - 1;
	return delay_ms < guard->options.most_ms ? (uint32_t)delay_ms : guard->options.most_ms;
}

uint32_t weir_guard_delay(
        struct weir_guard *guard, const struct weir_address *address, int64_t now_ms)
{
	pthread_mutex_lock(&guard->lock);
	uint32_t delay_ms = delay_of(guard, find(guard, address, now_ms, false));
	pthread_mutex_unlock(&guard->lock);
	return delay_ms;
}

uint32_t weir_guard_failed(
        struct weir_guard *guard, const struct weir_address *address, int64_t now_ms)
{
	pthread_mutex_lock(&guard->lock);
	struct place *place = find(guard, address, now_ms, true);
	place->count += place->count < COUNT_MAX;
	place->since_ms = now_ms;
	uint32_t delay_ms = delay_of(guard, place);
	pthread_mutex_unlock(&guard->lock);
	return delay_ms;
}
