/*
 * The cache of a tree: a hash table with chains. Its key is random, so that clients cannot choose
 * paths that share a bucket. It does not grow: there are as many buckets as entries allowed.
 *
 * Invariant: counters.entries and counters.content count all entries in the table. Leaves out
 * when an entry may be used: see lookup.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tree_state.h"

int file_cache_init(struct file_cache *cache, unsigned entries_max, size_t content_max)
{
	uint64_t count = 16;
	while (count < entries_max)
		count *= 2;
	weir_list_init(&cache->used);
	weir_list_init(&cache->open);
	cache->mask = count - 1;
	cache->entries_max = entries_max;
	cache->content_max = content_max;
	if (getrandom(&cache->key, sizeof cache->key, 0) != sizeof cache->key)
		return -EIO;
	cache->buckets = calloc(count, sizeof(struct cache_entry *));
	return cache->buckets ? 0 : -ENOMEM;
}

void file_cache_free(struct file_cache *cache)
{
	for (uint64_t i = 0; cache->buckets && i <= cache->mask; i++)
		while (cache->buckets[i])
			file_cache_drop(cache, cache->buckets[i]);
	free(cache->buckets);
	cache->buckets = NULL;
}

/* Where the path belongs among those found last: as cheap as can be, by a few of its bytes. */
static unsigned file_cache_recent_slot(const char *path, size_t size)
{
	uint64_t middle = 0, end = size;
	if (size >= sizeof end) {
		memcpy(&end, path + size - sizeof end, sizeof end);
		memcpy(&middle, path + (size - sizeof end) / 2, sizeof middle);
	} else {
		for (size_t i = 0; i < size; i++)
			end = end << 8 | (unsigned char)path[i];
	}
	uint64_t mixed = (end ^ (middle + size) * UINT64_C(0xff51afd7ed558ccd)) *
	                 UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(mixed >> 32) % FILE_CACHE_RECENT;
}

static bool file_cache_is_path(const struct cache_entry *entry, const char *path, size_t size)
{
	return entry->path_size == size && memcmp(entry->path, path, size) == 0;
}

struct cache_entry *file_cache_find(
        struct file_cache *cache, const char *path, size_t size, uint64_t *ret_hash)
{
	struct cache_entry **recent = &cache->recent[file_cache_recent_slot(path, size)];
	if (*recent && file_cache_is_path(*recent, path, size)) {
		*ret_hash = (*recent)->hash;
		return *recent;
	}
	uint64_t hash = siphash_13(&cache->key, path, size);
	struct cache_entry *entry = cache->buckets[hash & cache->mask];
	*ret_hash = hash;
	while (entry && !(entry->hash == hash && file_cache_is_path(entry, path, size)))
		entry = entry->next;
	if (entry)
		*recent = entry;
	return entry;
}

struct cache_entry *file_cache_add(
        struct file_cache *cache, const char *path, size_t size, uint64_t hash)
{
	struct cache_entry *entry = calloc(1, sizeof *entry + size + 1);
	if (!entry)
		return NULL;
	struct cache_entry **bucket = &cache->buckets[hash & cache->mask];
	weir_list_init(&entry->used);
	weir_list_init(&entry->open);
	entry->hash = hash;
	entry->path_size = (unsigned)size;
	memcpy(entry->path, path, size);
	entry->next = *bucket;
	*bucket = entry;
	cache->counters.entries++;
	return entry;
}

void file_cache_touch(struct file_cache *cache, struct cache_entry *entry)
{
	weir_list_remove(&entry->used);
	weir_list_append(&cache->used, &entry->used);
}

void file_cache_pin(struct cache_entry *entry)
{
	weir_list_remove(&entry->used);
}

static void file_cache_clear(struct file_cache *cache, struct cache_entry *entry)
{
	if (!entry->file)
		return;
	cache->counters.content -= entry->file->base.content.size;
	weir_file_release(&entry->file->base);
	entry->file = NULL;
}

void file_cache_set(struct file_cache *cache, struct cache_entry *entry, struct stored_file *file)
{
	if (file != entry->file) {
		file_cache_clear(cache, entry);
		entry->file = file;
		if (file) {
			weir_file_hold(&file->base);
			cache->counters.content += file->base.content.size;
		}
	}
	file_cache_touch(cache, entry);
}

void file_cache_drop(struct file_cache *cache, struct cache_entry *entry)
{
	struct cache_entry **link = &cache->buckets[entry->hash & cache->mask];
	struct cache_entry **recent =
	        &cache->recent[file_cache_recent_slot(entry->path, entry->path_size)];
	if (*recent == entry)
		*recent = NULL;
	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	weir_list_remove(&entry->used);
	weir_list_remove(&entry->open);
	file_cache_clear(cache, entry);
	cache->counters.entries--;
	free(entry);
}

static struct cache_entry *file_cache_oldest(const struct file_cache *cache)
{
	return WEIR_CONTAINER(cache->used.next, struct cache_entry, used);
}

void file_cache_trim(struct file_cache *cache)
{
	while (!weir_list_empty(&cache->used) &&
	        (cache->counters.entries > cache->entries_max ||
	                cache->counters.content > cache->content_max)) {
		file_cache_drop(cache, file_cache_oldest(cache));
		cache->counters.evicted++;
	}
}

void file_cache_walked(struct file_cache *cache, struct cache_entry *entry, int64_t now_ms)
{
	entry->walked_ms = now_ms;
	weir_list_remove(&entry->open);
	if (entry->file)
		weir_list_append(&cache->open, &entry->open);
}

/* Files that are held move to the end of the list, to be checked again later. */
void file_cache_rest(struct file_cache *cache, int64_t before_ms)
{
	const struct weir_list *last = cache->open.prev;
	for (const struct weir_list *link = NULL; link != last && !weir_list_empty(&cache->open);) {
		struct cache_entry *entry =
		        WEIR_CONTAINER(cache->open.next, struct cache_entry, open);
		if (entry->walked_ms > before_ms)
			return;
		link = &entry->open;
		weir_list_remove(&entry->open);
		if (entry->file->base.references > 1) {
			weir_list_append(&cache->open, &entry->open);
			continue;
		}
		close(entry->file->base.fd);
		entry->file->base.fd = -1;
		entry->turn = 0;
	}
}

unsigned file_cache_shrink(struct file_cache *cache, unsigned count)
{
	unsigned closed = 0;
	WEIR_LIST_EACH_SAFE (struct cache_entry, entry, next, &cache->used, used) {
		if (closed == count)
			break;
		if (!entry->file || entry->file->base.references != 1 || entry->file->base.fd < 0)
			continue;
		file_cache_drop(cache, entry);
		closed++;
	}
	cache->counters.evicted += closed;
	return closed;
}
