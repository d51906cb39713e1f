/*
 * Walks along a path, a component at a time. A user with write access to a directory can create a
 * symbolic link there, and have a privileged process open any file of the machine (CVE-2016-1247).
 *
 * Invariant: once the walk has entered a directory in which another user may replace names, it
 * follows no link any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resources.h"

enum {
	LINKS_MAX = 40 /* the limit of the kernel */
};

struct root_path_walk {
	int directory; /* O_PATH */
	bool trusted;  /* no other user could have replaced a name so far */
	unsigned links;
	char rest[PATH_MAX]; /* of the path */
	char name[NAME_MAX + 1];
};

/* Makes `fd` the directory of the walk. */
static int root_path_enter(struct root_path_walk *walk, int fd)
{
	struct stat status;
	if (fd < 0)
		return -errno;
	if (walk->directory >= 0)
		close(walk->directory);
	walk->directory = fd;
	if (fstat(fd, &status) < 0)
		return -errno;
	/* In a sticky directory others may add names, and replace none but their own. */
	bool closed = !(status.st_mode & (S_IWGRP | S_IWOTH)) || (status.st_mode & S_ISVTX);
	walk->trusted &= status.st_uid == geteuid() && closed;
	return 0;
}

/* Moves the first component from `rest` to `name`, which is empty at the end of the path. */
static int root_path_next(struct root_path_walk *walk)
{
	const char *start = walk->rest + strspn(walk->rest, "/");
	size_t size = strcspn(start, "/");
	if (size >= sizeof walk->name)
		return -ENAMETOOLONG;
	memcpy(walk->name, start, size);
	walk->name[size] = 0;
	start += size;
	start += strspn(start, "/");
	memmove(walk->rest, start, strlen(start) + 1);
	return 0;
}

/* Replaces the component `name` by the target of the link of that name. */
static int root_path_follow(struct root_path_walk *walk, const struct stat *link)
{
	char target[PATH_MAX];
	if (!walk->trusted || link->st_uid != geteuid() || ++walk->links > LINKS_MAX)
		return -ELOOP;
	ssize_t size = readlinkat(walk->directory, walk->name, target, sizeof target);
	if (size < 0)
		return -errno;
	size_t rest = strlen(walk->rest);
	if ((size_t)size + 1 + rest >= sizeof target)
		return -ENAMETOOLONG;
	target[size] = '/';
	memcpy(target + size + 1, walk->rest, rest + 1);
	strcpy(walk->rest, target);
	return target[0] == '/' ? root_path_enter(walk, open("/", O_PATH | O_CLOEXEC)) : 0;
}

/* Continues until `name` is the last component and no link. */
static int root_path_walk(struct root_path_walk *walk)
{
	struct stat status;
	int error;
	while ((error = root_path_next(walk)) == 0) {
		bool there =
		        fstatat(walk->directory, walk->name, &status, AT_SYMLINK_NOFOLLOW) == 0;
		if (there && S_ISLNK(status.st_mode))
			error = root_path_follow(walk, &status);
		else if (!walk->rest[0])
			return 0;
		else
			error = root_path_enter(
			        walk, openat(walk->directory, walk->name,
			                      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		if (error < 0)
			break;
	}
	return error;
}

static int root_path_start(struct root_path_walk *walk, const char *path)
{
	*walk = (struct root_path_walk){.directory = -1, .trusted = true};
	if (strlen(path) >= sizeof walk->rest)
		return -ENAMETOOLONG;
	strcpy(walk->rest, path);
	int error = root_path_enter(walk, open(path[0] == '/' ? "/" : ".", O_PATH | O_CLOEXEC));
	if (error == 0)
		error = root_path_walk(walk);
	if (error == 0 && !walk->name[0])
		strcpy(walk->name, ".");
	return error;
}

int root_path_open(const char *path, int flags, mode_t mode)
{
	struct root_path_walk walk;
	int error = root_path_start(&walk, path);
	if (error == 0) {
		flags |= O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
		error = openat(walk.directory, walk.name, flags, mode);
		error = error < 0 ? -errno : error;
	}
	if (walk.directory >= 0)
		close(walk.directory);
	return error;
}

/* Only a new directory of this process is given away. */
static int root_path_give(int fd, uid_t uid, gid_t gid)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_uid != geteuid() || (status.st_mode & 07777) != 0700)
		return -EPERM;
	return fchown(fd, uid, gid) < 0 ? -errno : 0;
}

int root_path_make_directory(const char *path, uid_t uid, gid_t gid)
{
	struct root_path_walk walk;
	int error = root_path_start(&walk, path);
	if (error == 0 && mkdirat(walk.directory, walk.name, 0700) < 0)
		error = -errno;
	if (error == 0) {
		int fd = openat(
		        walk.directory, walk.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		error = fd < 0 ? -errno : root_path_give(fd, uid, gid);
		if (fd >= 0)
			close(fd);
	}
	if (walk.directory >= 0)
		close(walk.directory);
	return error == -EEXIST ? 0 : error;
}
