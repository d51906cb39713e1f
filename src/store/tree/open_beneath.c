/*
 * Opens a path that may not lead out of a directory: by openat2 (Linux 5.6), or, where the kernel, a
 * container's profile or valgrind has no openat2, by a walk of our own.
 *
 * Invariant of the walk: the descriptors of `walk` are the root and directories below it, each
 * reached from the one before without following a link. A `..` goes back to the one before, and
 * never asks the kernel for a parent, so that a rename during the walk cannot lead out of the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/limits.h>

#include "open_beneath.h"

enum {
	RACES_MAX = 8,  /* renames during one lookup that openat2 is tried again after */
	LINKS_MAX = 40, /* symbolic links followed in one path, as the kernel does */
	DEPTH_MAX = 128 /* directories of one path that the walk has open at a time */
};

/* -- the walk ---------------------------------------------------------------------------------- */

struct beneath_walk {
	int directories[DEPTH_MAX]; /* the root first, which is lent */
	unsigned depth;             /* how many there are */
	unsigned links;             /* followed so far */
	uint64_t resolve;
	char rest[PATH_MAX]; /* of the path, not walked yet */
};

static int open_beneath_walk_here(const struct beneath_walk *walk)
{
	return walk->directories[walk->depth - 1];
}

static void open_beneath_walk_leave(struct beneath_walk *walk)
{
	close(walk->directories[--walk->depth]);
}

static int open_beneath_walk_enter(struct beneath_walk *walk, int directory)
{
	if (walk->depth == DEPTH_MAX) {
		close(directory);
		return -ENAMETOOLONG;
	}
	walk->directories[walk->depth++] = directory;
	return 0;
}

/* Takes the first name off the rest. False if there is none. `*ret_last`: nothing follows the name. */
static bool open_beneath_walk_next(
        struct beneath_walk *walk, char name[NAME_MAX + 2], bool *ret_last)
{
	size_t begin = strspn(walk->rest, "/");
	size_t size = strcspn(walk->rest + begin, "/");
	if (size == 0)
		return false;
	/* A longer name keeps a length that the kernel refuses. */
	size_t kept = size > NAME_MAX ? NAME_MAX + 1 : size;
	memcpy(name, walk->rest + begin, kept);
	name[kept] = 0;
	const char *rest = walk->rest + begin + size;
	*ret_last = *rest == 0;
	memmove(walk->rest, rest, strlen(rest) + 1);
	return true;
}

/* Puts the link's text before the rest of the path. */
static int open_beneath_walk_follow(struct beneath_walk *walk, int link)
{
	char text[PATH_MAX];
	if (walk->resolve & RESOLVE_NO_SYMLINKS || ++walk->links > LINKS_MAX)
		return -ELOOP;
	ssize_t size = readlinkat(link, "", text, sizeof text);
	if (size < 0)
		return -errno;
	if (size == 0)
		return -ENOENT;
	if (text[0] == '/')
		return -EXDEV;
	size_t rest = strlen(walk->rest);
	if ((size_t)size + rest >= sizeof walk->rest)
		return -ENAMETOOLONG;
	memmove(walk->rest + size, walk->rest, rest + 1);
	memcpy(walk->rest, text, (size_t)size);
	return 0;
}

/* A name that is not the last: a directory to enter, or a link to follow. */
static int open_beneath_walk_step(struct beneath_walk *walk, const char *name)
{
	struct stat status;
	int fd = openat(open_beneath_walk_here(walk), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fstat(fd, &status) < 0 ? -errno : 0;
	if (error == 0 && S_ISDIR(status.st_mode))
		return open_beneath_walk_enter(walk, fd);
	if (error == 0)
		error = S_ISLNK(status.st_mode) ? open_beneath_walk_follow(walk, fd) : -ENOTDIR;
	close(fd);
	return error;
}

/*
 * The last name. Returns the descriptor, 0 if the name was a link that is to be followed, or a
 * negative errno. (Descriptor 0 is in use as long as the process has a standard input; a 0 that
 * openat gives is moved.)
 */
static int open_beneath_walk_open(struct beneath_walk *walk, const char *name, uint64_t flags)
{
	bool open_link = flags & O_PATH && flags & O_NOFOLLOW;
	int fd = openat(open_beneath_walk_here(walk), name, (int)flags | O_NOFOLLOW | O_CLOEXEC);
	int error = fd < 0 ? -errno : -ELOOP;
	if (fd == 0) {
		fd = fcntl(0, F_DUPFD_CLOEXEC, 1);
		close(0);
		if (fd < 0)
			return -EMFILE;
	}
	if (fd < 0 && error != -ELOOP && error != -ENOTDIR)
		return error;
	struct stat status;
	if (fd >= 0 && (open_link || !(flags & O_PATH) || fstat(fd, &status) < 0 ||
	                       !S_ISLNK(status.st_mode)))
		return fd;
	if (fd >= 0)
		close(fd);
	int link = openat(open_beneath_walk_here(walk), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (link < 0)
		return -errno;
	bool is_link = fstat(link, &status) == 0 && S_ISLNK(status.st_mode);
	if (!is_link || flags & O_NOFOLLOW)
		error = is_link ? -ELOOP : error;
	else
		error = open_beneath_walk_follow(walk, link);
	close(link);
	return error;
}

static int open_beneath_walk_path(struct beneath_walk *walk, uint64_t flags)
{
	char name[NAME_MAX + 2];
	bool last;
	while (open_beneath_walk_next(walk, name, &last)) {
		int result = 0;
		if (strcmp(name, "..") == 0) {
			if (walk->depth == 1)
				return -EXDEV;
			open_beneath_walk_leave(walk);
		} else if (strcmp(name, ".") != 0) {
			result = last ? open_beneath_walk_open(walk, name, flags)
			              : open_beneath_walk_step(walk, name);
		}
		if (result != 0)
			return result;
	}
	/* The path ends in a directory that was entered: by `.`, `..` or a slash. */
	int fd = openat(open_beneath_walk_here(walk), ".", (int)flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_beneath_walk(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct beneath_walk walk = {.directories = {root}, .depth = 1, .resolve = resolve};
	size_t size = strlen(path);
	/* Nothing tells whether the disk would have to be waited for. */
	if (resolve & RESOLVE_CACHED)
		return -EAGAIN;
	if (!(resolve & RESOLVE_BENEATH)) {
		int fd = openat(root, path, (int)flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (size == 0)
		return -ENOENT;
	if (size >= sizeof walk.rest)
		return -ENAMETOOLONG;
	if (path[0] == '/')
		return -EXDEV;
	memcpy(walk.rest, path, size + 1);
	int fd = open_beneath_walk_path(&walk, flags);
	while (walk.depth > 1)
		open_beneath_walk_leave(&walk);
	return fd;
}

/* -- openat2 ----------------------------------------------------------------------------------- */

/* EAGAIN without RESOLVE_CACHED is a rename that crossed a `..`, or a lease being broken. */
static int open_beneath_kernel(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	for (int races = 0;;) {
		long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0)
			return (int)fd;
		bool again = errno == EAGAIN && !(resolve & RESOLVE_CACHED) && races++ < RACES_MAX;
		if (errno != EINTR && !again)
			return -errno;
	}
}

static int open_beneath_resolve(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	/* Of the kernel, or of the sandbox around the process: once for all. */
	static atomic_bool absent;
	if (!atomic_load_explicit(&absent, memory_order_relaxed)) {
		int fd = open_beneath_kernel(root, path, flags, resolve);
		/* Old profiles of containers answer EPERM to calls that they do not know. */
		if (fd != -ENOSYS && fd != -EPERM)
			return fd;
		atomic_store_explicit(&absent, true, memory_order_relaxed);
	}
	return open_beneath_walk(root, path, flags, resolve);
}

int tree_open_beneath(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	const char *inner = path[0] == '/' ? NULL : strstr(path, "//");
	char outer[WEIR_PATH_MAX];
	if (!inner)
		return open_beneath_resolve(root, path, flags, resolve);
	size_t size = (size_t)(inner - path);
	if (size >= sizeof outer)
		return -ENAMETOOLONG;
	memcpy(outer, path, size);
	outer[size] = 0;
	int directory = open_beneath_resolve(root, outer, O_PATH | O_DIRECTORY, resolve);
	if (directory < 0)
		return directory;
	inner += strspn(inner, "/");
	int fd = open_beneath_resolve(directory, *inner ? inner : ".", flags, resolve);
	close(directory);
	return fd;
}
