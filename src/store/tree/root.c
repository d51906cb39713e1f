/*
 * Follows the root's path, which may lead to another directory after a rename. The new directory
 * gets the descriptor of the old one, so that work on the pool sees one of the two.
 *
 * The path is opened without waiting where the kernel can do that; else on the work pool. While the
 * path cannot be walked, the directory that was opened last is served, and the user of the tree is
 * notified.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "open_beneath.h"
#include "tree_state.h"

struct root_look {
	struct weir_work work;
	struct weir_tree *tree; /* held */
	int fd;
};

static int tree_root_open(const struct weir_tree *tree, uint64_t resolve)
{
	return tree_open_beneath(AT_FDCWD, tree->path, O_PATH | O_DIRECTORY, resolve);
}

static void tree_root_forget_all(struct weir_tree *tree)
{
	for (uint64_t i = 0; i <= tree->cache.mask; i++)
		while (tree->cache.buckets[i])
			tree_drop(tree, tree->cache.buckets[i]);
}

/* Descriptors or memory may be short for a moment, while the path is good. */
static bool root_blames_path(int error)
{
	return error != -EMFILE && error != -ENFILE && error != -ENOMEM && error != -EINTR &&
	       error != -EAGAIN;
}

static void root_notify(struct weir_tree *tree, int error)
{
	bool lost = error < 0;
	if (lost == tree->root_lost || (lost && !root_blames_path(error)))
		return;
	tree->root_lost = lost;
	if (tree->root_walked)
		tree->root_walked(tree->context, error);
}

/* Takes over the descriptor. After an error the old root stays. */
static bool tree_root_adopt(struct weir_tree *tree, int fd)
{
	struct stat old, found;
	root_notify(tree, fd < 0 ? fd : 0);
	if (fd < 0)
		return false;
	bool differs = fstat(tree->rules.root, &old) == 0 && fstat(fd, &found) == 0 &&
	               (old.st_ino != found.st_ino || old.st_dev != found.st_dev);
	differs = differs && dup3(fd, tree->rules.root, O_CLOEXEC) >= 0;
	if (differs)
		tree_root_forget_all(tree);
	close(fd);
	return differs;
}

static void tree_root_look_run(struct weir_work *work)
{
	struct root_look *look = WEIR_CONTAINER(work, struct root_look, work);
	look->fd = tree_root_open(look->tree, 0);
}

static void tree_root_look_done(struct weir_work *work)
{
	struct root_look *look = WEIR_CONTAINER(work, struct root_look, work);
	look->tree->look = NULL;
	tree_root_adopt(look->tree, look->fd);
	tree_release(look->tree);
	free(look);
}

/* If there is no memory or too much work waits, the next lookup tries again. */
static void tree_root_look_start(struct weir_tree *tree)
{
	struct root_look *look = calloc(1, sizeof *look);
	if (!look)
		return;
	look->tree = tree_hold(tree);
	if (weir_work_submit(tree->loop, &look->work, tree_root_look_run, tree_root_look_done) ==
	        0) {
		tree->look = look;
		return;
	}
	tree_release(tree);
	free(look);
}

bool tree_root_follow(struct weir_tree *tree)
{
	int64_t now_ms = weir_loop_now_ms(tree->loop);
	if (tree->look || now_ms - tree->root_seen_ms < tree->revalidate_ms)
		return false;
	tree->root_seen_ms = now_ms;
	int fd = tree_root_open(tree, RESOLVE_CACHED);
	/* Linux before 5.12 does not know RESOLVE_CACHED. */
	if (fd != -EAGAIN && fd != -EINVAL)
		return tree_root_adopt(tree, fd);
	tree_root_look_start(tree);
	return false;
}
