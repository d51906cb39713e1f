/*
 * Changes of a tree: files and directories are removed, renamed and made, and their permission
 * bits and times are set.
 *
 * A change is made and synced on the work pool. The cache drops the path before the callback.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/limits.h>
#include <weir/upload.h>

#include "directory_entry.h"
#include "open_beneath.h"
#include "tree_state.h"

/* A change on its way to the work pool and back. */
struct weir_change_job {
	struct weir_work work;
	struct weir_tree *tree;
	struct weir_change *change; /* NULL once it is cancelled */
	/* Makes the change, on the work pool. The directory of `entry` is synced afterwards. */
	int (*apply)(struct weir_change_job *job, const struct directory_entry *entry);
	/* from weir_tree_remove_if, or NULL */
	weir_tree_check_fn *check;
	void *check_context;
	mode_t mode;
	struct timespec time;
	struct weir_tree_look *look; /* of weir_tree_look_at, which changes nothing; else NULL */
	struct weir_tree_look *ret_look;
	int error;
	char *other; /* a second path, stored after the first; or NULL */
	char path[];
};

/*
 * The mode is set by a descriptor: the umask clears bits of mkdir, and the name may be another
 * directory's by then.
 */
static int tree_change_make_directory(const struct directory_entry *entry, mode_t mode)
{
	if (mkdirat(entry->directory, entry->name, 0700) < 0)
		return -errno;
	int fd = openat(
	        entry->directory, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

static int tree_change_apply_remove(
        struct weir_change_job *job, const struct directory_entry *entry)
{
	struct name_lock lock;
	int error = 0;
	name_lock_acquire(&lock, entry->directory, -1);
	if (job->check)
		error = directory_entry_ask(
		        &job->tree->rules, job->path, job->check, job->check_context);
	if (error == 0 && unlinkat(entry->directory, entry->name, 0) < 0)
		error = -errno;
	name_lock_release(&lock);
	return error;
}

static int tree_change_apply_remove_directory(
        struct weir_change_job *job, const struct directory_entry *entry)
{
	(void)job;
	return unlinkat(entry->directory, entry->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int tree_change_apply_make_directory(
        struct weir_change_job *job, const struct directory_entry *entry)
{
	return tree_change_make_directory(entry, job->mode);
}

static void tree_change_run(struct weir_work *work)
{
	struct weir_change_job *job = WEIR_CONTAINER(work, struct weir_change_job, work);
	struct directory_entry entry;
	job->error = directory_entry_open(&job->tree->rules, job->path, &entry);
	/* The root, or a path such as `a/..`, exists already. */
	if (job->error == -EISDIR && job->apply == tree_change_apply_make_directory)
		job->error = -EEXIST;
	if (job->error < 0)
		return;
	job->error = job->apply(job, &entry);
	if (job->error == 0 && !job->look)
		job->error = directory_entry_sync(&entry);
	directory_entry_close(&entry);
}

static void tree_change_job_free(struct weir_change_job *job)
{
	tree_release(job->tree);
	free(job->look);
	free(job);
}

static void tree_change_finish(struct weir_change_job *job)
{
	struct weir_change *change = job->change;
	if (!job->look)
		weir_tree_invalidate(job->tree, job->path);
	if (job->other)
		weir_tree_invalidate(job->tree, job->other);
	if (change) {
		change->job = NULL;
		if (job->look && job->error == 0)
			*job->ret_look = *job->look;
		change->done(change, job->error);
	}
	tree_change_job_free(job);
}

static void tree_change_done(struct weir_work *work)
{
	tree_change_finish(WEIR_CONTAINER(work, struct weir_change_job, work));
}

/*
 * Makes a job and copies both paths; `other` may be NULL. A path that is too long is cut here. Its
 * length is checked before it is used.
 */
static struct weir_change_job *tree_change_job(struct weir_tree *tree, const char *path,
        const char *other,
        int (*apply)(struct weir_change_job *job, const struct directory_entry *entry))
{
	size_t size = strnlen(path, WEIR_PATH_MAX);
	size_t other_size = other ? strnlen(other, WEIR_PATH_MAX) : 0;
	struct weir_change_job *job = calloc(1, sizeof *job + size + 1 + other_size + 1);
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

/* Starts the job and takes it over. A job of NULL reports -ENOMEM. */
static void tree_change_start(struct weir_tree *tree, struct weir_change *change,
        struct weir_change_job *job, weir_change_done_fn *done)
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
		return; /* The job belongs to the work pool now. */
	job->error = error;
	tree_change_finish(job);
}

/* `a/b/` is the same directory as `a/b`. */
static void tree_change_strip_slashes(char *path)
{
	for (size_t size = strlen(path); size && path[size - 1] == '/'; size--)
		path[size - 1] = 0;
}

void weir_tree_remove(struct weir_tree *tree, struct weir_change *change, const char *path,
        weir_change_done_fn *done)
{
	tree_change_start(
	        tree, change, tree_change_job(tree, path, NULL, tree_change_apply_remove), done);
}

void weir_tree_remove_if(struct weir_tree *tree, struct weir_change *change, const char *path,
        weir_tree_check_fn *check, void *context, weir_change_done_fn *done)
{
	struct weir_change_job *job = tree_change_job(tree, path, NULL, tree_change_apply_remove);
	if (job) {
		job->check = check;
		job->check_context = context;
	}
	tree_change_start(tree, change, job, done);
}

void weir_tree_remove_directory(struct weir_tree *tree, struct weir_change *change,
        const char *path, weir_change_done_fn *done)
{
	struct weir_change_job *job =
	        tree_change_job(tree, path, NULL, tree_change_apply_remove_directory);
	if (job)
		tree_change_strip_slashes(job->path);
	tree_change_start(tree, change, job, done);
}

void weir_tree_make_directory(struct weir_tree *tree, struct weir_change *change, const char *path,
        mode_t mode, weir_change_done_fn *done)
{
	struct weir_change_job *job =
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

/* -- renaming --------------------------------------------------------------------------------- */

static int tree_change_rename_apply_flags(
        struct weir_change_job *job, const struct directory_entry *from, unsigned flags)
{
	struct name_lock lock;
	struct directory_entry to;
	int error = directory_entry_open(&job->tree->rules, job->other, &to);
	if (error < 0)
		return error;
	name_lock_acquire(&lock, from->directory, to.directory);
	if (renameat2(from->directory, from->name, to.directory, to.name, flags) < 0)
		error = -errno;
	name_lock_release(&lock);
	if (error == 0)
		error = directory_entry_sync(&to);
	directory_entry_close(&to);
	return error;
}

static int tree_change_rename_apply(struct weir_change_job *job, const struct directory_entry *from)
{
	return tree_change_rename_apply_flags(job, from, 0);
}

static int tree_change_rename_apply_new(
        struct weir_change_job *job, const struct directory_entry *from)
{
	return tree_change_rename_apply_flags(job, from, RENAME_NOREPLACE);
}

static void tree_change_rename_start(struct weir_tree *tree, struct weir_change *change,
        struct weir_change_job *job, weir_change_done_fn *done)
{
	if (job) {
		tree_change_strip_slashes(job->path);
		tree_change_strip_slashes(job->other);
	}
	tree_change_start(tree, change, job, done);
}

void weir_tree_rename(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, weir_change_done_fn *done)
{
	tree_change_rename_start(
	        tree, change, tree_change_job(tree, from, to, tree_change_rename_apply), done);
}

void weir_tree_rename_new(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, weir_change_done_fn *done)
{
	tree_change_rename_start(
	        tree, change, tree_change_job(tree, from, to, tree_change_rename_apply_new), done);
}

/* -- permission bits and times ---------------------------------------------------------------- */

/* Opens a regular file or a directory. Returns the descriptor or an errno. */
static int tree_change_open_target(const struct weir_change_job *job)
{
	struct stat status;
	const struct open_rules *rules = &job->tree->rules;
	int fd = tree_open_beneath(
	        rules->root, job->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, rules->resolve);
	if (fd < 0)
		return fd == -ENXIO || fd == -ENODEV ? -EACCES : fd;
	int error = fstat(fd, &status) < 0 ? -errno : 0;
	if (error == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		error = -EACCES;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static int tree_change_sync_and_close(int fd, int error)
{
	if (error == 0 && fsync(fd) < 0 && errno != EINVAL)
		error = -errno;
	close(fd);
	return error;
}

static int tree_change_apply_mode(struct weir_change_job *job, const struct directory_entry *entry)
{
	(void)entry;
	int fd = tree_change_open_target(job);
	if (fd < 0)
		return fd;
	return tree_change_sync_and_close(fd, fchmod(fd, job->mode) < 0 ? -errno : 0);
}

static int tree_change_apply_time(struct weir_change_job *job, const struct directory_entry *entry)
{
	(void)entry;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, job->time};
	int fd = tree_change_open_target(job);
	if (fd < 0)
		return fd;
	return tree_change_sync_and_close(fd, futimens(fd, times) < 0 ? -errno : 0);
}

void weir_tree_set_mode(struct weir_tree *tree, struct weir_change *change, const char *path,
        mode_t mode, weir_change_done_fn *done)
{
	struct weir_change_job *job = tree_change_job(tree, path, NULL, tree_change_apply_mode);
	if (job) {
		job->mode = mode & 0777;
		tree_change_strip_slashes(job->path);
	}
	tree_change_start(tree, change, job, done);
}

void weir_tree_set_time(struct weir_tree *tree, struct weir_change *change, const char *path,
        struct timespec time, weir_change_done_fn *done)
{
	struct weir_change_job *job = tree_change_job(tree, path, NULL, tree_change_apply_time);
	if (job) {
		job->time = time;
		tree_change_strip_slashes(job->path);
	}
	tree_change_start(tree, change, job, done);
}

/* -- looking ----------------------------------------------------------------------------------- */

static int tree_change_apply_look(struct weir_change_job *job, const struct directory_entry *entry)
{
	const struct open_rules *rules = &job->tree->rules;
	struct weir_tree_look *look = job->look;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	if (fstatat(entry->directory, entry->name, &look->status, flags) < 0)
		return -errno;
	if (!S_ISLNK(look->status.st_mode) ||
	        !open_beneath_link_text(rules->root, job->path, rules->resolve, entry->directory,
	                entry->name, look->target, sizeof look->target))
		look->target[0] = 0;
	return 0;
}

void weir_tree_look_at(struct weir_tree *tree, struct weir_change *change, const char *path,
        struct weir_tree_look *ret, weir_change_done_fn *done)
{
	struct weir_change_job *job = tree_change_job(tree, path, NULL, tree_change_apply_look);
	if (job) {
		job->ret_look = ret;
		job->look = malloc(sizeof *job->look);
	}
	if (job && !job->look) {
		tree_change_job_free(job);
		job = NULL;
	}
	tree_change_start(tree, change, job, done);
}
