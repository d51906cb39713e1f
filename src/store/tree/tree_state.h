/* The state of a tree, private to the store. */
#ifndef WEIR_TREE_STATE_H
#define WEIR_TREE_STATE_H

#include <weir/loop.h>

#include "file_cache.h"

enum {
	TREE_SWEPT = 16
};

struct weir_tree {
	struct weir_loop *loop;
	struct open_rules rules; /* also read by the work pool */
	int64_t revalidate_ms;
	unsigned references; /* one of the owner, and one of each piece of work under way */
	struct file_cache cache;
	struct weir_timer timer;                       /* runs while the cache has descriptors */
	char *path;                                    /* of the root, as it was given */
	void (*root_walked)(void *context, int error); /* see the options */
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
 * root.c: compares the root with its path, at most once in revalidate_ms, and changes to the new
 * directory. To be called before a path is resolved. Returns true if that has emptied the cache.
 */
bool tree_root_follow(struct weir_tree *tree);

/*
 * tree.c: starts the timer that closes descriptors of files which have not been looked up lately.
 */
void tree_rest_start(struct weir_tree *tree);

/* Whether leftovers have to be looked for in this directory. Notes that this has been done. */
bool tree_sweep_due(struct weir_tree *tree, dev_t device, ino_t inode);

/* lookup.c: removes an entry from the cache, also while it is being opened. */
void tree_drop(struct weir_tree *tree, struct cache_entry *entry);

#endif
