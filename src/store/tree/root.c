/*
 * The root as the path names it now: it may have been renamed away and made anew. The new directory
 * takes the old one's place under the same descriptor, so that whatever is on the work pool meanwhile
 * has the one or the other.
 *
 * The path is opened without waiting where the kernel can do that; else on the work pool. What is not
 * noticed: a root whose path the process may not walk any more.
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

/* Takes the descriptor, or an errno: a path that leads nowhere leaves everything as it is. */
static bool tree_root_adopt(struct weir_tree *tree, int fd)
{
	struct stat old, found;
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

/* Without memory or room in the queue the next lookup tries again. */
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
