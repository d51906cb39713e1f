/* The tree's own state, for the files of this folder only. */
#ifndef WEIR_TREE_STATE_H
#define WEIR_TREE_STATE_H

#include <weir/loop.h>

#include "file_cache.h"

enum {
	TREE_SWEPT = 16
};

struct weir_tree {
	struct weir_loop *loop;
	struct open_rules rules; /* read by the work pool, too */
	int64_t revalidate_ms;
	unsigned references; /* the owner's, and one for each piece of work under way */
	struct file_cache cache;
	struct weir_timer timer; /* runs while the cache has descriptors */
	char *path;              /* of the root, as it was given */
	int64_t root_seen_ms;    /* when `path` was compared with the root */
	struct root_look *look;  /* the same on the work pool, or NULL */
	/*
	 * Directories in which leftovers of uploads were looked for, and when; the next goes at
	 * `swept_next`.
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
 * root.c: sees, at most once in revalidate_ms, whether another directory has the root's path now,
 * and if so changes over to it. To be called before a path is walked. True: nothing is in the cache
 * any more.
 */
bool tree_root_follow(struct weir_tree *tree);

/* tree.c: closes the descriptors of files that nobody has asked for lately, now and from now on. */
void tree_rest_start(struct weir_tree *tree);

/* Whether it is time to look for leftovers in this directory; that it is done is noted. */
bool tree_sweep_due(struct weir_tree *tree, dev_t device, ino_t inode);

/* lookup.c: takes an entry out of the cache, also while it is being opened. */
void tree_drop(struct weir_tree *tree, struct cache_entry *entry);

#endif
