/*
 * Lookups in a file tree. A lookup asks the cache, then opens the file without waiting if that is
 * possible, then uses the work pool.
 *
 * Invariants: an entry that is opening is pinned, and its opening points back to it until the
 * path is invalidated. Lookups of a path that is opening wait for the same work. A callback may
 * close the tree, so nothing of the tree is touched after one without a reference.
 *
 * Leaves out how a file is opened (stored_file.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/limits.h>

#include "tree_state.h"

/* Descriptors to close at once when none is left. */
enum {
	SHRINK = 16
};

/* A path being opened on the work pool. */
struct lookup_opening {
	struct weir_work work;
	struct weir_tree *tree;
	struct cache_entry *entry; /* NULL after invalidation */
	struct weir_list waiting;  /* lookups */
	struct stored_file *known; /* a reference, or NULL */
	struct stored_file *file;  /* the file, if the result is 0 */
	int result;
	bool probe;
	bool retried;
	char path[];
};

void tree_drop(struct weir_tree *tree, struct cache_entry *entry)
{
	if (entry->opening)
		entry->opening->entry = NULL;
	file_cache_drop(&tree->cache, entry);
}

/* -- answers ----------------------------------------------------------------------------------- */

/* The file stays valid during the callback, whatever that does to the tree. */
static void tree_lookup_answer(struct weir_lookup *lookup, int error, struct stored_file *file)
{
	if (!file) {
		lookup->done(lookup, error, NULL);
		return;
	}
	struct weir_file *held = weir_file_hold(&file->base);
	lookup->done(lookup, 0, held);
	weir_file_release(held);
}

static bool tree_lookup_says_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR;
}

/*
 * Puts the result into the cache. A file that has not settled may be used in the turn `turn`
 * only, because `settled` is checked in later ones.
 */
static void tree_lookup_remember(struct weir_tree *tree, struct cache_entry *entry, int error,
        struct stored_file *file, uint64_t turn, bool probe)
{
	if (!file && !(probe && tree_lookup_says_absent(error))) {
		tree_drop(tree, entry);
		return;
	}
	entry->absent = error;
	entry->turn = turn;
	file_cache_set(&tree->cache, entry, file);
	file_cache_walked(&tree->cache, entry, weir_loop_now_ms(tree->loop));
	tree_rest_start(tree);
	file_cache_trim(&tree->cache);
}

/* -- on the work pool -------------------------------------------------------------------------- */

static void tree_lookup_opening_run(struct weir_work *work)
{
	struct lookup_opening *opening = WEIR_CONTAINER(work, struct lookup_opening, work);
	opening->result = stored_file_open(
	        &opening->tree->rules, opening->path, opening->known, OPEN_WAITING, &opening->file);
}

/* Removes each lookup before its callback, which may cancel any of the others. */
static void tree_lookup_answer_waiting(
        struct lookup_opening *opening, int error, struct stored_file *file)
{
	while (!weir_list_empty(&opening->waiting)) {
		struct weir_lookup *lookup =
		        WEIR_CONTAINER(opening->waiting.next, struct weir_lookup, link);
		weir_list_remove(&lookup->link);
		tree_lookup_answer(lookup, error, file);
	}
}

static void tree_lookup_opening_done(struct weir_work *work);

static bool tree_lookup_retry(struct lookup_opening *opening)
{
	if (opening->retried || (opening->result != -EMFILE && opening->result != -ENFILE))
		return false;
	if (!weir_tree_shrink(opening->tree, SHRINK))
		return false;
	opening->retried = true;
	return weir_work_submit(opening->tree->loop, &opening->work, tree_lookup_opening_run,
	               tree_lookup_opening_done) == 0;
}

static void tree_lookup_opening_free(struct lookup_opening *opening)
{
	if (opening->known)
		weir_file_release(&opening->known->base);
	if (opening->result == 0 && opening->file)
		weir_file_release(&opening->file->base);
	tree_release(opening->tree);
	free(opening);
}

static void tree_lookup_opening_done(struct weir_work *work)
{
	struct lookup_opening *opening = WEIR_CONTAINER(work, struct lookup_opening, work);
	struct cache_entry *entry = opening->entry;
	if (tree_lookup_retry(opening))
		return;
	int error = opening->result < 0 ? opening->result : 0;
	struct stored_file *file =
	        opening->result == STORED_UNCHANGED ? opening->known : opening->file;
	opening->tree->cache.counters.waits++;
	if (entry) {
		/*
		 * The file was checked before this turn. Only a file that has not settled is used
		 * without another check.
		 */
		bool settled = !file || file->base.settled;
		uint64_t turn = settled ? 0 : weir_loop_turns(opening->tree->loop);
		entry->opening = NULL;
		opening->entry = NULL;
		tree_lookup_remember(opening->tree, entry, error, file, turn, opening->probe);
	}
	tree_lookup_answer_waiting(opening, error, file);
	tree_lookup_opening_free(opening);
}

/* Returns 0, or an error if nothing was started. */
static int tree_lookup_start_opening(struct weir_tree *tree, struct cache_entry *entry,
        struct weir_lookup *lookup, struct stored_file *known, bool probe)
{
	struct lookup_opening *opening = calloc(1, sizeof *opening + entry->path_size + 1);
	if (!opening)
		return -ENOMEM;
	memcpy(opening->path, entry->path, entry->path_size);
	opening->tree = tree_hold(tree);
	opening->probe = probe;
	weir_list_init(&opening->waiting);
	if (known)
		opening->known = (struct stored_file *)(void *)weir_file_hold(&known->base);
	int error = weir_work_submit(
	        tree->loop, &opening->work, tree_lookup_opening_run, tree_lookup_opening_done);
	if (error < 0) {
		tree_lookup_opening_free(opening);
		return error;
	}
	weir_list_append(&opening->waiting, &lookup->link);
	opening->entry = entry;
	entry->opening = opening;
	file_cache_pin(entry);
	return 0;
}

/* -- lookups ----------------------------------------------------------------------------------- */

/* Whether the entry can be used in this turn without resolving the path. */
static bool tree_lookup_good(struct weir_tree *tree, struct cache_entry *entry, bool probe)
{
	if (weir_loop_now_ms(tree->loop) - entry->walked_ms >= tree->revalidate_ms)
		return false;
	if (!entry->file)
		return probe && entry->absent;
	if (!entry->file->base.settled || entry->file->base.fd < 0)
		return false;
	if (stored_file_same(entry->file))
		return true;
	tree->cache.counters.changes++;
	return false;
}

static int tree_lookup_open_at_hand(struct weir_tree *tree, struct cache_entry *entry,
        struct stored_file *known, struct stored_file **ret)
{
	int result = stored_file_open(&tree->rules, entry->path, known, OPEN_AT_HAND, ret);
	if (result != -EMFILE && result != -ENFILE)
		return result;
	file_cache_pin(entry);
	if (!weir_tree_shrink(tree, SHRINK))
		return result;
	return stored_file_open(&tree->rules, entry->path, known, OPEN_AT_HAND, ret);
}

/* Resolves the path, at once if that needs no waiting. */
static void tree_lookup_walk(
        struct weir_tree *tree, struct cache_entry *entry, struct weir_lookup *lookup, bool probe)
{
	struct stored_file *known = entry->file && entry->file->base.settled ? entry->file : NULL;
	struct stored_file *file = NULL;
	int result = tree_lookup_open_at_hand(tree, entry, known, &file);
	if (result == -EAGAIN) {
		result = tree_lookup_start_opening(tree, entry, lookup, known, probe);
		if (result == 0)
			return;
	}
	tree->cache.counters.misses++;
	if (result == STORED_UNCHANGED) {
		file = known;
		weir_file_hold(&file->base);
	}
	int error = result < 0 ? result : 0;
	tree_lookup_remember(tree, entry, error, file, weir_loop_turns(tree->loop), probe);
	tree_lookup_answer(lookup, error, file);
	if (file)
		weir_file_release(&file->base);
}

static void tree_lookup_look_closer(
        struct weir_tree *tree, struct cache_entry *entry, struct weir_lookup *lookup, bool probe)
{
	if (entry->opening) {
		entry->opening->probe |= probe;
		weir_list_append(&entry->opening->waiting, &lookup->link);
	} else if (tree_lookup_good(tree, entry, probe)) {
		entry->turn = weir_loop_turns(tree->loop);
		tree->cache.counters.hits++;
		file_cache_touch(&tree->cache, entry);
		tree_lookup_answer(lookup, entry->absent, entry->file);
	} else {
		tree_lookup_walk(tree, entry, lookup, probe);
	}
}

static void tree_lookup_look_up(
        struct weir_tree *tree, struct weir_lookup *lookup, const char *path, bool probe)
{
	uint64_t hash;
	size_t size = strnlen(path, WEIR_PATH_MAX);
	weir_list_init(&lookup->link);
	if (size == WEIR_PATH_MAX) {
		tree_lookup_answer(lookup, -ENAMETOOLONG, NULL);
		return;
	}
	if (size == 0) {
		path = ".";
		size = 1;
	}
	struct cache_entry *entry = file_cache_find(&tree->cache, path, size, &hash);
	if (entry && entry->file && entry->turn == weir_loop_turns(tree->loop)) {
		tree->cache.counters.hits++;
		tree_lookup_answer(lookup, 0, entry->file);
		return;
	}
	if (tree_root_follow(tree))
		entry = NULL;
	if (!entry)
		entry = file_cache_add(&tree->cache, path, size, hash);
	if (entry)
		tree_lookup_look_closer(tree, entry, lookup, probe);
	else
		tree_lookup_answer(lookup, -ENOMEM, NULL);
}

void weir_tree_lookup(struct weir_tree *tree, struct weir_lookup *lookup, const char *path,
        weir_lookup_done_fn *done)
{
	lookup->done = done;
	tree_lookup_look_up(tree, lookup, path, false);
}

void weir_tree_probe(struct weir_tree *tree, struct weir_lookup *lookup, const char *path,
        weir_lookup_done_fn *done)
{
	lookup->done = done;
	tree_lookup_look_up(tree, lookup, path, true);
}

void weir_lookup_cancel(struct weir_lookup *lookup)
{
	if (lookup->link.next)
		weir_list_remove(&lookup->link);
}
