/*
 * A list of bans without order. Invariant: entries below `count` may have ended, and the next
 * change drops these. Without any ban a look costs one atomic load.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <weir/bans.h>
#include <weir/error.h>

#include "refcount.h"

struct weir_bans {
	struct refcount references;
	pthread_rwlock_t lock; /* covers the entries; `count` changes under it */
	atomic_size_t count;
	struct weir_ban entries[WEIR_BANS_MAX];
};

int weir_bans_create(struct weir_bans **ret)
{
	struct weir_bans *bans = calloc(1, sizeof *bans);
	if (!bans)
		return -ENOMEM;
	refcount_init(&bans->references);
	pthread_rwlock_init(&bans->lock, NULL);
	*ret = bans;
	return 0;
}

struct weir_bans *weir_bans_hold(struct weir_bans *bans)
{
	if (bans)
		refcount_hold(&bans->references);
	return bans;
}

void weir_bans_release(struct weir_bans *bans)
{
	if (!bans || !refcount_release(&bans->references))
		return;
	pthread_rwlock_destroy(&bans->lock);
	free(bans);
}

static bool bans_same(const struct weir_network *a, const struct weir_network *b)
{
	return a->bits == b->bits && memcmp(a->address, b->address, sizeof a->address) == 0;
}

static void bans_remove(struct weir_bans *bans, size_t index)
{
	bans->entries[index] = bans->entries[--bans->count];
}

/* Drops the bans that have ended. Returns the ban of this network, or NULL. */
static struct weir_ban *bans_find(
        struct weir_bans *bans, const struct weir_network *network, int64_t now_ms)
{
	struct weir_ban *found = NULL;
	for (size_t i = bans->count; i-- > 0;)
		if (bans->entries[i].until_ms <= now_ms)
			bans_remove(bans, i);
	for (size_t i = 0; i < bans->count && !found; i++)
		if (bans_same(&bans->entries[i].network, network))
			found = &bans->entries[i];
	return found;
}

int weir_bans_add(struct weir_bans *bans, const struct weir_network *network, int64_t until_ms,
        int64_t now_ms)
{
	int error = 0;
	pthread_rwlock_wrlock(&bans->lock);
	struct weir_ban *ban = bans_find(bans, network, now_ms);
	if (ban) {
		if (ban->until_ms < until_ms)
			ban->until_ms = until_ms;
	} else if (bans->count == WEIR_BANS_MAX) {
		error = WEIR_E_LIMIT;
	} else {
		bans->entries[bans->count] = (struct weir_ban){*network, until_ms};
		bans->count++;
	}
	pthread_rwlock_unlock(&bans->lock);
	return error;
}

bool weir_bans_contain(struct weir_bans *bans, const struct weir_address *address, int64_t now_ms)
{
	bool found = false;
	if (!bans || atomic_load_explicit(&bans->count, memory_order_relaxed) == 0)
		return false;
	pthread_rwlock_rdlock(&bans->lock);
	for (size_t i = 0; i < bans->count && !found; i++)
		found = bans->entries[i].until_ms > now_ms &&
		        weir_networks_contain(&bans->entries[i].network, 1, address);
	pthread_rwlock_unlock(&bans->lock);
	return found;
}

size_t weir_bans_clear(struct weir_bans *bans, const struct weir_network *network, int64_t now_ms)
{
	size_t cleared = 0;
	pthread_rwlock_wrlock(&bans->lock);
	for (size_t i = bans->count; i-- > 0;) {
		if (network && !bans_same(&bans->entries[i].network, network))
			continue;
		cleared += bans->entries[i].until_ms > now_ms;
		bans_remove(bans, i);
	}
	pthread_rwlock_unlock(&bans->lock);
	return cleared;
}

size_t weir_bans_list(struct weir_bans *bans, struct weir_ban *ret, size_t room, int64_t now_ms)
{
	size_t count = 0;
	pthread_rwlock_rdlock(&bans->lock);
	for (size_t i = 0; i < bans->count && count < room; i++)
		if (bans->entries[i].until_ms > now_ms)
			ret[count++] = bans->entries[i];
	pthread_rwlock_unlock(&bans->lock);
	return count;
}
