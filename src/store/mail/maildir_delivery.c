/*
 * The sink of a Maildir store (see mail_message.h), the file of a message that is being delivered,
 * and the check whether a mailbox would take a message.
 *
 *   COMMITTING: waits in the queue of its loop ─▶ is written in a batch, see maildir_commit.c
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "maildir_state.h"
#include "unnamed.h"

static struct maildir_delivery *maildir_delivery_delivery_of(struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, struct maildir_delivery, intake);
}

/* -- the file of a message --------------------------------------------------------------------- */

/*
 * The file of a message that is being delivered. It is unnamed if the file system supports that and
 * there is one recipient; otherwise it is in tmp/ of the first.
 *
 * Invariant: only mail_file_link links it, once it is synced.
 */
enum {
	/* Bytes between two starts of writeback, so that fsync has less to do. */
	WRITEBACK = 8 * 1024 * 1024,
	NAMES_TRIED = 8
};

bool mail_file_can_be_unnamed(int root)
{
	int fd = unnamed_open(root);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int maildir_file_open_hidden(
        struct maildir *maildir, struct mail_file *file, const char *user)
{
	static const struct mail_scan nothing;
	char name[MAIL_NAME_SIZE];
	int directory = maildir_open_directory(maildir, user, "tmp");
	if (directory < 0)
		return directory;
	int error = -EEXIST;
	for (int i = 0; i < NAMES_TRIED && error == -EEXIST; i++) {
		error = mail_name_make(&nothing, name);
		if (error < 0)
			break;
		file->fd = openat(directory, name,
		        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		error = file->fd < 0 ? -errno : 0;
	}
	if (error == 0 && asprintf(&file->hidden, "%s/tmp/%s", user, name) < 0) {
		file->hidden = NULL;
		unlinkat(directory, name, 0);
		close(file->fd);
		file->fd = -1;
		error = -ENOMEM;
	}
	close(directory);
	return error;
}

/*
 * When the only name of a file is removed, because a reader was quick to delete the message, no
 * further link to it can be made. So a file for several recipients has a name in tmp/ meanwhile.
 */
static int mail_file_open(
        struct maildir *maildir, struct mail_file *file, const char *user, bool several)
{
	if (!maildir->unnamed_files || several)
		return maildir_file_open_hidden(maildir, file, user);
	file->fd = openat(maildir->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	return file->fd < 0 ? -errno : 0;
}

static int mail_file_write(struct mail_file *file, struct weir_span bytes)
{
	while (bytes.size) {
		ssize_t put = pwrite(file->fd, bytes.data, bytes.size, (off_t)file->size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		file->size += (uint64_t)put;
		bytes = weir_span_skip(bytes, (size_t)put);
	}
	if (file->size - file->writeback_started >= WRITEBACK) {
		sync_file_range(file->fd, (off_t)file->writeback_started,
		        (off_t)(file->size - file->writeback_started), SYNC_FILE_RANGE_WRITE);
		file->writeback_started = file->size;
	}
	return 0;
}

int mail_file_sync(struct maildir *maildir, struct mail_file *file)
{
	maildir->counters.file_syncs++;
	return fsync(file->fd) < 0 ? -errno : 0;
}

int mail_file_link(
        struct maildir *maildir, const struct mail_file *file, int directory, const char *name)
{
	if (!file->hidden)
		return unnamed_link(file->fd, directory, name);
	return linkat(maildir->root, file->hidden, directory, name, 0) < 0 ? -errno : 0;
}

void mail_file_close(struct maildir *maildir, struct mail_file *file)
{
	if (file->hidden)
		unlinkat(maildir->root, file->hidden, 0);
	free(file->hidden);
	file->hidden = NULL;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* -- checks of a recipient --------------------------------------------------------------------- */

/*
 * If the mailbox worked at its last use, and has room by the count in memory, the answer is given
 * at once, without the work pool. A refusal always comes from a look at the directories.
 */
struct maildir_check_job {
	struct weir_work work;
	struct maildir *maildir;
	struct weir_mail_check *check; /* NULL: cancelled */
	weir_mail_checked_fn *done;
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

static int maildir_check(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        weir_mail_checked_fn *done, void *context)
{
	struct maildir *maildir = WEIR_CONTAINER(
	        WEIR_CONTAINER(sink, struct weir_mail_store, sink), struct maildir, base);
	char user[WEIR_USER_NAME_MAX + 1];
	if (!weir_mail_user_good(recipient->user))
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

static void maildir_check_cancel(struct weir_mail_check *check)
{
	struct maildir_check_job *job = check->job;
	check->job = NULL;
	if (job)
		job->check = NULL;
}

/* -- the intake -------------------------------------------------------------------------------- */

static void maildir_delivery_consumed(struct mail_intake *intake, struct weir_span bytes)
{
	mail_scan(&maildir_delivery_delivery_of(intake)->scan, bytes);
}

/* Returns the first recipient that can have a mailbox; NULL: none. */
static const char *maildir_delivery_first_user(
        const struct maildir_delivery *delivery, bool *ret_several)
{
	const char *first = NULL;
	*ret_several = false;
	for (size_t i = 0; i < delivery->intake.count; i++) {
		*ret_several |= first && delivery->users[i];
		if (!first)
			first = delivery->users[i];
	}
	return first;
}

/*
 * Opens the file in the first mailbox that works, so that a broken one does not affect the others.
 */
static int maildir_delivery_open_file(struct maildir_delivery *delivery)
{
	bool several;
	int error = -ENOENT;
	maildir_delivery_first_user(delivery, &several);
	for (size_t i = 0; i < delivery->intake.count && delivery->file.fd < 0; i++)
		if (delivery->users[i])
			error = mail_file_open(
			        delivery->maildir, &delivery->file, delivery->users[i], several);
	return error;
}

int maildir_delivery_write(struct mail_intake *intake, struct weir_span bytes)
{
	struct maildir_delivery *delivery = maildir_delivery_delivery_of(intake);
	int error = 0;
	if (delivery->file.fd < 0)
		error = maildir_delivery_open_file(delivery);
	return error < 0 ? error : mail_file_write(&delivery->file, bytes);
}

static int maildir_delivery_start_commit(struct mail_intake *intake)
{
	struct maildir_delivery *delivery = maildir_delivery_delivery_of(intake);
	return maildir_queue_add(delivery->queue, delivery);
}

static bool maildir_delivery_is_open(const struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, const struct maildir_delivery, intake)->file.fd >= 0;
}

static void maildir_delivery_close_file(struct mail_intake *intake)
{
	struct maildir_delivery *delivery = maildir_delivery_delivery_of(intake);
	mail_file_close(delivery->maildir, &delivery->file);
}

static void maildir_delivery_free(struct mail_intake *intake)
{
	struct maildir_delivery *delivery = maildir_delivery_delivery_of(intake);
	struct maildir *maildir = delivery->maildir;
	maildir_queue_put(delivery->queue);
	free(delivery);
	maildir_release(maildir);
}

static const struct mail_intake_type intake_type = {
        .waiting_most = WEIR_MAIL_BUFFER,
        .consumed = maildir_delivery_consumed,
        .write = maildir_delivery_write,
        .commit = maildir_delivery_start_commit,
        .is_open = maildir_delivery_is_open,
        .close = maildir_delivery_close_file,
        .free = maildir_delivery_free,
};

/* -- the sink ---------------------------------------------------------------------------------- */

static struct maildir *maildir_delivery_maildir_of(struct weir_mail_sink *sink)
{
	return WEIR_CONTAINER(
	        WEIR_CONTAINER(sink, struct weir_mail_store, sink), struct maildir, base);
}

/* Allocates one block: the delivery, its errors, the pointers to its users, their names. */
static struct maildir_delivery *maildir_delivery_allocate(const struct weir_mail_envelope *envelope)
{
	size_t names = 0, count = envelope->count;
	for (size_t i = 0; i < count; i++)
		names += envelope->recipients[i].user.size + 1;
	struct maildir_delivery *delivery =
	        calloc(1, sizeof *delivery + count * (sizeof(char *) + sizeof(int)) + names);
	if (!delivery)
		return NULL;
	delivery->users = (const char **)(void *)(delivery + 1);
	delivery->intake.errors = (int *)(void *)(delivery->users + count);
	char *name = (char *)(delivery->intake.errors + count);
	for (size_t i = 0; i < count; i++) {
		struct weir_span user = envelope->recipients[i].user;
		if (!weir_mail_user_good(user)) {
			delivery->intake.errors[i] = -ENOENT;
			continue;
		}
		delivery->users[i] = name;
		memcpy(name, user.data, user.size);
		name += user.size + 1;
	}
	return delivery;
}

static int maildir_delivery_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, weir_mail_ready_fn *ready, void *context,
        struct weir_mail_delivery **ret)
{
	struct maildir *maildir = maildir_delivery_maildir_of(sink);
	uint64_t most = maildir->options.message_max;
	if (envelope->size > most || envelope->count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_LIMIT;
	bool several;
	struct maildir_delivery *delivery = maildir_delivery_allocate(envelope);
	if (!delivery)
		return -ENOMEM;
	delivery->intake.count = envelope->count;
	if (!maildir_delivery_first_user(delivery, &several)) {
		free(delivery);
		return -ENOENT;
	}
	delivery->queue = maildir_queue_get(maildir, loop);
	if (!delivery->queue) {
		free(delivery);
		return -ENOMEM;
	}
	delivery->maildir = maildir_hold(maildir);
	delivery->file.fd = -1;
	delivery->together = envelope->together;
	delivery->announced = envelope->size;
	struct mail_intake *intake = &delivery->intake;
	intake->base.sink = sink;
	intake->type = &intake_type;
	intake->loop = loop;
	intake->most = most;
	intake->ready = ready;
	intake->context = context;
	*ret = &intake->base;
	return 0;
}

const struct weir_mail_sink_type maildir_sink = {
        .name = "maildir",
        .begin = maildir_delivery_begin,
        .write = mail_intake_write,
        .commit = mail_intake_commit,
        .abort = mail_intake_abort,
        .check = maildir_check,
        .check_cancel = maildir_check_cancel,
};
