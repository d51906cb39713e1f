/*
 * The life of a tree, its root, and invalidation of its cache. Opening touches no loop, so that a
 * tree can be opened on one thread and used on another. Leaves out lookups (lookup.c), uploads
 * (upload.c) and changes (change.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/limits.h>

#include "open_beneath.h"
#include "tree_state.h"

/* Returns the umask of the process. umask(2) would change it for a moment. 022 without /proc. */
static mode_t tree_umask_now(void)
{
	unsigned mask = 022;
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");
	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "Umask: %o", &mask) == 1)
			break;
	if (status)
		fclose(status);
	return mask & 0777;
}

void weir_tree_options_init(struct weir_tree_options *options)
{
	*options = (struct weir_tree_options){
	        .entries_max = WEIR_TREE_ENTRIES_MAX,
	        .content_max = WEIR_TREE_CONTENT_MAX,
	        .content_file_max = WEIR_TREE_CONTENT_FILE_MAX,
	        .revalidate_ms = WEIR_TREE_REVALIDATE_MS,
	        .content = true,
	        .symlinks = true,
	};
}

static void tree_apply(struct weir_tree *tree, const struct weir_tree_options *options)
{
	tree->revalidate_ms = options->revalidate_ms;
	tree->rules.content_file_max = options->content_file_max;
	tree->rules.content = options->content;
	tree->root_walked = options->root_walked;
	tree->context = options->context;
	tree->rules.umask = tree_umask_now();
	tree->rules.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	if (!options->symlinks)
		tree->rules.resolve |= RESOLVE_NO_SYMLINKS;
}

static int tree_open_root(struct weir_tree *tree, const char *root)
{
	tree->rules.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return tree->rules.root < 0 ? -errno : 0;
}

int weir_tree_open(struct weir_loop *loop, const char *root,
        const struct weir_tree_options *options, struct weir_tree **ret)
{
	struct weir_tree_options defaults;
	struct weir_tree *tree = calloc(1, sizeof *tree);
	if (!tree)
		return -ENOMEM;
	weir_tree_options_init(&defaults);
	options = options ? options : &defaults;
	tree_apply(tree, options);
	tree->loop = loop;
	local_refcount_init(&tree->references);
	int error = tree_open_root(tree, root);
	if (error < 0)
		goto error_root;
	tree->path = strdup(root);
	error = -ENOMEM;
	if (tree->path)
		error = file_cache_init(&tree->cache, options->entries_max, options->content_max);
	if (error < 0)
		goto error_cache;
	*ret = tree;
	return 0;

error_cache:
	free(tree->path);
	close(tree->rules.root);
error_root:
	free(tree);
	return error;
}

void weir_tree_attach(struct weir_tree *tree, struct weir_loop *loop)
{
	tree->loop = loop;
}

struct weir_tree *tree_hold(struct weir_tree *tree)
{
	local_refcount_hold(&tree->references);
	return tree;
}

void tree_release(struct weir_tree *tree)
{
	if (!local_refcount_release(&tree->references))
		return;
	weir_timer_stop(&tree->timer);
	file_cache_free(&tree->cache);
	close(tree->rules.root);
	free(tree->path);
	free(tree);
}

/* Work under way may hold the tree for a while. Its files are closed now. */
void weir_tree_close(struct weir_tree *tree)
{
	if (!tree)
		return;
	tree->root_walked = NULL;
	weir_timer_stop(&tree->timer);
	file_cache_shrink(&tree->cache, UINT_MAX);
	tree_release(tree);
}

/*
 * Runs every half WEIR_TREE_REST_MS, so that a descriptor is closed within one and a half of
 * them.
 */
static void tree_rest(struct weir_timer *timer)
{
	struct weir_tree *tree = WEIR_CONTAINER(timer, struct weir_tree, timer);
	file_cache_rest(&tree->cache, weir_loop_now_ms(tree->loop) - WEIR_TREE_REST_MS);
	tree_rest_start(tree);
}

void tree_rest_start(struct weir_tree *tree)
{
	if (!weir_timer_running(&tree->timer) && !weir_list_empty(&tree->cache.open))
		weir_timer_start(tree->loop, &tree->timer, WEIR_TREE_REST_MS / 2, tree_rest);
}

const struct weir_tree_counters *weir_tree_counters(const struct weir_tree *tree)
{
	return &tree->cache.counters;
}

/* A path with and one without a `/` at the end are two keys of one file. */
static void tree_forget_both(struct weir_tree *tree, const char *path, size_t size)
{
	char key[WEIR_PATH_MAX + 1];
	uint64_t hash;
	memcpy(key, path, size);
	key[size] = '/';
	for (size_t i = size; i <= size + 1; i++) {
		struct cache_entry *entry = file_cache_find(&tree->cache, key, i, &hash);
		if (entry)
			tree_drop(tree, entry);
	}
}

void weir_tree_invalidate(struct weir_tree *tree, const char *path)
{
	size_t size = strnlen(path, WEIR_PATH_MAX);
	if (size == WEIR_PATH_MAX)
		return;
	while (size && path[size - 1] == '/')
		size--;
	tree_forget_both(tree, path, size);
	while (size && path[size - 1] != '/')
		size--;
	if (size)
		tree_forget_both(tree, path, size - 1);
	else
		tree_forget_both(tree, ".", 1);
}

unsigned weir_tree_shrink(struct weir_tree *tree, unsigned count)
{
	return file_cache_shrink(&tree->cache, count);
}

bool tree_sweep_due(struct weir_tree *tree, dev_t device, ino_t inode)
{
	int64_t now_s = weir_loop_wall_s(tree->loop);
	for (unsigned i = 0; i < TREE_SWEPT; i++) {
		const struct swept *swept = &tree->swept[i];
		if (swept->inode == inode && swept->device == device &&
		        now_s - swept->at_s < WEIR_UPLOAD_STALE_S)
			return false;
	}
	tree->swept[tree->swept_next] = (struct swept){device, inode, now_s};
	tree->swept_next = (tree->swept_next + 1) % TREE_SWEPT;
	return true;
}

/* -- the root ---------------------------------------------------------------------------------- */

/*
 * The root's path may lead to another directory after a rename. The new directory gets the
 * descriptor of the old one, so that work on the pool sees one of the two. While the path cannot be
 * walked, the directory that was opened last is served, and the user of the tree is notified.
 *
 * Opens the path on the work pool, where the kernel cannot open it without waiting.
 */
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
static bool tree_root_blames_path(int error)
{
	return error != -EMFILE && error != -ENFILE && error != -ENOMEM && error != -EINTR &&
	       error != -EAGAIN;
}

static void tree_root_notify(struct weir_tree *tree, int error)
{
	bool lost = error < 0;
	if (lost == tree->root_lost || (lost && !tree_root_blames_path(error)))
		return;
	tree->root_lost = lost;
	if (tree->root_walked)
		tree->root_walked(tree->context, error);
}

/* Takes over the descriptor. After an error the old root stays. */
static bool tree_root_adopt(struct weir_tree *tree, int fd)
{
	struct stat old, found;
	tree_root_notify(tree, fd < 0 ? fd : 0);
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
