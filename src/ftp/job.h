/*
 * A job: a command that cannot be answered at once. The control connection waits for it.
 *
 * Life cycle: ftp_job_begin, then ftp_job_end when it is done; or its cancel() when the
 * session ends before. Embedded first in what a command keeps meanwhile.
 */
#ifndef WEIR_FTP_JOB_H
#define WEIR_FTP_JOB_H

#include <weir/upload.h>

#include "session.h"

struct ftp_job {
	struct ftp_session *session;
	void (*cancel)(struct ftp_job *job); /* no callback may come afterwards */
};

/* All zero but for the above; NULL without memory, and 451 has been said. */
void *ftp_job_begin(struct ftp_session *session, size_t size, void (*cancel)(struct ftp_job *job));

/* Frees it; the session goes on. */
void ftp_job_end(struct ftp_job *job);

/* For the end of the session: cancels and frees. NULL is allowed. */
void ftp_job_drop(struct ftp_job *job);

/* -- lookups ----------------------------------------------------------------------------------- */

/*
 * Looks a pathname up, and calls found() once, now or later. `path` is as the user sees it, and
 * valid during the call, as is `file`. With an error, which has been replied to, it is not called.
 */
void ftp_look_up(struct ftp_session *session, const char *name,
        void (*found)(struct ftp_session *session, const char *path, struct weir_file *file));

/* -- changes ----------------------------------------------------------------------------------- */

/* A change of the tree under way, and what is said when it is made. */
struct ftp_change {
	struct ftp_job job;
	struct weir_change change;
	const char *verb;
	char *path; /* for the log */
	struct weir_span reply;
};

/* The arguments are copied. NULL without memory, and 451 has been said. */
struct ftp_change *ftp_change_begin(
        struct ftp_session *session, const char *verb, const char *path, struct weir_span reply);

/* For weir_tree_remove and its kin: replies, and ends the job. */
void ftp_change_done(struct weir_change *change, int error);

#endif
