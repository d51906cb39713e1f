/*
 * Opening a message. A file that is in the page cache is opened on the loop, and read if it is
 * small. Otherwise the work pool does so, also if the file has been renamed.
 *
 * Invariant: the fields of a name are used only if the file has the size that the name gives.
 * Producers send the message.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "maildir_state.h"

enum {
	PATH_SIZE = NAME_MAX + 8
};

/* An open file. */
struct opened {
	int fd;
	char *bytes; /* of a small file, from malloc; or NULL */
	uint64_t size;
	char last[2];
};

struct fetch_job {
	struct maildir_job base;
	struct maildir *maildir;
	struct maildir_message message;
	int directory; /* a duplicate of the maildrop's */
	struct opened opened;
	int error;
	weir_mail_fetched_fn *done;
	char name[];
};

/* -- opening ----------------------------------------------------------------------------------- */

/* Reads all of the file; with `cached` it may return -EAGAIN. */
static int maildir_fetch_read_at(int fd, char *data, size_t size, off_t from, bool cached)
{
	for (size_t have = 0; have < size;) {
		struct iovec to = {data + have, size - have};
		ssize_t got = preadv2(fd, &to, 1, from + (off_t)have, cached ? RWF_NOWAIT : 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (cached && got != (ssize_t)size)
			return -EAGAIN;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		have += (size_t)got;
	}
	return 0;
}

static int maildir_fetch_read_small(struct opened *opened, bool cached)
{
	size_t size = (size_t)opened->size;
	opened->bytes = malloc(size ? size : 1);
	if (!opened->bytes)
		return -ENOMEM;
	int error = maildir_fetch_read_at(opened->fd, opened->bytes, size, 0, cached);
	if (error < 0) {
		free(opened->bytes);
		opened->bytes = NULL;
		return error;
	}
	if (size >= 2)
		memcpy(opened->last, opened->bytes + size - 2, 2);
	else if (size)
		opened->last[1] = opened->bytes[0];
	close(opened->fd);
	opened->fd = -1;
	return 0;
}

static int maildir_fetch_look(struct opened *opened, bool cached)
{
	struct stat status;
	if (fstat(opened->fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOENT;
	opened->size = (uint64_t)status.st_size;
	if (opened->size <= WEIR_MAIL_SMALL)
		return maildir_fetch_read_small(opened, cached);
	return maildir_fetch_read_at(opened->fd, opened->last, 2, status.st_size - 2, cached);
}

static int maildir_fetch_open_message(
        int directory, const struct maildir_message *message, bool cached, struct opened *ret)
{
	char path[PATH_SIZE];
	*ret = (struct opened){.fd = -1};
	snprintf(path, sizeof path, "%s/%s", message->flags & MESSAGE_CUR ? "cur" : "new",
	        message->name);
	ret->fd = maildir_open_beneath(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, cached);
	/* Linux before 5.12 does not have RESOLVE_CACHED. */
	if (ret->fd == -EINVAL && cached)
		return -EAGAIN;
	if (ret->fd < 0)
		return ret->fd;
	int error = maildir_fetch_look(ret, cached);
	if (error < 0)
		close(ret->fd);
	return error;
}

/*
 * -- the callback --------------------------------------------------------------------------------
 */

static struct weir_producer *maildir_fetch_producer_of(struct opened *opened)
{
	if (opened->bytes)
		return weir_produce_owned(opened->bytes, (size_t)opened->size);
	return weir_produce_file(opened->fd, true, 0, opened->size);
}

static void maildir_fetch_answer(struct weir_mail_call *call, const struct maildir_message *message,
        struct opened *opened, weir_mail_fetched_fn *done)
{
	bool known = opened->size == message->stored;
	bool bare = !known || message->octets != message->stored;
	bool line = opened->last[1] == '\n' && (bare || opened->last[0] == '\r');
	struct weir_mail_body body = {
	        .producer = maildir_fetch_producer_of(opened),
	        .octets = message->octets,
	        .dotless = known && message->dotless,
	        .ended = line || !opened->size,
	};
	if (bare)
		body.producer = weir_produce_crlf(body.producer);
	done(call, body.producer ? 0 : -ENOMEM, body.producer ? &body : NULL);
}

/* -- on the work pool -------------------------------------------------------------------------- */

/* Finds the present name of the file and opens it. */
static int maildir_fetch_open_renamed(struct fetch_job *job)
{
	struct maildir_list now = {0};
	struct maildir_message renamed = {0};
	int error = maildir_list_read(&now, job->directory);
	if (error == 0)
		error = maildir_list_find(&now, job->message.unique, &renamed);
	if (error == 0)
		error = maildir_fetch_open_message(job->directory, &renamed, false, &job->opened);
	maildir_list_free(&now);
	return error;
}

static void maildir_fetch_run(struct weir_work *work)
{
	struct fetch_job *job = WEIR_CONTAINER(work, struct fetch_job, base.work);
	job->error = maildir_fetch_open_message(job->directory, &job->message, false, &job->opened);
	if (job->error == -ENOENT)
		job->error = maildir_fetch_open_renamed(job);
	close(job->directory);
}

static void maildir_fetch_done(struct weir_work *work)
{
	struct fetch_job *job = WEIR_CONTAINER(work, struct fetch_job, base.work);
	struct weir_mail_call *call = maildir_job_end(&job->base);
	if (call && job->error < 0) {
		job->done(call, job->error, NULL);
	} else if (call) {
		maildir_fetch_answer(call, &job->message, &job->opened, job->done);
	} else if (job->error == 0) {
		free(job->opened.bytes);
		if (job->opened.fd >= 0)
			close(job->opened.fd);
	}
	maildir_release(job->maildir);
	free(job);
}

/* The work has a descriptor of its own, so that the maildrop may be closed meanwhile. */
static int maildir_fetch_submit(struct maildir_drop *drop, const struct maildir_message *message,
        struct weir_mail_call *call, weir_mail_fetched_fn *done)
{
	size_t size = strlen(message->name) + 1;
	struct fetch_job *job = calloc(1, sizeof *job + size);
	if (!job)
		return -ENOMEM;
	memcpy(job->name, message->name, size);
	job->message = *message;
	job->message.name = job->name;
	job->message.unique.data = job->name;
	job->done = done;
	job->directory = fcntl(drop->directory, F_DUPFD_CLOEXEC, 0);
	int error = job->directory < 0 ? -errno : 0;
	if (error == 0)
		error = maildir_submit(drop->loop, WEIR_LANE_MAILBOX, &job->base, call,
		        maildir_fetch_run, maildir_fetch_done);
	if (error < 0) {
		if (job->directory >= 0)
			close(job->directory);
		free(job);
		return error;
	}
	job->maildir = maildir_hold(drop->maildir);
	return 0;
}

void maildir_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done)
{
	struct maildir_drop *drop = WEIR_CONTAINER(base, struct maildir_drop, base);
	struct maildir_message message;
	struct opened opened;
	maildir_list_get(&drop->list, index, &message);
	int error = maildir_fetch_open_message(drop->directory, &message, true, &opened);
	if (error == 0) {
		maildir_fetch_answer(call, &message, &opened, done);
		return;
	}
	if (error == -EAGAIN || error == -ENOENT)
		error = maildir_fetch_submit(drop, &message, call, done);
	if (error < 0)
		done(call, error, NULL);
}
