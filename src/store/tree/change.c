/*
 * Changes of a tree that are one call: made on the work pool, synced, and forgotten by the cache
 * before the callback. Here how that goes, and removing files, making and removing directories; see
 * also rename.c and attributes.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/limits.h>
#include <weir/upload.h>

#include "change_job.h"
#include "name_lock.h"

/*
 * The umask would take bits from mkdir; a descriptor of our own is changed, not what has the name
 * by now.
 */
static int tree_change_make_directory(const struct directory_entry *place, mode_t mode)
{
	if (mkdirat(place->directory, place->name, 0700) < 0)
		return -errno;
	int fd = openat(
	        place->directory, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

static int tree_change_apply_remove(struct change_job *job, const struct directory_entry *place)
{
	struct name_lock lock;
	int error = 0;
	name_lock_take(&lock, place->directory, -1);
	if (job->check)
		error = directory_entry_ask(
		        &job->tree->rules, job->path, job->check, job->check_context);
	if (error == 0 && unlinkat(place->directory, place->name, 0) < 0)
		error = -errno;
	name_lock_release(&lock);
	return error;
}

static int tree_change_apply_remove_directory(
        struct change_job *job, const struct directory_entry *place)
{
	(void)job;
	return unlinkat(place->directory, place->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int tree_change_apply_make_directory(
        struct change_job *job, const struct directory_entry *place)
{
	return tree_change_make_directory(place, job->mode);
}

static void tree_change_run(struct weir_work *work)
{
	struct change_job *job = WEIR_CONTAINER(work, struct change_job, work);
	struct directory_entry place;
	job->error = directory_entry_open(&job->tree->rules, job->path, &place);
	/* What has no name of its own is there already: the root, or the like of `a/..`. */
	if (job->error == -EISDIR && job->apply == tree_change_apply_make_directory)
		job->error = -EEXIST;
	if (job->error < 0)
		return;
	job->error = job->apply(job, &place);
	if (job->error == 0 && !job->reads)
		job->error = directory_entry_sync(&place);
	directory_entry_close(&place);
}

static void tree_change_finish(struct change_job *job)
{
	struct weir_change *change = job->change;
	if (!job->reads)
		weir_tree_invalidate(job->tree, job->path);
	if (job->other)
		weir_tree_invalidate(job->tree, job->other);
	if (change) {
		change->job = NULL;
		if (job->ret_status && job->error == 0)
			*job->ret_status = job->status;
		change->done(change, job->error);
	}
	tree_release(job->tree);
	free(job);
}

static void tree_change_done(struct weir_work *work)
{
	tree_change_finish(WEIR_CONTAINER(work, struct change_job, work));
}

/* A path that is too long is cut: it is refused by its length before anything is done with it. */
struct change_job *tree_change_job(struct weir_tree *tree, const char *path, const char *other,
        int (*apply)(struct change_job *job, const struct directory_entry *place))
{
	size_t size = strnlen(path, WEIR_PATH_MAX);
	size_t other_size = other ? strnlen(other, WEIR_PATH_MAX) : 0;
	struct change_job *job = calloc(1, sizeof *job + size + 1 + other_size + 1);
	if (!job)
		return NULL;
	memcpy(job->path, path, size);
	if (other) {
		job->other = job->path + size + 1;
		memcpy(job->other, other, other_size);
	}
	job->apply = apply;
	job->tree = tree_hold(tree);
	return job;
}

void tree_change_start(struct weir_tree *tree, struct weir_change *change, struct change_job *job,
        void (*done)(struct weir_change *change, int error))
{
	change->job = job;
	change->done = done;
	tree_root_follow(tree);
	if (!job) {
		done(change, -ENOMEM);
		return;
	}
	job->change = change;
	int error = weir_work_submit_to(
	        tree->loop, WEIR_LANE_WRITE, &job->work, tree_change_run, tree_change_done);
	if (error == 0)
		return; /* the job is the work pool's */
	job->error = error;
	tree_change_finish(job);
}

/* `a/b/` names the same directory as `a/b`. */
void tree_change_strip_slashes(char *path)
{
	for (size_t size = strlen(path); size && path[size - 1] == '/'; size--)
		path[size - 1] = 0;
}

void weir_tree_remove(struct weir_tree *tree, struct weir_change *change, const char *path,
        void (*done)(struct weir_change *change, int error))
{
	tree_change_start(
	        tree, change, tree_change_job(tree, path, NULL, tree_change_apply_remove), done);
}

void weir_tree_remove_if(struct weir_tree *tree, struct weir_change *change, const char *path,
        int (*check)(void *context, const struct stat *there), void *context,
        void (*done)(struct weir_change *change, int error))
{
	struct change_job *job = tree_change_job(tree, path, NULL, tree_change_apply_remove);
	if (job) {
		job->check = check;
		job->check_context = context;
	}
	tree_change_start(tree, change, job, done);
}

void weir_tree_remove_directory(struct weir_tree *tree, struct weir_change *change,
        const char *path, void (*done)(struct weir_change *change, int error))
{
	struct change_job *job =
	        tree_change_job(tree, path, NULL, tree_change_apply_remove_directory);
	if (job)
		tree_change_strip_slashes(job->path);
	tree_change_start(tree, change, job, done);
}

void weir_tree_make_directory(struct weir_tree *tree, struct weir_change *change, const char *path,
        mode_t mode, void (*done)(struct weir_change *change, int error))
{
	struct change_job *job =
	        tree_change_job(tree, path, NULL, tree_change_apply_make_directory);
	if (job) {
		job->mode = mode ? mode : 0755 & ~tree->rules.umask;
		tree_change_strip_slashes(job->path);
	}
	tree_change_start(tree, change, job, done);
}

void weir_change_cancel(struct weir_change *change)
{
	if (change->job)
		change->job->change = NULL;
	change->job = NULL;
}
