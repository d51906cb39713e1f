/*
 * The file of a message that is being delivered. It is unnamed if the file system supports that and
 * there is one recipient; otherwise it is in tmp/ of the first.
 *
 * Invariant: only mail_file_link links it, once it is synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maildir_state.h"
#include "unnamed.h"

enum {
	/* Bytes between two starts of writeback, so that fsync has less to do. */
	WRITEBACK = 8 * 1024 * 1024,
	NAMES_TRIED = 8
};

bool mail_file_can_be_unnamed(int root)
{
	int fd = unnamed_open(root);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int maildir_file_open_hidden(
        struct maildir *maildir, struct mail_file *file, const char *user)
{
	static const struct mail_scan nothing;
	char name[MAIL_NAME_SIZE];
	int directory = maildir_open_directory(maildir, user, "tmp");
	if (directory < 0)
		return directory;
	int error = -EEXIST;
	for (int i = 0; i < NAMES_TRIED && error == -EEXIST; i++) {
		error = mail_name_make(&nothing, name);
		if (error < 0)
			break;
		file->fd = openat(directory, name,
		        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		error = file->fd < 0 ? -errno : 0;
	}
	if (error == 0 && asprintf(&file->hidden, "%s/tmp/%s", user, name) < 0) {
		file->hidden = NULL;
		unlinkat(directory, name, 0);
		close(file->fd);
		file->fd = -1;
		error = -ENOMEM;
	}
	close(directory);
	return error;
}

/*
 * When the only name of a file is removed, because a reader was quick to delete the message, no
 * further link to it can be made. So a file for several recipients has a name in tmp/ meanwhile.
 */
int mail_file_open(struct maildir *maildir, struct mail_file *file, const char *user, bool several)
{
	if (!maildir->nameless || several)
		return maildir_file_open_hidden(maildir, file, user);
	file->fd = openat(maildir->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	return file->fd < 0 ? -errno : 0;
}

int mail_file_write(struct mail_file *file, struct weir_span bytes)
{
	while (bytes.size) {
		ssize_t put = pwrite(file->fd, bytes.data, bytes.size, (off_t)file->size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		file->size += (uint64_t)put;
		bytes = weir_span_skip(bytes, (size_t)put);
	}
	if (file->size - file->kicked >= WRITEBACK) {
		sync_file_range(file->fd, (off_t)file->kicked, (off_t)(file->size - file->kicked),
		        SYNC_FILE_RANGE_WRITE);
		file->kicked = file->size;
	}
	return 0;
}

int mail_file_sync(struct maildir *maildir, struct mail_file *file)
{
	maildir->counters.file_syncs++;
	return fsync(file->fd) < 0 ? -errno : 0;
}

int mail_file_link(
        struct maildir *maildir, const struct mail_file *file, int directory, const char *name)
{
	if (!file->hidden)
		return unnamed_link(file->fd, directory, name);
	return linkat(maildir->root, file->hidden, directory, name, 0) < 0 ? -errno : 0;
}

void mail_file_close(struct maildir *maildir, struct mail_file *file)
{
	if (file->hidden)
		unlinkat(maildir->root, file->hidden, 0);
	free(file->hidden);
	file->hidden = NULL;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
