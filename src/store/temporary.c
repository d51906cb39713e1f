/*
 * The file an upload is written to: without a name where the file system can do that, with a
 * hidden one else.
 *
 * Invariant: at every moment the final name stands for nothing, for what it stood for before, or
 * for the whole new file. Leaves out when these things are done: see upload.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/limits.h>

#include "nameless.h"
#include "temporary.h"

enum {
	NAMES_TRIED = 8,
	KICK = 8 * 1024 * 1024, /* a final fsync should not find all of a large file to do */
	SWEEP_MAX = 100000,     /* entries looked at */
	HEX_DIGITS = 16
};

static const char prefix[] = ".weir-";

/* -- opening ----------------------------------------------------------------------------------- */

static int make_name(char *name, size_t size)
{
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -EIO;
	snprintf(name, size, "%s%016llx", prefix, (unsigned long long)number);
	return 0;
}

static int open_hidden(struct temporary *temporary)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		char name[sizeof temporary->hidden];
		int error = make_name(name, sizeof name);
		if (error < 0)
			return error;
		int fd = openat(temporary->place.directory, name,
		        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0) {
			memcpy(temporary->hidden, name, sizeof name);
			return fd;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Told before the bytes come rather than after. */
static int check_target(const struct place *place, bool must_not_exist)
{
	struct stat status;
	if (fstatat(place->directory, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	return must_not_exist ? -EEXIST : 0;
}

static int reserve(int fd, uint64_t size)
{
	if (size > INT64_MAX)
		return -EFBIG;
	while (size && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) < 0) {
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int open_file(struct temporary *temporary, const struct weir_upload_options *options)
{
	int error = check_target(&temporary->place, options->must_not_exist);
	if (error < 0)
		return error;
	int fd = weir_nameless_open(temporary->place.directory);
	/* EISDIR and ENOENT: what a kernel or file system says that does not know O_TMPFILE. */
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT)
		fd = open_hidden(temporary);
	if (fd < 0)
		return fd;
	temporary->fd = fd;
	if (fchmod(fd, options->mode ? options->mode : 0644) < 0)
		return -errno;
	return options->size_known ? reserve(fd, options->size) : 0;
}

int weir_temporary_open(struct temporary *temporary, const struct open_rules *rules,
        const char *path, const struct weir_upload_options *options)
{
	struct stat status;
	*temporary = (struct temporary){.fd = -1};
	int error = weir_place_open(rules, path, &temporary->place);
	if (error < 0) {
		temporary->place.directory = -1;
		return error;
	}
	if (fstat(temporary->place.directory, &status) == 0) {
		temporary->device = status.st_dev;
		temporary->inode = status.st_ino;
	}
	bool taken = options->must_not_exist && options->look_first &&
	             fstatat(temporary->place.directory, temporary->place.name, &status,
	                     AT_SYMLINK_NOFOLLOW) == 0;
	error = taken ? -EEXIST : open_file(temporary, options);
	if (error < 0)
		weir_temporary_close(temporary);
	return error;
}

void weir_temporary_close(struct temporary *temporary)
{
	if (temporary->hidden[0])
		unlinkat(temporary->place.directory, temporary->hidden, 0);
	temporary->hidden[0] = 0;
	if (temporary->fd >= 0)
		close(temporary->fd);
	temporary->fd = -1;
	if (temporary->place.directory >= 0)
		weir_place_close(&temporary->place);
	temporary->place.directory = -1;
}

/* -- writing ----------------------------------------------------------------------------------- */

/* Takes off what was put: true as long as something is left. */
static bool skip(struct iovec **pieces, unsigned *count, size_t put)
{
	while (*count && put >= (*pieces)->iov_len) {
		put -= (*pieces)->iov_len;
		++*pieces;
		--*count;
	}
	if (!*count)
		return false;
	(*pieces)->iov_base = (char *)(*pieces)->iov_base + put;
	(*pieces)->iov_len -= put;
	return true;
}

void weir_temporary_kick(struct temporary *temporary)
{
	if (temporary->size - temporary->kicked < KICK)
		return;
	sync_file_range(temporary->fd, (off_t)temporary->kicked,
	        (off_t)(temporary->size - temporary->kicked), SYNC_FILE_RANGE_WRITE);
	temporary->kicked = temporary->size;
}

int weir_temporary_write(struct temporary *temporary, struct iovec *pieces, unsigned count)
{
	ssize_t put = 0;
	while (skip(&pieces, &count, (size_t)put)) {
		put = pwritev(temporary->fd, pieces, (int)count, (off_t)temporary->size);
		if (put < 0 && errno != EINTR)
			return -errno;
		if (put == 0)
			return -EIO;
		put = put < 0 ? 0 : put;
		temporary->size += (uint64_t)put;
	}
	weir_temporary_kick(temporary);
	return 0;
}

/* -- publishing -------------------------------------------------------------------------------- */

/* rename replaces, link does not: so what is to replace needs a name first. */
static int hide(struct temporary *temporary)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		char name[sizeof temporary->hidden];
		int error = make_name(name, sizeof name);
		if (error == 0)
			error = weir_nameless_link(temporary->fd, temporary->place.directory, name);
		if (error == 0)
			memcpy(temporary->hidden, name, sizeof name);
		if (error != -EEXIST)
			return error;
	}
	return -EEXIST;
}

/* EINVAL: a file system that cannot rename so, but may be able to link. */
static int name_if_free(struct temporary *temporary)
{
	int directory = temporary->place.directory;
	const char *name = temporary->place.name;
	if (!temporary->hidden[0])
		return weir_nameless_link(temporary->fd, directory, name);
	if (renameat2(directory, temporary->hidden, directory, name, RENAME_NOREPLACE) == 0) {
		temporary->hidden[0] = 0;
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return linkat(directory, temporary->hidden, directory, name, 0) < 0 ? -errno : 0;
}

static int replace(struct temporary *temporary)
{
	int directory = temporary->place.directory;
	int error = temporary->hidden[0] ? 0 : hide(temporary);
	if (error < 0)
		return error;
	if (renameat(directory, temporary->hidden, directory, temporary->place.name) < 0)
		return -errno;
	temporary->hidden[0] = 0;
	return 0;
}

int weir_temporary_publish(struct temporary *temporary, bool must_not_exist, bool *ret_created)
{
	if (fsync(temporary->fd) < 0)
		return -errno;
	int error = name_if_free(temporary);
	*ret_created = error == 0;
	if (error == -EEXIST && !must_not_exist)
		error = replace(temporary);
	return error < 0 ? error : weir_place_sync(&temporary->place);
}

/* -- leftovers --------------------------------------------------------------------------------- */

static bool is_leftover(int directory, const char *name)
{
	struct stat status;
	size_t size = sizeof prefix - 1;
	if (strncmp(name, prefix, size) || strlen(name) != size + HEX_DIGITS ||
	        strspn(name + size, "0123456789abcdef") != HEX_DIGITS)
		return false;
	return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) && time(NULL) - status.st_mtime > WEIR_UPLOAD_STALE_S;
}

void weir_temporary_sweep(const struct temporary *temporary)
{
	int fd = openat(temporary->place.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	struct dirent *entry;
	for (int i = 0; i < SWEEP_MAX && (entry = readdir(directory)); i++)
		if (is_leftover(fd, entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	closedir(directory);
}
