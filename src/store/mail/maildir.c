/*
 * A store of Maildirs: its creation, its end, and the common part of its calls.
 *
 * Invariant: everything under way has a reference to the store, so that it may be destroyed at any
 * time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "maildir_state.h"

static struct maildir *maildir_of(struct weir_mail_store *store)
{
	return WEIR_CONTAINER(store, struct maildir, base);
}

struct maildir *maildir_hold(struct maildir *maildir)
{
	refcount_hold(&maildir->references);
	return maildir;
}

void maildir_release(struct maildir *maildir)
{
	if (!refcount_release(&maildir->references))
		return;
	mailboxes_free(maildir);
	pthread_mutex_destroy(&maildir->lock);
	close(maildir->root);
	free(maildir);
}

/* -- calls ------------------------------------------------------------------------------------- */

int maildir_submit(struct weir_loop *loop, enum weir_lane lane, struct maildir_job *job,
        struct weir_mail_call *call, void (*run)(struct weir_work *work),
        void (*done)(struct weir_work *work))
{
	int error = weir_work_submit_to(loop, lane, &job->work, run, done);
	if (error < 0)
		return error;
	job->call = call;
	call->job = job;
	return 0;
}

struct weir_mail_call *maildir_job_end(struct maildir_job *job)
{
	struct weir_mail_call *call = job->call;
	if (call)
		call->job = NULL;
	return call;
}

static void maildir_cancel(struct weir_mail_call *call)
{
	struct maildir_job *job = call->job;
	job->call = NULL;
}

/* -- the store --------------------------------------------------------------------------------- */

static void maildir_destroy(struct weir_mail_store *store)
{
	maildir_release(maildir_of(store));
}

static const struct weir_mail_store_type maildir_type = {
        .name = "maildir",
        .open = maildir_open,
        .info = maildir_info,
        .fetch = maildir_fetch,
        .remove = maildir_remove,
        .cancel = maildir_cancel,
        .close = maildir_close,
        .destroy = maildir_destroy,
};

int weir_maildir_create(const char *directory, const struct weir_mail_store_options *options,
        struct weir_mail_store **ret)
{
	struct maildir *maildir = calloc(1, sizeof *maildir);
	if (!maildir)
		return -ENOMEM;
	maildir->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = maildir->root < 0 ? -errno : 0;
	if (error == 0) {
		int beneath =
		        maildir_open_beneath(maildir->root, ".", O_RDONLY | O_DIRECTORY, false);
		error = beneath < 0 ? beneath : 0;
		if (beneath >= 0)
			close(beneath);
	}
	if (error == 0)
		error = -pthread_mutex_init(&maildir->lock, NULL);
	if (error < 0) {
		if (maildir->root >= 0)
			close(maildir->root);
		free(maildir);
		return error;
	}
	maildir->base.type = &maildir_type;
	maildir->base.sink.type = &maildir_sink;
	refcount_init(&maildir->references);
	if (options)
		maildir->options = *options;
	if (!maildir->options.message_max)
		maildir->options.message_max = WEIR_MAIL_MESSAGE_MAX;
	maildir->nameless = mail_file_can_be_unnamed(maildir->root);
	weir_list_init(&maildir->unused);
	weir_list_init(&maildir->queues);
	*ret = &maildir->base;
	return 0;
}

void weir_maildir_counters(struct weir_mail_store *store, struct weir_mail_store_counters *ret)
{
	const struct maildir_counters *counters = &maildir_of(store)->counters;
	*ret = (struct weir_mail_store_counters){
	        .messages = counters->messages,
	        .files = counters->files,
	        .file_syncs = counters->file_syncs,
	        .directory_syncs = counters->directory_syncs,
	        .counts = counters->counts,
	};
}
