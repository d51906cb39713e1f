/*
 * The file that an upload is written to. It is unnamed if the file system supports that, and has
 * a hidden name otherwise.
 *
 * Invariant: at every moment the final name is free, or refers to the old file, or to the
 * complete new one. Leaves out when things are done: see upload.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <weir/limits.h>

#include "directory_entry.h"
#include "unnamed.h"
#include "helper.h"
#include "upload_state.h"

enum {
	NAMES_TRIED = 8,
	WRITEBACK_MIN =
	        8 * 1024 * 1024, /* so that the final fsync of a large file has little left to do */
	SWEEP_MAX = 100000,      /* entries of a directory */
	HEX_DIGITS = 16,
	PROC_PATH = 32
};

static const char prefix[] = ".weir-";

/* -- unnamed files ----------------------------------------------------------------------------- */

/*
 * Naming an unnamed file by its descriptor alone takes a privilege, or Linux 6.10. Naming it
 * by /proc takes /proc, and more time, so it is tried second; but /proc must be there.
 */
static void unnamed_proc_path(char *path, int fd)
{
	snprintf(path, PROC_PATH, "/proc/self/fd/%d", fd);
}

int unnamed_open(int directory)
{
	char path[PROC_PATH];
	int fd = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unnamed_proc_path(path, fd);
	if (access(path, F_OK) == 0)
		return fd;
	close(fd);
	return -EOPNOTSUPP;
}

int unnamed_link(int fd, int directory, const char *name)
{
	char path[PROC_PATH];
	if (linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	unnamed_proc_path(path, fd);
	return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* -- opening ----------------------------------------------------------------------------------- */

static int temporary_make_name(char *name, size_t size)
{
	uint64_t number;
	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return -EIO;
	snprintf(name, size, "%s%016llx", prefix, (unsigned long long)number);
	return 0;
}

static int temporary_open_hidden(struct temporary *temporary)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		char name[sizeof temporary->hidden];
		int error = temporary_make_name(name, sizeof name);
		if (error < 0)
			return error;
		int fd = openat(temporary->entry.directory, name,
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

/* Finds errors before the bytes come rather than after. */
static int temporary_check_target(const struct directory_entry *entry, bool must_not_exist)
{
	struct stat status;
	if (fstatat(entry->directory, entry->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	return must_not_exist ? -EEXIST : 0;
}

/*
 * Checks whether so much could be written now. It reserves nothing, since a client could fill the
 * disk by announcing a size.
 */
static int temporary_check_room(int fd, uint64_t size)
{
	struct statvfs disk;
	struct rlimit limit;
	if (size > INT64_MAX || (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur))
		return -EFBIG;
	if (fstatvfs(fd, &disk) < 0 || disk.f_blocks == 0 || disk.f_frsize == 0)
		return 0;
	uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
	return size / disk.f_frsize + (size % disk.f_frsize != 0) > blocks ? -ENOSPC : 0;
}

static int temporary_reserve(int fd, uint64_t from, uint64_t to)
{
	while (to > from &&
	        fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) < 0) {
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/*
 * Reserves space for the bytes to be written, and ahead of them as much as has been written,
 * within bounds.
 */
static int temporary_reserve_ahead(struct temporary *temporary, uint64_t coming)
{
	uint64_t need = temporary->size + coming, ahead = temporary->size;
	if (need <= temporary->reserved || need > temporary->expected)
		return 0;
	ahead = max_of(ahead, (uint64_t)WEIR_UPLOAD_RESERVE_MIN);
	ahead = min_of(ahead, (uint64_t)WEIR_UPLOAD_RESERVE_MAX);
	uint64_t to = temporary->expected - need < ahead ? temporary->expected : need + ahead;
	int error = temporary_reserve(temporary->fd, temporary->reserved, to);
	if (error == -ENOSPC && to > need) {
		to = need;
		error = temporary_reserve(temporary->fd, temporary->reserved, to);
	}
	if (error == 0)
		temporary->reserved = to;
	return error;
}

static int temporary_open_file(struct temporary *temporary, const struct open_rules *rules,
        const struct weir_upload_options *options)
{
	int error = temporary_check_target(&temporary->entry, options->must_not_exist);
	if (error < 0)
		return error;
	int fd = unnamed_open(temporary->entry.directory);
	/* EISDIR and ENOENT come from kernels and file systems without O_TMPFILE. */
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT)
		fd = temporary_open_hidden(temporary);
	if (fd < 0)
		return fd;
	temporary->fd = fd;
	temporary->mode = options->mode ? options->mode : 0644 & ~rules->umask;
	if (!options->size_known)
		return 0;
	error = temporary_check_room(fd, options->size);
	temporary->expected = options->size;
	return error < 0 ? error : temporary_reserve_ahead(temporary, 0);
}

int temporary_open(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options)
{
	struct stat status;
	*temporary = (struct temporary){.fd = -1};
	int error = directory_entry_open(rules, path, &temporary->entry);
	if (error < 0) {
		temporary->entry.directory = -1;
		return error;
	}
	if (fstat(temporary->entry.directory, &status) == 0) {
		temporary->device = status.st_dev;
		temporary->inode = status.st_ino;
	}
	bool exists = options->must_not_exist && options->look_first &&
	              fstatat(temporary->entry.directory, temporary->entry.name, &status,
	                      AT_SYMLINK_NOFOLLOW) == 0;
	error = exists ? -EEXIST : temporary_open_file(temporary, rules, options);
	if (error < 0)
		temporary_close(temporary);
	return error;
}

void temporary_close(struct temporary *temporary)
{
	if (temporary->hidden[0])
		unlinkat(temporary->entry.directory, temporary->hidden, 0);
	temporary->hidden[0] = 0;
	if (temporary->fd >= 0)
		close(temporary->fd);
	temporary->fd = -1;
	if (temporary->entry.directory >= 0)
		directory_entry_close(&temporary->entry);
	temporary->entry.directory = -1;
}

/* -- writing ----------------------------------------------------------------------------------- */

/* Skips the bytes that were written. Returns whether any are left. */
static bool temporary_skip(struct iovec **pieces, unsigned *count, size_t put)
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

void temporary_start_writeback(struct temporary *temporary)
{
	if (temporary->size - temporary->writeback_begun < WRITEBACK_MIN)
		return;
	sync_file_range(temporary->fd, (off_t)temporary->writeback_begun,
	        (off_t)(temporary->size - temporary->writeback_begun), SYNC_FILE_RANGE_WRITE);
	temporary->writeback_begun = temporary->size;
}

int temporary_write(struct temporary *temporary, struct iovec *pieces, unsigned count)
{
	ssize_t put = 0;
	uint64_t coming = 0;
	for (unsigned i = 0; i < count; i++)
		coming += pieces[i].iov_len;
	int error = temporary_reserve_ahead(temporary, coming);
	if (error < 0)
		return error;
	while (temporary_skip(&pieces, &count, (size_t)put)) {
		put = pwritev(temporary->fd, pieces, (int)count, (off_t)temporary->size);
		if (put < 0 && errno != EINTR)
			return -errno;
		if (put == 0)
			return -EIO;
		put = put < 0 ? 0 : put;
		temporary->size += (uint64_t)put;
	}
	temporary_start_writeback(temporary);
	return 0;
}

/* -- publishing -------------------------------------------------------------------------------- */

/* rename(2) replaces a file and link(2) does not, so an unnamed file needs a hidden name first. */
static int temporary_hide(struct temporary *temporary)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		char name[sizeof temporary->hidden];
		int error = temporary_make_name(name, sizeof name);
		if (error == 0)
			error = unnamed_link(temporary->fd, temporary->entry.directory, name);
		if (error == 0)
			memcpy(temporary->hidden, name, sizeof name);
		if (error != -EEXIST)
			return error;
	}
	return -EEXIST;
}

/* EINVAL comes from file systems without RENAME_NOREPLACE, which may support links. */
static int temporary_name_if_free(struct temporary *temporary)
{
	int directory = temporary->entry.directory;
	const char *name = temporary->entry.name;
	if (!temporary->hidden[0])
		return unnamed_link(temporary->fd, directory, name);
	if (renameat2(directory, temporary->hidden, directory, name, RENAME_NOREPLACE) == 0) {
		temporary->hidden[0] = 0;
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return linkat(directory, temporary->hidden, directory, name, 0) < 0 ? -errno : 0;
}

static int temporary_replace(struct temporary *temporary)
{
	int directory = temporary->entry.directory;
	int error = temporary->hidden[0] ? 0 : temporary_hide(temporary);
	if (error < 0)
		return error;
	if (renameat(directory, temporary->hidden, directory, temporary->entry.name) < 0)
		return -errno;
	temporary->hidden[0] = 0;
	return 0;
}

/* Called with the names locked, so that the file that is compared is the one that is replaced. */
static int temporary_give_name(struct temporary *temporary, const struct open_rules *rules,
        const char *path, const struct weir_upload_options *options, struct replaced *replaced)
{
	int error = 0;
	if (options->check)
		error = directory_entry_ask(rules, path, options->check, options->check_context);
	if (error == 0)
		error = temporary_name_if_free(temporary);
	if (error != -EEXIST || options->must_not_exist)
		return error;
	error = replaced_copy(replaced, &temporary->entry, temporary->fd);
	if (error == 0)
		error = replaced_outdate(replaced, temporary->fd);
	if (error == 0)
		error = temporary_replace(temporary);
	return error < 0 ? error : 1;
}

/* Attributes are copied before the sync, so that the names are locked for few calls. */
int temporary_publish(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options, bool *ret_created)
{
	struct replaced replaced = {0};
	struct name_lock lock;
	if (fchmod(temporary->fd, temporary->mode) < 0)
		return -errno;
	int error = replaced_copy(&replaced, &temporary->entry, temporary->fd);
	if (error == 0 && fsync(temporary->fd) < 0)
		error = -errno;
	if (error < 0)
		return error;
	name_lock_acquire(&lock, temporary->entry.directory, -1);
	int result = temporary_give_name(temporary, rules, path, options, &replaced);
	name_lock_release(&lock);
	*ret_created = result == 0;
	return result < 0 ? result : directory_entry_sync(&temporary->entry);
}

/* -- leftovers --------------------------------------------------------------------------------- */

static bool temporary_is_leftover(int directory, const char *name)
{
	struct stat status;
	size_t size = sizeof prefix - 1;
	if (strncmp(name, prefix, size) != 0 || strlen(name) != size + HEX_DIGITS ||
	        strspn(name + size, "0123456789abcdef") != HEX_DIGITS)
		return false;
	return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(status.st_mode) && time(NULL) - status.st_mtime > WEIR_UPLOAD_STALE_S;
}

void temporary_sweep(const struct temporary *temporary)
{
	int fd = openat(temporary->entry.directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	struct dirent *entry;
	for (int i = 0; i < SWEEP_MAX && (entry = readdir(directory)); i++)
		if (temporary_is_leftover(fd, entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	closedir(directory);
}
