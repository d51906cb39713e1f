/*
 * An upload into the file itself: what is there up to the offset stays, what was behind it goes.
 *
 * Invariant: the file is locked (flock) from opening to closing, so that of two such uploads one is
 * refused; before it is published, closing brings back what was there up to the offset. Leaves out
 * writing, which is that of temporary.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temporary.h"

enum {
	RACES_MAX = 8 /* removals between two looks that are put up with */
};

/* Makes the file, or opens it if it is there: the descriptor or an errno. */
static int upload_in_place_open_or_make(struct temporary *temporary, bool must_not_exist)
{
	const struct directory_entry *place = &temporary->place;
	int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	for (int i = 0; i < RACES_MAX; i++) {
		int fd = openat(place->directory, place->name, flags | O_CREAT | O_EXCL, 0600);
		temporary->created = fd >= 0;
		if (fd < 0 && errno == EEXIST && !must_not_exist)
			fd = openat(place->directory, place->name, flags);
		if (fd >= 0)
			return fd;
		if (errno == ENXIO || errno == ENODEV)
			return -EACCES;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

/* What is there is good to go on with. */
static int upload_in_place_prepare(struct temporary *temporary, const struct open_rules *rules,
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
	/* What the owner of the lock before has written counts. */
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
	temporary->before = temporary->size = temporary->kicked = offset;
	return 0;
}

int file_in_place_open(struct temporary *temporary, const struct open_rules *rules,
        const char *path, const struct weir_upload_options *options)
{
	*temporary = (struct temporary){.fd = -1};
	int error = directory_entry_open(rules, path, &temporary->place);
	if (error < 0) {
		temporary->place.directory = -1;
		return error;
	}
	int fd = upload_in_place_open_or_make(temporary, options->must_not_exist);
	if (fd >= 0) {
		temporary->fd = fd;
		error = upload_in_place_prepare(temporary, rules, options);
	} else {
		error = fd;
	}
	if (error < 0) {
		/* Not ours to cut: it may be another's who is writing to it. */
		temporary->published = !temporary->created;
		file_in_place_close(temporary);
	}
	return error;
}

int file_in_place_publish(struct temporary *temporary, bool *ret_created)
{
	int error = fsync(temporary->fd) < 0 ? -errno : 0;
	if (error == 0 && temporary->created)
		error = directory_entry_sync(&temporary->place);
	if (error < 0)
		return error;
	temporary->published = true;
	*ret_created = temporary->created;
	return 0;
}

/* The name may stand for another file by now. */
static void upload_in_place_remove_own(const struct temporary *temporary)
{
	struct stat own, named;
	const struct directory_entry *place = &temporary->place;
	if (fstat(temporary->fd, &own) == 0 &&
	        fstatat(place->directory, place->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	        own.st_ino == named.st_ino && own.st_dev == named.st_dev)
		unlinkat(place->directory, place->name, 0);
}

/* Undoing that fails leaves what had come, which is what a crash leaves too. */
void file_in_place_close(struct temporary *temporary)
{
	if (temporary->fd >= 0 && !temporary->published) {
		if (temporary->created)
			upload_in_place_remove_own(temporary);
		else if (ftruncate(temporary->fd, (off_t)temporary->before) == 0)
			fsync(temporary->fd);
	}
	temporary->published = true;
	temporary_close(temporary);
}
