/* The tree's table of paths: by hash, and in the order of use. */
#ifndef WEIR_FILE_CACHE_H
#define WEIR_FILE_CACHE_H

#include <weir/list.h>
#include <weir/tree.h>

#include "siphash.h"
#include "stored_file.h"

struct lookup_opening;

struct cache_entry {
	struct cache_entry *next; /* in the bucket */
	struct weir_list used;    /* in the order of use; linked to itself while it must stay */
	struct weir_list open;    /* while the file has a descriptor: in the order of walked_ms */
	uint64_t hash;            /* of the path */
	uint64_t turn;            /* in this turn of the loop, no need to look again; 0: always */
	int64_t walked_ms;        /* when the path was walked */
	struct stored_file *file; /* a reference; NULL: there is none, or it is not known yet */
	struct lookup_opening *opening; /* the work pool is at it, or NULL */
	int absent;                     /* without file and opening: the error that says so, or 0 */
	unsigned path_size;
	char path[];
};

struct file_cache {
	struct cache_entry **buckets;
	uint64_t mask;
	struct siphash_key key;
	struct weir_list used; /* of entries, latest last */
	struct weir_list open; /* of entries whose files have descriptors, walked latest last */
	unsigned entries_max;
	size_t content_max;
	struct weir_tree_counters counters;
};

/* 0, -ENOMEM or an errno of getrandom. */
int file_cache_init(struct file_cache *cache, unsigned entries_max, size_t content_max);

/* Drops all entries. Harmless twice. */
void file_cache_free(struct file_cache *cache);

/* The entry of this path, or NULL. *ret_hash is set in any case, for file_cache_add. */
struct cache_entry *file_cache_find(
        const struct file_cache *cache, const char *path, size_t size, uint64_t *ret_hash);

/* Adds an entry for a path that has none. It stays until it is used or dropped. NULL: no memory. */
struct cache_entry *file_cache_add(
        struct file_cache *cache, const char *path, size_t size, uint64_t hash);

/* Puts the file (a reference of its own; may be NULL) in the entry, and marks it as used last. */
void file_cache_set(struct file_cache *cache, struct cache_entry *entry, struct stored_file *file);

/* Used just now: it will be the last to go. */
void file_cache_touch(struct file_cache *cache, struct cache_entry *entry);

/* Must stay, until it is touched or set. */
void file_cache_pin(struct cache_entry *entry);

/* Takes the entry out and frees it; it must not be opening. */
void file_cache_drop(struct file_cache *cache, struct cache_entry *entry);

/* Drops the entries used longest ago, until the bounds are kept. */
void file_cache_trim(struct file_cache *cache);

/* The path was walked just now, and its file (if any) has a descriptor. */
void file_cache_walked(struct file_cache *cache, struct cache_entry *entry, int64_t now_ms);

/*
 * Closes the descriptors of files that nobody else holds and whose paths were walked at `before_ms`
 * or earlier: what was removed gives its room back, and a file system can be unmounted. All else
 * that is known of the file stays.
 */
void file_cache_rest(struct file_cache *cache, int64_t before_ms);

/* Drops up to `count` entries whose descriptor closes thereby. How many. */
unsigned file_cache_shrink(struct file_cache *cache, unsigned count);

#endif
