/* Replies of the control connection (RFC 959 4.2), complete and deferred ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/sources.h>

#include "listing.h"
#include "session.h"

void ftp_reply_text(struct ftp_session *session, const char *text)
{
	FTP_REPLY_FORMAT(session, "%s", text);
}

void ftp_reply_span(struct ftp_session *session, struct weir_span text)
{
	char *line = malloc(text.size + 2);
	if (line) {
		memcpy(line, text.data, text.size);
		memcpy(line + text.size, "\r\n", 2);
	}
	weir_channel_push(session->channel, line ? weir_produce_owned(line, text.size + 2) : NULL);
}

char *ftp_copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);
	return copy ? memcpy(copy, text, size) : NULL;
}

unsigned ftp_code(const char *reply)
{
	return (unsigned)strtoul(reply, NULL, 10);
}

const char *ftp_error_text(int error)
{
	switch (error) {
	case -ENOENT:
	case -EXDEV: /* out of the root, which must look like a missing file */
	case -ELOOP:
		return "550 No such file or directory.";
	case -ENOTDIR:
		return "550 Not a directory.";
	case -EACCES:
	case -EPERM:
		return "550 Permission denied.";
	case -EROFS:
		return "550 Read-only file system.";
	case -EISDIR:
		return "550 Is a directory.";
	case -EEXIST:
		return "550 File exists.";
	case -ENOTEMPTY:
		return "550 Directory not empty.";
	case -EINVAL:
		return "553 Invalid name.";
	case -ENAMETOOLONG:
		return "553 Name too long.";
	case -ENOSPC:
	case -EDQUOT:
		return "452 Disk full.";
	case -EFBIG:
		return "552 File too large.";
	case -EBUSY:
		return "450 Another upload is writing to the file; try again later.";
	case -ERANGE:
		return "554 REST offset is beyond the end of the file.";
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -ENOMEM:
	case WEIR_E_LIMIT: /* too much work waits */
		return "451 Server too busy; try again later.";
	default:
		return "451 Disk error.";
	}
}

/* -- deferred replies ------------------------------------------------------------------------- */

enum {
	TEXT_MAX = 64 * 1024 /* more than all texts between two sends */
};

struct ftp_deferred {
	struct weir_channel *channel;
	struct weir_producer *producer;
	struct ftp_deferred **owner; /* NULL after the end */
	struct weir_buffer text;
	size_t put;
};

static enum weir_more ftp_deferred_more(void *context, struct weir_output *out)
{
	struct ftp_deferred *deferred = context;
	deferred->put += weir_output_copy(
	        out, deferred->text.data + deferred->put, deferred->text.size - deferred->put);
	if (deferred->put < deferred->text.size)
		return WEIR_MORE;
	weir_buffer_finish(&deferred->text);
	deferred->put = 0;
	return deferred->owner ? WEIR_WAIT : WEIR_DONE;
}

static void ftp_deferred_on_close(void *context, enum weir_close_reason why)
{
	struct ftp_deferred *deferred = context;
	(void)why;
	if (deferred->owner)
		*deferred->owner = NULL;
	weir_buffer_finish(&deferred->text);
	free(deferred);
}

int ftp_deferred_open(struct weir_channel *channel, struct ftp_deferred **owner)
{
	struct ftp_deferred *deferred = calloc(1, sizeof *deferred);
	struct weir_producer *producer = deferred ? weir_produce_generator(ftp_deferred_more,
	                                                    ftp_deferred_on_close, deferred)
	                                          : NULL;
	*owner = NULL;
	if (producer) {
		deferred->channel = channel;
		deferred->producer = producer;
		deferred->owner = owner;
		*owner = deferred;
	}
	return weir_channel_push(channel, producer);
}

int ftp_deferred_add(struct ftp_deferred *deferred, struct weir_span text)
{
	int error = weir_buffer_append(&deferred->text, text.data, text.size, TEXT_MAX);
	if (error < 0)
		weir_channel_abort(deferred->channel, error);
	else
		weir_wake(deferred->producer);
	return error;
}

bool ftp_deferred_is_empty(const struct ftp_deferred *deferred)
{
	return deferred->text.size == 0;
}

void ftp_deferred_end(struct ftp_deferred *deferred)
{
	*deferred->owner = NULL;
	deferred->owner = NULL;
	weir_wake(deferred->producer);
}

/* -- jobs -------------------------------------------------------------------------------------- */

/*
 * Jobs: lookups and changes, which are answered at once or in a later turn. The reply is sent
 * before the control connection is read again.
 */

void *ftp_job_begin(struct ftp_session *session, size_t size, void (*cancel)(struct ftp_job *job))
{
	struct ftp_job *job = calloc(1, size);
	if (!job) {
		FTP_REPLY(session, "451 Out of memory.");
		return NULL;
	}
	job->session = session;
	job->cancel = cancel;
	session->job = job;
	ftp_session_go_on(session);
	return job;
}

void ftp_job_end(struct ftp_job *job)
{
	struct ftp_session *session = job->session;
	session->job = NULL;
	free(job);
	ftp_session_go_on(session);
}

void ftp_job_drop(struct ftp_job *job)
{
	if (!job)
		return;
	job->cancel(job);
	free(job);
}

/* -- lookups ----------------------------------------------------------------------------------- */

struct look {
	struct ftp_job job;
	struct weir_lookup lookup;
	void (*found)(struct ftp_session *session, const char *path, struct weir_file *file);
	char path[];
};

static void ftp_job_cancel_look(struct ftp_job *job)
{
	weir_lookup_cancel(&((struct look *)job)->lookup);
}

static void ftp_job_on_found(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct look *look = WEIR_CONTAINER(lookup, struct look, lookup);
	struct ftp_session *session = look->job.session;
	if (!strcmp(look->path, "/"))
		ftp_log_home(session, error);
	if (error < 0)
		ftp_reply_text(session, ftp_error_text(error));
	else
		look->found(session, look->path, file);
	ftp_job_end(&look->job);
}

void ftp_look_up(struct ftp_session *session, const char *name,
        void (*found)(struct ftp_session *session, const char *path, struct weir_file *file))
{
	struct ftp_path path;
	int error = ftp_path_find(session, name, &path);
	if (error < 0) {
		ftp_reply_text(session, ftp_error_text(error));
		return;
	}
	size_t size = strlen(path.shown) + 1;
	struct look *look = ftp_job_begin(session, sizeof *look + size, ftp_job_cancel_look);
	if (!look)
		return;
	memcpy(look->path, path.shown, size);
	look->found = found;
	weir_tree_lookup(ftp_tree(session->server), &look->lookup, path.tree, ftp_job_on_found);
}

/* -- changes ----------------------------------------------------------------------------------- */

static void ftp_job_cancel_change(struct ftp_job *job)
{
	weir_change_cancel(&((struct ftp_change *)job)->change);
}

struct ftp_change *ftp_change_begin(
        struct ftp_session *session, const char *verb, const char *path, struct weir_span reply)
{
	size_t path_size = strlen(path) + 1;
	struct ftp_change *change = ftp_job_begin(
	        session, sizeof *change + path_size + reply.size, ftp_job_cancel_change);
	if (!change)
		return NULL;
	change->verb = verb;
	change->path = memcpy(change + 1, path, path_size);
	change->reply =
	        weir_span(memcpy(change->path + path_size, reply.data, reply.size), reply.size);
	return change;
}

void ftp_change_done(struct weir_change *made, int error)
{
	struct ftp_change *change = WEIR_CONTAINER(made, struct ftp_change, change);
	struct ftp_session *session = change->job.session;
	if (error < 0) {
		const char *text = ftp_error_text(error);
		ftp_log_change(session, change->verb, change->path, error, ftp_code(text));
		ftp_reply_text(session, text);
	} else {
		ftp_log_change(
		        session, change->verb, change->path, 0, ftp_code(change->reply.data));
		ftp_reply_span(session, change->reply);
	}
	ftp_job_end(&change->job);
}
