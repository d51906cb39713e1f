/*
 * A job: a command that cannot be answered at once. The control connection waits for it.
 *
 * Life cycle: ftp_job_begin, then ftp_job_end; or cancel() if the session ends before. Embedded
 * first in the state of a command.
 */
#ifndef WEIR_FTP_JOB_H
#define WEIR_FTP_JOB_H

#include <weir/upload.h>

#include "session.h"

struct ftp_job {
	struct ftp_session *session;
	void (*cancel)(struct ftp_job *job); /* after which no callback may come */
};

/* Makes a job whose further fields are 0. Without memory it replies 451 and returns NULL. */
void *ftp_job_begin(struct ftp_session *session, size_t size, void (*cancel)(struct ftp_job *job));

/* Frees the job; the session goes on. */
void ftp_job_end(struct ftp_job *job);

/* Cancels and frees the job, at the end of the session. NULL is allowed. */
void ftp_job_drop(struct ftp_job *job);

/* -- lookups ----------------------------------------------------------------------------------- */

/*
 * Looks up a pathname and calls found() once, now or in a later turn. `path` is as the user sees
 * it. `path` and `file` are valid during the call. After an error it sends the reply and does not
 * call found().
 */
void ftp_look_up(struct ftp_session *session, const char *name,
        void (*found)(struct ftp_session *session, const char *path, struct weir_file *file));

/* -- changes ----------------------------------------------------------------------------------- */

/* A change of the tree, and the reply when it has been made. */
struct ftp_change {
	struct ftp_job job;
	struct weir_change change;
	const char *verb;
	char *path; /* for the log */
	struct weir_span reply;
};

/* Makes a change and copies the arguments. Without memory it replies 451 and returns NULL. */
struct ftp_change *ftp_change_begin(
        struct ftp_session *session, const char *verb, const char *path, struct weir_span reply);

/* The `done` of weir_tree_remove and similar functions: replies, and ends the job. */
void ftp_change_done(struct weir_change *change, int error);

#endif
