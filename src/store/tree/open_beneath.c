/*
 * Opens a path that must not lead out of a directory: by openat2 (Linux 5.6), or by a walk of our
 * own if the kernel, a container's profile or valgrind lacks openat2.
 *
 * Invariant of the walk: the descriptors of `walk` are the root and directories below it, each
 * reached from the one before without following a link. A `..` returns to the one before and
 * never asks the kernel for a parent. So a rename during the walk cannot lead out of the root.
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
	RACES_MAX = 8,  /* renames during one lookup after which openat2 is tried again */
	LINKS_MAX = 40, /* symbolic links followed in one path, as the kernel does */
	DEPTH_MAX = 128 /* directories of one path that the walk has open at a time */
};

/* -- the walk ---------------------------------------------------------------------------------- */

struct beneath_walk {
	int directories[DEPTH_MAX]; /* the root first, which is lent */
	unsigned depth;             /* the number of directories */
	unsigned links;             /* followed so far */
	uint64_t resolve;
	const char *rest;    /* of the path, not walked yet: the end of `text` */
	char text[PATH_MAX]; /* what is free is in front, for the texts of links */
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

/*
 * Takes the first name off the rest. Returns false if there is none. Sets *ret_last if nothing
 * follows the name.
 */
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
	walk->rest += begin + size;
	*ret_last = *walk->rest == 0;
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
	size_t room = (size_t)(walk->rest - walk->text);
	if ((size_t)size > room)
		return -ENAMETOOLONG;
	walk->rest = memcpy(walk->text + room - (size_t)size, text, (size_t)size);
	return 0;
}

/* Enters the directory, or follows the link, of a name that is not the last. */
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
 * Opens the last name. Returns the descriptor, 0 for a link that has to be followed, or a
 * negative errno. A descriptor 0, of a process without standard input, is moved.
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
	/* The path ends in `.`, `..` or a slash, so that its directory has been entered. */
	int fd = openat(open_beneath_walk_here(walk), ".", (int)flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_beneath_walk(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct beneath_walk walk = {.directories = {root}, .depth = 1, .resolve = resolve};
	size_t size = strlen(path);
	/* Whether a call would wait for the disk is not known here. */
	if (resolve & RESOLVE_CACHED)
		return -EAGAIN;
	if (!(resolve & RESOLVE_BENEATH)) {
		int fd = openat(root, path, (int)flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (size == 0)
		return -ENOENT;
	if (size >= sizeof walk.text)
		return -ENAMETOOLONG;
	if (path[0] == '/')
		return -EXDEV;
	walk.rest = memcpy(walk.text + sizeof walk.text - size - 1, path, size + 1);
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
	/* The kernel or a sandbox lacks openat2: found out once. */
	static atomic_bool absent;
	if (!atomic_load_explicit(&absent, memory_order_relaxed)) {
		int fd = open_beneath_kernel(root, path, flags, resolve);
		/* Old container profiles answer EPERM to unknown calls. */
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

/* -- links ------------------------------------------------------------------------------------- */

static bool open_beneath_goes_up(const char *text)
{
	for (; *text; text += strspn(text, "/")) {
		size_t size = strcspn(text, "/");
		if (size == 2 && text[0] == '.' && text[1] == '.')
			return true;
		text += size;
	}
	return false;
}

size_t open_beneath_link_text(int root, const char *path, uint64_t resolve, int directory,
        const char *name, char *to, size_t room)
{
	ssize_t size = readlinkat(directory, name, to, room);
	if (size <= 0 || (size_t)size == room || to[0] == '/')
		return 0;
	to[size] = 0;
	/* A link that can be opened has not left the root at any step, and neither has its text. */
	int fd = tree_open_beneath(root, path, O_PATH, resolve);
	if (fd >= 0)
		close(fd);
	else if (fd == -EXDEV || open_beneath_goes_up(to))
		return 0;
	return (size_t)size;
}
