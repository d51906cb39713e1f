/*
 * An upload into the file itself. The content before the offset stays, the rest is cut off.
 *
 * Invariants: the file is locked (flock) from opening to closing, so that of two such uploads one
 * is refused. Closing before the commit restores the content before the offset. Leaves out
 * writing, which temporary.c does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upload_state.h"

enum {
	RACES_MAX = 8 /* removals of the file between two calls that are tolerated */
};

/* Makes or opens the file. Returns the descriptor or an errno. */
static int in_place_open_or_make(struct temporary *temporary, bool must_not_exist)
{
	const struct directory_entry *entry = &temporary->entry;
	int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	for (int i = 0; i < RACES_MAX; i++) {
		int fd = openat(entry->directory, entry->name, flags | O_CREAT | O_EXCL, 0600);
		temporary->created = fd >= 0;
		if (fd < 0 && errno == EEXIST && !must_not_exist)
			fd = openat(entry->directory, entry->name, flags);
		if (fd >= 0)
			return fd;
		if (errno == ENXIO || errno == ENODEV)
			return -EACCES;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

/* Locks the file and cuts it off at the offset. */
static int in_place_prepare(struct temporary *temporary, const struct open_rules *rules,
        const struct weir_upload_options *options)
{
	struct stat status;
	mode_t mode = options->mode ? options->mode : 0644 & ~rules->umask;
	if (fstat(temporary->fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EACCES;
	if (flock(temporary->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* The last owner of the lock may have written more. */
	if (fstat(temporary->fd, &status) < 0)
		return -errno;
	uint64_t size = (uint64_t)status.st_size;
	uint64_t offset = options->append ? size : options->offset;
	if (offset > size)
		return -ERANGE;
	if (temporary->created && fchmod(temporary->fd, mode) < 0)
		return -errno;
	if (offset < size && ftruncate(temporary->fd, (off_t)offset) < 0)
		return -errno;
	temporary->before = temporary->size = temporary->writeback_begun = offset;
	return 0;
}

int in_place_open(struct temporary *temporary, const struct open_rules *rules, const char *path,
        const struct weir_upload_options *options)
{
	*temporary = (struct temporary){.fd = -1};
	int error = directory_entry_open(rules, path, &temporary->entry);
	if (error < 0) {
		temporary->entry.directory = -1;
		return error;
	}
	int fd = in_place_open_or_make(temporary, options->must_not_exist);
	if (fd >= 0) {
		temporary->fd = fd;
		error = in_place_prepare(temporary, rules, options);
	} else {
		error = fd;
	}
	if (error < 0) {
		/* Another upload may be writing to it, so it is not cut off. */
		temporary->published = !temporary->created;
		in_place_close(temporary);
	}
	return error;
}

int in_place_publish(struct temporary *temporary, bool *ret_created)
{
	int error = fsync(temporary->fd) < 0 ? -errno : 0;
	if (error == 0 && temporary->created)
		error = directory_entry_sync(&temporary->entry);
	if (error < 0)
		return error;
	temporary->published = true;
	*ret_created = temporary->created;
	return 0;
}

/* Removes the file, unless the name belongs to another file by now. */
static void in_place_remove_own(const struct temporary *temporary)
{
	struct stat own, named;
	const struct directory_entry *entry = &temporary->entry;
	if (fstat(temporary->fd, &own) == 0 &&
	        fstatat(entry->directory, entry->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	        own.st_ino == named.st_ino && own.st_dev == named.st_dev)
		unlinkat(entry->directory, entry->name, 0);
}

/* If restoring fails, the bytes that came stay, as after a crash. */
void in_place_close(struct temporary *temporary)
{
	if (temporary->fd >= 0 && !temporary->published) {
		if (temporary->created)
			in_place_remove_own(temporary);
		else if (ftruncate(temporary->fd, (off_t)temporary->before) == 0)
			fsync(temporary->fd);
	}
	temporary->published = true;
	temporary_close(temporary);
}
