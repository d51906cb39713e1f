/*
 * A check whether a mailbox would take a message, before the message comes.
 *
 * If the mailbox worked at its last use, and has room by the count in memory, the answer is given
 * at once, without the work pool. A refusal always comes from a look at the directories.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maildir_state.h"

struct maildir_check_job {
	struct weir_work work;
	struct maildir *maildir;
	struct weir_mail_check *check; /* NULL: cancelled */
	void (*done)(void *context, int error);
	void *context;
	uint64_t size;
	int error;
	char user[];
};

static void maildir_check_run(struct weir_work *work)
{
	struct maildir_check_job *job = WEIR_CONTAINER(work, struct maildir_check_job, work);
	job->error = mailbox_probe(job->maildir, job->user, job->size);
}

static void maildir_check_done(struct weir_work *work)
{
	struct maildir_check_job *job = WEIR_CONTAINER(work, struct maildir_check_job, work);
	if (job->check) {
		job->check->job = NULL;
		job->done(job->context, job->error);
	}
	maildir_release(job->maildir);
	free(job);
}

/* The job belongs to the work pool once it is submitted, so that it is completed before. */
static int maildir_check_submit(
        struct maildir_check_job *job, struct maildir *maildir, struct weir_loop *loop)
{
	job->maildir = maildir_hold(maildir);
	int error = weir_work_submit(loop, &job->work, maildir_check_run, maildir_check_done);
	if (error == 0)
		return WEIR_MAIL_PENDING;
	maildir_release(maildir);
	job->check->job = NULL;
	free(job);
	return error;
}

int maildir_check(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        void (*done)(void *context, int error), void *context)
{
	struct maildir *maildir = WEIR_CONTAINER(
	        WEIR_CONTAINER(sink, struct weir_mail_store, sink), struct maildir, base);
	char user[WEIR_USER_NAME_MAX + 1];
	if (!maildir_user_good(recipient->user))
		return -ENOENT;
	memcpy(user, recipient->user.data, recipient->user.size);
	user[recipient->user.size] = 0;
	if (mailbox_is_known_good(maildir, user, size))
		return 0;
	struct maildir_check_job *job = calloc(1, sizeof *job + recipient->user.size + 1);
	if (!job)
		return -ENOMEM;
	memcpy(job->user, user, recipient->user.size + 1);
	job->check = check;
	job->done = done;
	job->context = context;
	job->size = size;
	check->job = job;
	return maildir_check_submit(job, maildir, loop);
}

void maildir_check_cancel(struct weir_mail_check *check)
{
	struct maildir_check_job *job = check->job;
	check->job = NULL;
	if (job)
		job->check = NULL;
}
