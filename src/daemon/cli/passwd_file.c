/*
 * Changes a users file.
 *
 * Invariants: only the process that holds the lock of the file changes it (if the file was replaced
 * meanwhile, the new one is locked); at any moment the path names the whole old or the whole new
 * file. A file that the server would refuse is not written. Mode and owner are retained, access
 * control lists are not.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "cli.h"
#include "helper.h"
#include "say.h"

struct edit {
	const struct passwd_change *change;
	char path[PATH_MAX]; /* symbolic links followed */
	int fd;              /* locked */
	struct stat status;
	struct weir_buffer text;
	struct weir_buffer result;
	enum passwd_done done;
};

static bool passwd_file_failed(const struct edit *edit, const char *what, int error)
{
	say("%s: %s: %s", edit->change->path, what, weir_error_text(error));
	return false;
}

/* -- the old file ------------------------------------------------------------------------------ */

/* Returns 0 if the file is locked, 1 if it was replaced meanwhile. */
static int passwd_file_open_locked(struct edit *edit)
{
	struct stat now;
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY |
	            (edit->change->action == PASSWD_SET ? O_CREAT : 0);
	edit->fd = open(edit->path, flags, 0600);
	if (edit->fd < 0 || flock(edit->fd, LOCK_EX) < 0 || fstat(edit->fd, &edit->status) < 0)
		return -errno;
	if (stat(edit->path, &now) == 0 && now.st_ino == edit->status.st_ino &&
	        now.st_dev == edit->status.st_dev)
		return 0;
	close(edit->fd);
	edit->fd = -1;
	return 1;
}

static bool passwd_file_lock(struct edit *edit)
{
	int error;
	/* If the file does not exist, the path is used as it is. */
	if (!realpath(edit->change->path, edit->path)) {
		if (strlen(edit->change->path) >= sizeof edit->path)
			return passwd_file_failed(edit, "cannot open it", -ENAMETOOLONG);
		strcpy(edit->path, edit->change->path);
	}
	while ((error = passwd_file_open_locked(edit)) == 1)
		;
	if (error < 0)
		return passwd_file_failed(edit, "cannot open it", error);
	if (!S_ISREG(edit->status.st_mode))
		return passwd_file_failed(edit, "cannot change it", -EINVAL);
	return true;
}

static bool passwd_file_read_all(struct edit *edit)
{
	int error = weir_buffer_read(&edit->text, edit->fd, WEIR_USERS_FILE_MAX);
	if (error < 0)
		return passwd_file_failed(edit, "cannot read it", error);
	return true;
}

/* -- the new text ------------------------------------------------------------------------------ */

static int passwd_file_put(struct edit *edit, struct weir_span text)
{
	return weir_buffer_append(&edit->result, text.data, text.size, WEIR_USERS_FILE_MAX);
}

static int passwd_file_put_user(
        struct edit *edit, struct weir_span hash, struct weir_span rest, struct weir_span end)
{
	int error = passwd_file_put(edit, edit->change->name);
	if (error == 0)
		error = passwd_file_put(edit, WEIR_SPAN(":"));
	if (error == 0)
		error = passwd_line_put_hash(edit->change, hash, &edit->result);
	if (error == 0 && (edit->change->scram || rest.size))
		error = passwd_file_put(edit, WEIR_SPAN(":"));
	if (error == 0)
		error = passwd_line_put_rest(edit->change, rest, &edit->result);
	return error ? error : passwd_file_put(edit, end);
}

/* `line` includes its end. */
static int passwd_file_edit_line(struct edit *edit, struct weir_span line)
{
	struct weir_span end = line, name, hash, rest;
	while (end.size && strchr("\r\n", end.data[end.size - 1]))
		end.size--;
	rest = end;
	end = weir_span_skip(line, end.size);
	weir_span_cut(&rest, ':', &name);
	if (!weir_span_equal(name, edit->change->name))
		return passwd_file_put(edit, line);
	edit->done = passwd_line_done(edit->change->action);
	if (edit->done == PASSWD_REMOVED)
		return 0;
	weir_span_cut(&rest, ':', &hash);
	return passwd_file_put_user(edit, hash, rest, end);
}

static bool passwd_file_rewrite(struct edit *edit)
{
	struct weir_span left = weir_buffer_span(&edit->text);
	int error = 0;
	while (left.size && error == 0) {
		const char *end = memchr(left.data, '\n', left.size);
		size_t size = end ? (size_t)(end - left.data) + 1 : left.size;
		error = passwd_file_edit_line(edit, weir_span(left.data, size));
		left = weir_span_skip(left, size);
	}
	if (edit->done == PASSWD_FAILED && edit->change->action == PASSWD_SET && error == 0) {
		bool open = edit->result.size && edit->result.data[edit->result.size - 1] != '\n';
		edit->done = PASSWD_ADDED;
		error = open ? passwd_file_put(edit, WEIR_SPAN("\n")) : 0;
		if (error == 0)
			error = passwd_file_put_user(
			        edit, WEIR_SPAN(""), WEIR_SPAN(""), WEIR_SPAN("\n"));
	}
	if (error < 0)
		return passwd_file_failed(edit, "cannot change it", error);
	if (edit->done == PASSWD_FAILED)
		say("%s: there is no user %.*s", edit->change->path, (int)edit->change->name.size,
		        edit->change->name.data);
	return edit->done != PASSWD_FAILED;
}

/* -- the new file ------------------------------------------------------------------------------ */

static int passwd_file_write_all(int fd, struct weir_span text)
{
	while (text.size) {
		ssize_t passwd_file_put = write(fd, text.data, text.size);
		if (passwd_file_put < 0 && errno == EINTR)
			continue;
		if (passwd_file_put <= 0)
			return passwd_file_put < 0 ? -errno : -EIO;
		text = weir_span_skip(text, (size_t)passwd_file_put);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int passwd_file_keep_owner(int fd, const struct stat *status)
{
	struct stat made;
	if (fstat(fd, &made) < 0)
		return -errno;
	bool same = made.st_uid == status->st_uid && made.st_gid == status->st_gid;
	if (!same && fchown(fd, status->st_uid, status->st_gid) < 0)
		return -errno;
	return fchmod(fd, status->st_mode & 07777) < 0 ? -errno : 0;
}

static int passwd_file_sync_directory(const char *path)
{
	char copy[PATH_MAX];
	strcpy(copy, path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

static bool passwd_file_replace(struct edit *edit)
{
	char temporary[PATH_MAX + 8];
	snprintf(temporary, sizeof temporary, "%s.XXXXXX", edit->path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return passwd_file_failed(edit, "cannot write beside it", -errno);
	int error = passwd_file_keep_owner(fd, &edit->status);
	if (error == 0)
		error = passwd_file_write_all(fd, weir_buffer_span(&edit->result));
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(temporary, edit->path) < 0)
		error = -errno;
	if (error < 0) {
		unlink(temporary);
		return passwd_file_failed(edit, "cannot write it", error);
	}
	error = passwd_file_sync_directory(edit->path);
	return error ? passwd_file_failed(edit, "cannot sync its directory", error) : true;
}

enum passwd_done passwd_file_change(const struct passwd_change *change)
{
	struct edit edit = {.change = change, .fd = -1};
	bool done = passwd_file_lock(&edit) && passwd_file_read_all(&edit) &&
	            passwd_file_rewrite(&edit) &&
	            passwd_line_check(change->path, weir_buffer_span(&edit.result)) &&
	            passwd_file_replace(&edit);
	if (edit.fd >= 0)
		close(edit.fd);
	buffer_erase(&edit.text);
	buffer_erase(&edit.result);
	return done ? edit.done : PASSWD_FAILED;
}
