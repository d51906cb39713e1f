/*
 * A tree from the inside, for the store:
 *
 *   tree.c         its life, its root, invalidation
 *   lookup.c       lookups: the cache, then the disk
 *   file_cache.c   the cache: paths and their open files
 *   stored_file.c  how a file is opened, and whether it has changed
 *   change.c       changes of names, directory_entry.c where they are made
 */
#ifndef WEIR_TREE_STATE_H
#define WEIR_TREE_STATE_H

#include <weir/list.h>
#include <weir/loop.h>
#include <weir/tree.h>

#include "refcount.h"
#include "siphash.h"

/* -- stored_file.c ----------------------------------------------------------------------------- */

/*
 * A weir_file, and what is needed to find out whether it has changed. Immutable but for
 * references and note.
 */
struct stored_file {
	struct weir_file base;
	nlink_t links;
};

/* How files are opened. Constant, since the work pool reads it. */
struct open_rules {
	int root;
	uint64_t resolve; /* RESOLVE_* of openat2 */
	size_t content_file_max;
	bool content; /* read small files into memory */
	mode_t umask; /* of the process when the tree was opened */
};

enum open_manner {
	OPEN_AT_HAND, /* returns -EAGAIN instead of waiting for the disk */
	OPEN_WAITING,
};

/* Not an error: the file is the one that is known already. */
#define STORED_UNCHANGED 1

/*
 * Opens a regular file or directory. Returns 0 with one reference in *ret; STORED_UNCHANGED if it
 * is the same as `known` (which may be NULL); or an error of weir_tree_lookup. If `known` has no
 * descriptor it gets one; it must belong to the caller alone then. Any thread.
 */
int stored_file_open(const struct open_rules *rules, const char *path, struct stored_file *known,
        enum open_manner manner, struct stored_file **ret);

/* Whether the open file has not changed, and still has a name. */
bool stored_file_same(const struct stored_file *file);

/* -- file_cache.c ------------------------------------------------------------------------------ */

struct lookup_opening;

/* A path in the cache. */
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

/* The entries found last, by a hash that anybody can predict: enough of them for most requests. */
enum {
	FILE_CACHE_RECENT = 64 /* a power of 2 */
};

/* A hash table of paths, which also has the order of use. */
struct file_cache {
	struct cache_entry *recent[FILE_CACHE_RECENT]; /* in the table, or NULL */
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
        struct file_cache *cache, const char *path, size_t size, uint64_t *ret_hash);

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

/* -- the tree ---------------------------------------------------------------------------------- */

enum {
	TREE_SWEPT = 16
};

struct weir_tree {
	struct weir_loop *loop;
	struct open_rules rules; /* also read by the work pool */
	int64_t revalidate_ms;
	struct local_refcount references; /* the owner's, and one of each piece of work under way */
	struct file_cache cache;
	struct weir_timer timer;               /* runs while the cache has descriptors */
	char *path;                            /* of the root, as it was given */
	weir_tree_root_walked_fn *root_walked; /* see the options */
	void *context;
	bool root_lost;         /* `path` could not be walked when it was last tried */
	int64_t root_seen_ms;   /* when `path` was compared with the root */
	struct root_look *look; /* the same on the work pool, or NULL */
	/*
	 * The last directories in which leftovers of uploads were looked for. `swept_next` is the
	 * slot to use next.
	 */
	struct swept {
		dev_t device;
		ino_t inode;
		int64_t at_s;
	} swept[TREE_SWEPT];
	unsigned swept_next;
};

struct weir_tree *tree_hold(struct weir_tree *tree);
void tree_release(struct weir_tree *tree);

/*
 * Compares the root with its path, at most once in revalidate_ms, and changes to the new
 * directory. To be called before a path is resolved. Returns true if that has emptied the cache.
 */
bool tree_root_follow(struct weir_tree *tree);

/* Starts the timer that closes descriptors of files that have not been looked up lately. */
void tree_rest_start(struct weir_tree *tree);

/* Whether leftovers have to be looked for in this directory. Notes that this has been done. */
bool tree_sweep_due(struct weir_tree *tree, dev_t device, ino_t inode);

/* In lookup.c: removes an entry from the cache, also while it is being opened. */
void tree_drop(struct weir_tree *tree, struct cache_entry *entry);

#endif
