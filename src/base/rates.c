/*
 * A bucket is one time: when it will be full again. Taking a token moves this time on by the
 * interval between two tokens (the generic cell rate algorithm), so that nothing is refilled. A
 * bucket that is full is free.
 *
 * The table is a hash table with sets of a few buckets; the lock of a set is held for one set. Keys
 * are keyed hashes: two clients with the same one would share a bucket.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/network.h>
#include <weir/rates.h>

#include "helper.h"
#include "refcount.h"
#include "siphash.h"

enum {
	WAYS = 8, /* buckets of a set */
	SETS = WEIR_RATES_BUCKETS / WAYS,
	LOCKS = 64,
	US_PER_S = 1000000,
};

_Static_assert((SETS & (SETS - 1)) == 0, "a power of two");

struct rates_bucket {
	uint64_t key;
	int64_t full_us;
};

struct weir_rates {
	struct refcount references;
	struct siphash_key seed;
	pthread_mutex_t locks[LOCKS];
	struct rates_bucket sets[SETS][WAYS];
};

int weir_rates_create(struct weir_rates **ret)
{
	struct weir_rates *rates = calloc(1, sizeof *rates);
	if (!rates)
		return -ENOMEM;
	if (getrandom(&rates->seed, sizeof rates->seed, 0) != sizeof rates->seed) {
		free(rates);
		return -EIO;
	}
	refcount_init(&rates->references);
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_init(&rates->locks[i], NULL);
	*ret = rates;
	return 0;
}

struct weir_rates *weir_rates_hold(struct weir_rates *rates)
{
	if (rates)
		refcount_hold(&rates->references);
	return rates;
}

void weir_rates_release(struct weir_rates *rates)
{
	if (!rates || !refcount_release(&rates->references))
		return;
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&rates->locks[i]);
	free(rates);
}

/* The kind, and the bytes of the address that name the client or its network. */
static uint64_t rates_key(
        const struct weir_rates *rates, enum weir_rate_kind kind, const struct weir_address *peer)
{
	bool of_network = kind >= WEIR_RATE_NETWORK_CONNECTIONS;
	struct weir_network network;
	weir_network_of(peer, of_network ? 24 : 32, of_network ? 56 : 64, &network);
	uint8_t bytes[17] = {[16] = (uint8_t)kind};
	memcpy(bytes, network.address, sizeof network.address);
	return siphash_13(&rates->seed, bytes, sizeof bytes);
}

/* The bucket of this key in a set, or the one to be replaced, which is made full. */
static struct rates_bucket *rates_find(struct rates_bucket set[WAYS], uint64_t key)
{
	struct rates_bucket *fullest = set;
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].full_us < fullest->full_us)
			fullest = &set[i];
	}
	*fullest = (struct rates_bucket){.key = key};
	return fullest;
}

static uint32_t rates_take(
        struct weir_rates *rates, const struct weir_rate *rate, uint64_t key, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000;
	int64_t interval_us = US_PER_S * (int64_t)or_default(rate->period_s, 1u) /
	                      (int64_t)min_of(rate->a_second, (uint32_t)US_PER_S);
	int64_t burst = or_default(rate->burst, rate->a_second);
	size_t at = key & (SETS - 1);
	pthread_mutex_lock(&rates->locks[at % LOCKS]);
	struct rates_bucket *bucket = rates_find(rates->sets[at], key);
	int64_t full_us = bucket->full_us > now_us ? bucket->full_us : now_us;
	/* A bucket with a token will be full when the others have come back. */
	int64_t wait_us = full_us - now_us - (burst - 1) * interval_us;
	if (wait_us <= 0)
		bucket->full_us = full_us + interval_us;
	pthread_mutex_unlock(&rates->locks[at % LOCKS]);
	return wait_us <= 0 ? 0 : (uint32_t)min_of((wait_us + 999) / 1000, (int64_t)UINT32_MAX);
}

static __attribute__((noinline)) uint32_t rates_take_of(struct weir_rates *rates,
        enum weir_rate_kind kind, const struct weir_rate *rate, const struct weir_address *peer,
        int64_t now_ms)
{
	return rates_take(rates, rate, rates_key(rates, kind, peer), now_ms);
}

/* Most servers have no rates: then nothing is prepared on the stack. */
uint32_t weir_rates_take(struct weir_rates *rates, enum weir_rate_kind kind,
        const struct weir_rate *rate, const struct weir_address *peer, int64_t now_ms)
{
	if (!rates || !rate->a_second)
		return 0;
	return rates_take_of(rates, kind, rate, peer, now_ms);
}

uint32_t weir_rates_take_key(struct weir_rates *rates, const struct weir_rate *rate,
        struct weir_span key, int64_t now_ms)
{
	if (!rates || !rate->a_second)
		return 0;
	return rates_take(rates, rate, siphash_13(&rates->seed, key.data, key.size), now_ms);
}
