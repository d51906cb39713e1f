/*
 * Maildrops: the names of a mailbox when it was opened, and its lock.
 *
 * Invariant: the lock is flock(2) on the user's directory, by a descriptor of this maildrop. It
 * excludes maildrops of this and of other processes, and ends with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "maildir_state.h"

struct open_job {
	struct maildir_job base;
	struct maildir_drop *drop;
	int error;
	weir_mail_opened_fn *done;
	char user[];
};

static struct maildir_drop *maildir_drop_drop_of(struct weir_maildrop *base)
{
	return WEIR_CONTAINER(base, struct maildir_drop, base);
}

static void maildir_drop_destroy(struct maildir_drop *drop)
{
	if (drop->directory >= 0)
		close(drop->directory);
	if (drop->mailbox)
		mailbox_put(drop->maildir, drop->mailbox);
	maildir_list_free(&drop->list);
	maildir_release(drop->maildir);
	free(drop);
}

void maildir_close(struct weir_maildrop *base)
{
	struct maildir_drop *drop = maildir_drop_drop_of(base);
	drop->closed = true;
	if (!drop->removing)
		maildir_drop_destroy(drop);
}

/* -- opening ----------------------------------------------------------------------------------- */

static int maildir_drop_lock(int directory)
{
	while (flock(directory, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return -EBUSY;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static uint64_t maildir_drop_sum(const struct maildir_list *list, size_t count)
{
	uint64_t octets = 0;
	for (size_t i = 0; i < count; i++) {
		struct maildir_message message;
		maildir_list_get(list, i, &message);
		octets += message.octets;
	}
	return octets;
}

static int maildir_drop_open(struct maildir_drop *drop, const char *user)
{
	drop->mailbox = mailbox_get(drop->maildir, user);
	if (!drop->mailbox)
		return -ENOMEM;
	drop->directory = maildir_open_directory(drop->maildir, user, NULL);
	if (drop->directory < 0)
		return drop->directory;
	int error = maildir_drop_lock(drop->directory);
	if (error == 0)
		error = maildir_list_read(&drop->list, drop->directory);
	if (error < 0)
		return error;
	if (mailbox_sweep_due(drop->mailbox))
		maildir_sweep(drop->directory);
	drop->base.count = drop->list.offsets.size / sizeof(uint32_t);
	drop->base.octets = maildir_drop_sum(&drop->list, drop->base.count);
	return 0;
}

static void maildir_drop_run_open(struct weir_work *work)
{
	struct open_job *job = WEIR_CONTAINER(work, struct open_job, base.work);
	job->error = maildir_drop_open(job->drop, job->user);
}

static void maildir_drop_open_done(struct weir_work *work)
{
	struct open_job *job = WEIR_CONTAINER(work, struct open_job, base.work);
	struct weir_mail_call *call = maildir_job_end(&job->base);
	struct maildir_drop *drop = job->drop;
	int error = job->error;
	void (*done)(struct weir_mail_call *, int, struct weir_maildrop *) = job->done;
	free(job);
	if (error < 0 || !call) {
		maildir_drop_destroy(drop);
		drop = NULL;
	}
	if (call)
		done(call, error, drop ? &drop->base : NULL);
}

static struct maildir_drop *maildir_drop_create(struct maildir *maildir, struct weir_loop *loop)
{
	struct maildir_drop *drop = calloc(1, sizeof *drop);
	if (!drop)
		return NULL;
	drop->base.store = &maildir->base;
	drop->maildir = maildir_hold(maildir);
	drop->loop = loop;
	drop->directory = -1;
	return drop;
}

void maildir_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call, weir_mail_opened_fn *done)
{
	if (!weir_mail_user_good(user)) {
		done(call, -ENOENT, NULL);
		return;
	}
	int error = -ENOMEM;
	struct open_job *job = calloc(1, sizeof *job + user.size + 1);
	struct maildir_drop *drop =
	        maildir_drop_create(WEIR_CONTAINER(store, struct maildir, base), loop);
	if (!job || !drop)
		goto error_job;
	memcpy(job->user, user.data, user.size);
	job->drop = drop;
	job->done = done;
	error = maildir_submit(loop, WEIR_LANE_MAILBOX, &job->base, call, maildir_drop_run_open,
	        maildir_drop_open_done);
	if (error == 0)
		return;
error_job:
	free(job);
	if (drop)
		maildir_drop_destroy(drop);
	done(call, error, NULL);
}

void maildir_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret)
{
	const struct maildir_drop *drop = WEIR_CONTAINER(base, struct maildir_drop, base);
	struct maildir_message message;
	maildir_list_get(&drop->list, index, &message);
	ret->octets = message.octets;
	mail_name_uid(message.unique, ret->uid);
}

/* -- removing messages ------------------------------------------------------------------------- */

/*
 * Removing messages from a mailbox, on the work pool; the directories are synced.
 *
 * Invariant: only marked files of the list are removed. A file that another program has renamed
 * meanwhile, to set a flag, is found by the unique part of its name.
 */

struct remove_job {
	struct maildir_job base;
	struct maildir_drop *drop;
	size_t removed;
	int error;
	weir_mail_removed_fn *done;
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
		mailbox_release(removal->drop->mailbox, message.stored);
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
        weir_mail_removed_fn *done)
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
