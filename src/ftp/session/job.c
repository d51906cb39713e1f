/*
 * Jobs: lookups and changes, which are answered at once or in a later turn. The reply is sent
 * before the control connection is read again.
 */
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "pathname.h"
#include "reply.h"

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
