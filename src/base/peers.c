/*
 * The table: open addressing, linear probing, doubled when it is three quarters full. A place is
 * freed by moving the rest of its run up, so that there are no gravestones. The hash is keyed with
 * random bits: clients choose their addresses.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/network.h>
#include <weir/peers.h>

#include "helper.h"
#include "refcount.h"

struct peer {
	uint64_t key[2];
	unsigned count; /* 0: the place is free */
};

enum {
	CAPACITY_MIN = 16
};

struct weir_peers {
	struct refcount references;
	pthread_mutex_t lock;
	uint64_t seed[2];
	unsigned each;
	size_t most;
	size_t used;
	size_t capacity; /* a power of 2 */
	struct peer *places;
};

/* -- places ------------------------------------------------------------------------------------ */

static struct peer peers_key_of(const struct weir_address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct peer peer = {0};
	uint8_t bytes[16];
	weir_address_bytes(address, bytes);
	if (memcmp(bytes, mapped, sizeof mapped) != 0)
		memset(bytes + 8, 0, 8);
	memcpy(peer.key, bytes, sizeof bytes);
	return peer;
}

static uint64_t peers_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t peers_home_of(const struct weir_peers *peers, const struct peer *peer)
{
	uint64_t half =
	        peers_mix(peer->key[0] ^ peers->seed[0], 0x9e3779b97f4a7c15U ^ peers->seed[1]);
	return peers_mix(peer->key[1] ^ half, 0xd1b54a32d192ed03U ^ peers->seed[0]) &
	       (peers->capacity - 1);
}

/* The peer's place, or the free one where it would go. */
static struct peer *peers_find(const struct weir_peers *peers, const struct peer *peer)
{
	size_t at = peers_home_of(peers, peer);
	while (peers->places[at].count && (peers->places[at].key[0] != peer->key[0] ||
	                                          peers->places[at].key[1] != peer->key[1]))
		at = (at + 1) & (peers->capacity - 1);
	return &peers->places[at];
}

static int peers_grow(struct weir_peers *peers)
{
	struct peer *old = peers->places;
	size_t old_capacity = peers->capacity;
	size_t capacity = old_capacity ? old_capacity * 2 : CAPACITY_MIN;
	struct peer *places = calloc(capacity, sizeof *places);
	if (!places)
		return -ENOMEM;
	peers->places = places;
	peers->capacity = capacity;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].count)
			*peers_find(peers, &old[i]) = old[i];
	free(old);
	return 0;
}

static void peers_remove_place(struct weir_peers *peers, struct peer *place)
{
	size_t mask = peers->capacity - 1, hole = (size_t)(place - peers->places);
	for (size_t at = (hole + 1) & mask; peers->places[at].count; at = (at + 1) & mask) {
		size_t home = peers_home_of(peers, &peers->places[at]);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* it would stand before its home */
		peers->places[hole] = peers->places[at];
		hole = at;
	}
	peers->places[hole].count = 0;
	peers->used--;
}

static int peers_enter(struct weir_peers *peers, const struct peer *peer)
{
	if (peers->used * 4 >= peers->capacity * 3) {
		int error = peers_grow(peers);
		if (error < 0)
			return error;
	}
	struct peer *place = peers_find(peers, peer);
	if (place->count >= peers->each || (!place->count && peers->used >= peers->most))
		return WEIR_E_LIMIT;
	if (!place->count) {
		*place = *peer;
		peers->used++;
	}
	place->count++;
	return 0;
}

/* -- what users call --------------------------------------------------------------------------- */

int weir_peers_create(unsigned each, size_t most, struct weir_peers **ret)
{
	struct weir_peers *peers = calloc(1, sizeof *peers);
	if (!peers)
		return -ENOMEM;
	if (getrandom(peers->seed, sizeof peers->seed, 0) != sizeof peers->seed) {
		free(peers);
		return -EIO;
	}
	refcount_init(&peers->references);
	pthread_mutex_init(&peers->lock, NULL);
	peers->each = or_default(each, WEIR_PEER_CONNECTIONS_MAX);
	peers->most = or_default(most, (size_t)WEIR_PEERS_MAX);
	*ret = peers;
	return 0;
}

void weir_peers_set(struct weir_peers *peers, unsigned each)
{
	pthread_mutex_lock(&peers->lock);
	peers->each = or_default(each, WEIR_PEER_CONNECTIONS_MAX);
	pthread_mutex_unlock(&peers->lock);
}

struct weir_peers *weir_peers_hold(struct weir_peers *peers)
{
	refcount_hold(&peers->references);
	return peers;
}

void weir_peers_release(struct weir_peers *peers)
{
	if (!peers || !refcount_release(&peers->references))
		return;
	pthread_mutex_destroy(&peers->lock);
	free(peers->places);
	free(peers);
}

int weir_peers_enter(struct weir_peers *peers, const struct weir_address *address)
{
	struct peer peer = peers_key_of(address);
	pthread_mutex_lock(&peers->lock);
	int error = peers_enter(peers, &peer);
	pthread_mutex_unlock(&peers->lock);
	return error;
}

void weir_peers_leave(struct weir_peers *peers, const struct weir_address *address)
{
	struct peer peer = peers_key_of(address);
	pthread_mutex_lock(&peers->lock);
	struct peer *place = peers->capacity ? peers_find(peers, &peer) : NULL;
	if (place && place->count && --place->count == 0) {
		place->count = 1; /* still a place of its own, until it is removed */
		peers_remove_place(peers, place);
	}
	pthread_mutex_unlock(&peers->lock);
}

size_t weir_peers_count(struct weir_peers *peers)
{
	pthread_mutex_lock(&peers->lock);
	size_t count = peers->used;
	pthread_mutex_unlock(&peers->lock);
	return count;
}
