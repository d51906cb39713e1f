/*
 * Opens files for the tree, and reads small ones into memory.
 *
 * Invariant: the content of a file is what it held at one moment: it is read between two calls of
 * fstat that agree. A change within one tick of the kernel's clock is not seen so; therefore
 * files have `settled`. Leaves out when a file is opened: see lookup.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/limits.h>
#include <weir/list.h>

#include "open_beneath.h"
#include "tree_state.h"

enum {
	NS_PER_MS = 1000000,
	NS_PER_S = 1000000000
};

/* O_NONBLOCK keeps a fifo from waiting for a writer. */
static int stored_file_open_path(
        const struct open_rules *rules, const char *path, enum open_manner manner)
{
	uint64_t resolve = rules->resolve | (manner == OPEN_AT_HAND ? RESOLVE_CACHED : 0);
	int fd = tree_open_beneath(rules->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, resolve);
	/* Linux before 5.12 does not know RESOLVE_CACHED. */
	if (fd == -EINVAL && manner == OPEN_AT_HAND)
		return -EAGAIN;
	/* It is a socket, or a device without hardware. */
	if (fd == -ENXIO || fd == -ENODEV)
		return -EACCES;
	return fd;
}

static bool stored_file_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool stored_file_equal(const struct stored_file *file, const struct stat *status)
{
	return file->base.inode == status->st_ino && file->base.device == status->st_dev &&
	       file->base.size == (uint64_t)status->st_size && file->links == status->st_nlink &&
	       stored_file_same_time(&file->base.mtime, &status->st_mtim) &&
	       stored_file_same_time(&file->base.ctime, &status->st_ctim);
}

bool stored_file_same(const struct stored_file *file)
{
	struct stat status;
	return fstat(file->base.fd, &status) == 0 && stored_file_equal(file, &status);
}

/* `now` was read before the file was. A time in the future counts as now. */
static bool stored_file_has_settled(const struct timespec *ctime, const struct timespec *now)
{
	int64_t age_ns = ((int64_t)now->tv_sec - ctime->tv_sec) * NS_PER_S;
	age_ns += now->tv_nsec - ctime->tv_nsec;
	return age_ns > (int64_t)WEIR_TREE_SETTLE_MS * NS_PER_MS;
}

static void stored_file_describe(
        struct stored_file *file, const struct stat *status, const struct timespec *now)
{
	file->base.kind = S_ISDIR(status->st_mode) ? WEIR_FILE_DIRECTORY : WEIR_FILE_REGULAR;
	file->base.size = (uint64_t)status->st_size;
	file->base.mtime = status->st_mtim;
	file->base.inode = status->st_ino;
	file->base.device = status->st_dev;
	file->base.ctime = status->st_ctim;
	file->links = status->st_nlink;
	file->base.settled = stored_file_has_settled(&status->st_ctim, now);
}

/* Returns 0 if all `size` bytes were read, 1 if there are fewer, or an errno. */
static int stored_file_read_all(int fd, char *data, size_t size, enum open_manner manner)
{
	size_t have = 0;
	while (have < size) {
		struct iovec to = {data + have, size - have};
		ssize_t got =
		        preadv2(fd, &to, 1, (off_t)have, manner == OPEN_AT_HAND ? RWF_NOWAIT : 0);
		if (got < 0 && errno == EINTR)
			continue;
		/* Part of the content is not used. Some file systems do not know what is cached. */
		if (manner == OPEN_AT_HAND && got != (ssize_t)size)
			return -EAGAIN;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 1;
		have += (size_t)got;
	}
	return 0;
}

/*
 * Reads the content and checks the file again. Returns 0, 1 if the file has changed meanwhile, or
 * an errno.
 */
static int stored_file_read_content(struct stored_file *file, enum open_manner manner)
{
	size_t size = (size_t)file->base.size;
	char *content = malloc(size ? size : 1);
	if (!content)
		return -ENOMEM;
	int result = stored_file_read_all(file->base.fd, content, size, manner);
	if (result == 0 && !stored_file_same(file))
		result = 1;
	if (result == 0)
		file->base.content = weir_span(content, size);
	else
		free(content);
	return result;
}

/* A file that changes all the time has no content in memory. */
static int stored_file_fill(
        struct stored_file *file, const struct open_rules *rules, enum open_manner manner)
{
	for (int i = 0; i < 2; i++) {
		if (!rules->content || file->base.kind != WEIR_FILE_REGULAR ||
		        file->base.size > rules->content_file_max)
			return 0;
		int result = stored_file_read_content(file, manner);
		if (result <= 0)
			return result;
		if (manner == OPEN_AT_HAND)
			return -EAGAIN;
		struct timespec now;
		struct stat status;
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
		if (fstat(file->base.fd, &status) < 0)
			return -errno;
		stored_file_describe(file, &status, &now);
	}
	return 0;
}

static int stored_file_make(int fd, const struct open_rules *rules, const struct stored_file *known,
        enum open_manner manner, struct stored_file **ret)
{
	struct timespec now;
	struct stat status;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return -EACCES;
	if (known && stored_file_equal(known, &status))
		return STORED_UNCHANGED;
	struct stored_file *file = calloc(1, sizeof *file);
	if (!file)
		return -ENOMEM;
	file->base.fd = fd;
	file->base.references = 1;
	stored_file_describe(file, &status, &now);
	int error = stored_file_fill(file, rules, manner);
	if (error < 0) {
		free(file);
		return error;
	}
	*ret = file;
	return 0;
}

int stored_file_open(const struct open_rules *rules, const char *path, struct stored_file *known,
        enum open_manner manner, struct stored_file **ret)
{
	int fd = stored_file_open_path(rules, path, manner);
	if (fd < 0)
		return fd;
	int result = stored_file_make(fd, rules, known, manner, ret);
	if (result == STORED_UNCHANGED && known->base.fd < 0)
		known->base.fd = fd;
	else if (result != 0)
		close(fd);
	return result;
}

struct weir_file *weir_file_hold(struct weir_file *file)
{
	file->references++;
	return file;
}

void weir_file_release(struct weir_file *file)
{
	if (!file || --file->references)
		return;
	if (file->free_note)
		file->free_note(file->note);
	if (file->fd >= 0)
		close(file->fd);
	free((void *)(uintptr_t)file->content.data);
	free(WEIR_CONTAINER(file, struct stored_file, base));
}
