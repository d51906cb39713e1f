/*
 * Removing messages from a mailbox, on the work pool; the directories are synced.
 *
 * Invariant: only marked files of the list are removed. A file that another program has renamed
 * meanwhile, to set a flag, is found by the unique part of its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maildir_state.h"

struct remove_job {
	struct maildir_job base;
	struct maildir_drop *drop;
	size_t removed;
	int error;
	void (*done)(struct weir_mail_call *call, int error, size_t removed);
	uint8_t marks[];
};

/* A removal under way. */
struct maildir_removal {
	struct maildir_drop *drop;
	int parts[2]; /* new/ and cur/ */
	bool changed[2];
	bool reread;
	struct maildir_list now; /* the present names, read when a file was not found */
};

static int maildir_remove_unlink_message(
        struct maildir_removal *removal, const struct maildir_message *message)
{
	int part = message->flags & MESSAGE_CUR ? 1 : 0;
	if (unlinkat(removal->parts[part], message->name, 0) < 0)
		return -errno;
	removal->changed[part] = true;
	return 0;
}

/* Returns -ENOENT if the file no longer exists. */
static int maildir_remove_unlink_renamed(
        struct maildir_removal *removal, const struct maildir_message *message)
{
	struct maildir_message renamed = {0};
	int error = 0;
	if (!removal->reread)
		error = maildir_list_read(&removal->now, removal->drop->directory);
	removal->reread = true;
	if (error == 0)
		error = maildir_list_find(&removal->now, message->unique, &renamed);
	return error ? error : maildir_remove_unlink_message(removal, &renamed);
}

static int maildir_remove_message(struct maildir_removal *removal, size_t index, size_t *removed)
{
	struct maildir_message message;
	maildir_list_get(&removal->drop->list, index, &message);
	int error = maildir_remove_unlink_message(removal, &message);
	if (error == -ENOENT)
		error = maildir_remove_unlink_renamed(removal, &message);
	if (error == -ENOENT)
		return 0;
	if (error == 0) {
		mailbox_give(removal->drop->mailbox, message.stored);
		++*removed;
	}
	return error;
}

static int maildir_remove_marked(
        struct maildir_removal *removal, const uint8_t *marks, size_t *removed)
{
	static const char *const names[2] = {"new", "cur"};
	struct maildir_drop *drop = removal->drop;
	int error = 0;
	for (int i = 0; i < 2 && error == 0; i++) {
		removal->parts[i] = maildir_open_beneath(
		        drop->directory, names[i], O_RDONLY | O_DIRECTORY, false);
		error = removal->parts[i] < 0 ? removal->parts[i] : 0;
	}
	/* An error of one message does not stop the removal of the others. */
	for (size_t i = 0; i < drop->base.count && removal->parts[1] >= 0; i++) {
		if (!(marks[i / 8] >> (i % 8) & 1))
			continue;
		int result = maildir_remove_message(removal, i, removed);
		if (error == 0)
			error = result;
	}
	return error;
}

static void maildir_remove_run(struct weir_work *work)
{
	struct remove_job *job = WEIR_CONTAINER(work, struct remove_job, base.work);
	struct maildir_drop *drop = job->drop;
	struct maildir_removal removal = {.drop = drop, .parts = {-1, -1}};
	mailbox_begin(drop->maildir, drop->mailbox);
	job->error = maildir_remove_marked(&removal, job->marks, &job->removed);
	mailbox_end(drop->maildir, drop->mailbox);
	for (int i = 0; i < 2; i++) {
		if (removal.changed[i]) {
			int error = maildir_sync(drop->maildir, removal.parts[i]);
			if (job->error == 0)
				job->error = error;
		}
		if (removal.parts[i] >= 0)
			close(removal.parts[i]);
	}
	maildir_list_free(&removal.now);
}

static void maildir_remove_done(struct weir_work *work)
{
	struct remove_job *job = WEIR_CONTAINER(work, struct remove_job, base.work);
	struct weir_mail_call *call = maildir_job_end(&job->base);
	struct maildir_drop *drop = job->drop;
	drop->removing = false;
	if (drop->closed)
		maildir_close(&drop->base);
	if (call)
		job->done(call, job->error, job->removed);
	free(job);
}

/* The marks are copied, so that a cancelled removal can go on. */
void maildir_remove(struct weir_maildrop *base, const uint8_t *marks, struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, size_t removed))
{
	struct maildir_drop *drop = WEIR_CONTAINER(base, struct maildir_drop, base);
	size_t size = (base->count + 7) / 8;
	struct remove_job *job = calloc(1, sizeof *job + size);
	int error = job ? 0 : -ENOMEM;
	if (job) {
		memcpy(job->marks, marks, size);
		job->drop = drop;
		job->done = done;
		error = maildir_submit(drop->loop, WEIR_LANE_MAIL, &job->base, call,
		        maildir_remove_run, maildir_remove_done);
	}
	if (error < 0) {
		free(job);
		done(call, error, 0);
		return;
	}
	drop->removing = true;
}
