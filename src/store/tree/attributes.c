/*
 * Permission bits and time of a file or directory. It is opened by the rules of a lookup, and what
 * is open is changed: a symbolic link is followed as long as it stays beneath the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "open_beneath.h"
#include "change_job.h"

/* The descriptor, of a regular file or directory, or an errno. */
static int file_attributes_open_target(const struct change_job *job)
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

static int file_attributes_sync_and_close(int fd, int error)
{
	if (error == 0 && fsync(fd) < 0 && errno != EINVAL)
		error = -errno;
	close(fd);
	return error;
}

static int file_attributes_apply_mode(struct change_job *job, const struct directory_entry *place)
{
	(void)place;
	int fd = file_attributes_open_target(job);
	if (fd < 0)
		return fd;
	return file_attributes_sync_and_close(fd, fchmod(fd, job->mode) < 0 ? -errno : 0);
}

static int file_attributes_apply_time(struct change_job *job, const struct directory_entry *place)
{
	(void)place;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, job->time};
	int fd = file_attributes_open_target(job);
	if (fd < 0)
		return fd;
	return file_attributes_sync_and_close(fd, futimens(fd, times) < 0 ? -errno : 0);
}

void weir_tree_set_mode(struct weir_tree *tree, struct weir_change *change, const char *path,
        mode_t mode, void (*done)(struct weir_change *change, int error))
{
	struct change_job *job = tree_change_job(tree, path, NULL, file_attributes_apply_mode);
	if (job) {
		job->mode = mode & 0777;
		tree_change_strip_slashes(job->path);
	}
	tree_change_start(tree, change, job, done);
}

void weir_tree_set_time(struct weir_tree *tree, struct weir_change *change, const char *path,
        struct timespec time, void (*done)(struct weir_change *change, int error))
{
	struct change_job *job = tree_change_job(tree, path, NULL, file_attributes_apply_time);
	if (job) {
		job->time = time;
		tree_change_strip_slashes(job->path);
	}
	tree_change_start(tree, change, job, done);
}

/* -- looking ----------------------------------------------------------------------------------- */

static int file_attributes_apply_look(struct change_job *job, const struct directory_entry *place)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	return fstatat(place->directory, place->name, &job->status, flags) < 0 ? -errno : 0;
}

void weir_tree_look_at(struct weir_tree *tree, struct weir_change *change, const char *path,
        struct stat *ret, void (*done)(struct weir_change *change, int error))
{
	struct change_job *job = tree_change_job(tree, path, NULL, file_attributes_apply_look);
	if (job) {
		job->reads = true;
		job->ret_status = ret;
	}
	tree_change_start(tree, change, job, done);
}
