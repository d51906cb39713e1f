/*
 * A hash table: open addressing, linear probing, doubled when it is three quarters full. Removing
 * an entry moves the rest of its run up, so that there are no tombstones. The hash is keyed with
 * random bits, since clients choose their addresses.
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
	unsigned count; /* 0: the entry is free */
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
	struct peer *entries;
};

/* -- entries ----------------------------------------------------------------------------------- */

static struct peer peers_key_of(const struct weir_address *address)
{
	struct weir_network network;
	struct peer peer = {0};
	weir_network_of(address, 32, 64, &network);
	memcpy(peer.key, network.address, sizeof peer.key);
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

/* The peer's entry, or the free one where it would go. */
static struct peer *peers_find(const struct weir_peers *peers, const struct peer *peer)
{
	size_t at = peers_home_of(peers, peer);
	while (peers->entries[at].count && (peers->entries[at].key[0] != peer->key[0] ||
	                                           peers->entries[at].key[1] != peer->key[1]))
		at = (at + 1) & (peers->capacity - 1);
	return &peers->entries[at];
}

static int peers_grow(struct weir_peers *peers)
{
	struct peer *old = peers->entries;
	size_t old_capacity = peers->capacity;
	size_t capacity = old_capacity ? old_capacity * 2 : CAPACITY_MIN;
	struct peer *entries = calloc(capacity, sizeof *entries);
	if (!entries)
		return -ENOMEM;
	peers->entries = entries;
	peers->capacity = capacity;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].count)
			*peers_find(peers, &old[i]) = old[i];
	free(old);
	return 0;
}

static void peers_remove_entry(struct weir_peers *peers, struct peer *entry)
{
	size_t mask = peers->capacity - 1, hole = (size_t)(entry - peers->entries);
	for (size_t at = (hole + 1) & mask; peers->entries[at].count; at = (at + 1) & mask) {
		size_t home = peers_home_of(peers, &peers->entries[at]);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* it would be before its home */
		peers->entries[hole] = peers->entries[at];
		hole = at;
	}
	peers->entries[hole].count = 0;
	peers->used--;
}

static int peers_enter(struct weir_peers *peers, const struct peer *peer)
{
	if (peers->used * 4 >= peers->capacity * 3) {
		int error = peers_grow(peers);
		if (error < 0)
			return error;
	}
	struct peer *entry = peers_find(peers, peer);
	if (entry->count >= peers->each || (!entry->count && peers->used >= peers->most))
		return WEIR_E_LIMIT;
	if (!entry->count) {
		*entry = *peer;
		peers->used++;
	}
	entry->count++;
	return 0;
}

/* -- the public functions ---------------------------------------------------------------------- */

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
	free(peers->entries);
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
	struct peer *entry = peers->capacity ? peers_find(peers, &peer) : NULL;
	if (entry && entry->count && --entry->count == 0) {
		entry->count = 1; /* the entry is in use until it is removed */
		peers_remove_entry(peers, entry);
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
