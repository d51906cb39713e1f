/* The cache of a tree: a hash table of paths, which also has the order of use. */
#ifndef WEIR_FILE_CACHE_H
#define WEIR_FILE_CACHE_H

#include <weir/list.h>
#include <weir/tree.h>

#include "siphash.h"
#include "stored_file.h"

struct lookup_opening;

struct cache_entry {
	struct cache_entry *next; /* in the bucket */
	struct weir_list used;    /* in the order of use; linked to itself while pinned */
	struct weir_list open;    /* while the file has a descriptor, in the order of walked_ms */
	uint64_t hash;            /* of the path */
	uint64_t turn;     /* the turn of the loop in which no further check is needed; 0: none */
	int64_t walked_ms; /* when the path was resolved last */
	struct stored_file *file;       /* a reference; NULL: no file, or not known yet */
	struct lookup_opening *opening; /* under way on the work pool, or NULL */
	int absent; /* without file and opening: the error of the lookup, or 0 */
	unsigned path_size;
	char path[];
};

struct file_cache {
	struct cache_entry **buckets;
	uint64_t mask;
	struct siphash_key key;
	struct weir_list used; /* of entries, used last at the end */
	struct weir_list
	        open; /* of entries whose files have descriptors, resolved last at the end */
	unsigned entries_max;
	size_t content_max;
	struct weir_tree_counters counters;
};

/* Returns 0, -ENOMEM or an errno of getrandom. */
int file_cache_init(struct file_cache *cache, unsigned entries_max, size_t content_max);

/* Drops all entries. May be called twice. */
void file_cache_free(struct file_cache *cache);

/* Returns the entry of this path, or NULL. Sets *ret_hash in any case, for file_cache_add. */
struct cache_entry *file_cache_find(
        const struct file_cache *cache, const char *path, size_t size, uint64_t *ret_hash);

/* Adds an entry for a path that has none. It is pinned. Returns NULL without memory. */
struct cache_entry *file_cache_add(
        struct file_cache *cache, const char *path, size_t size, uint64_t hash);

/* Puts the file (held, may be NULL) into the entry, and marks that as used last. */
void file_cache_set(struct file_cache *cache, struct cache_entry *entry, struct stored_file *file);

/* Marks an entry as used last. */
void file_cache_touch(struct file_cache *cache, struct cache_entry *entry);

/* Pins an entry: it is not evicted until it is touched or set. */
void file_cache_pin(struct cache_entry *entry);

/* Removes and frees an entry, which must not be opening. */
void file_cache_drop(struct file_cache *cache, struct cache_entry *entry);

/* Evicts the entries used longest ago until the bounds are met. */
void file_cache_trim(struct file_cache *cache);

/* Notes that the path was resolved now, and that its file, if any, has a descriptor. */
void file_cache_walked(struct file_cache *cache, struct cache_entry *entry, int64_t now_ms);

/*
 * Closes the descriptors of files that are not held and whose paths were resolved at `before_ms`
 * or earlier. So removed files free their disk space, and file systems can be unmounted. The rest
 * of the entry stays.
 */
void file_cache_rest(struct file_cache *cache, int64_t before_ms);

/* Drops up to `count` entries of files that are not held and open. Returns how many. */
unsigned file_cache_shrink(struct file_cache *cache, unsigned count);

#endif
