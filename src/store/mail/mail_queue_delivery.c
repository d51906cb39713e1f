/*
 * The sink of the queue (see mail_intake.h).
 *
 * Invariant: the message file is synced and renamed before the envelope is. The envelope makes the
 * message exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_message.h"
#include "mail_queue_state.h"

enum {
	NAMES_TRIED = 16
};

struct queue_delivery {
	struct mail_intake intake;
	struct queue_files *queue;
	struct weir_queued *queued; /* becomes the envelope */
	struct queue_entry *entry;  /* becomes the entry */
	bool hold;                  /* the message must not be claimed when it is on the disk */
	bool in_line;               /* the last byte taken ends no line */
	int fd;                     /* of ID.tmp; -1: not open yet */
};

static struct queue_delivery *mail_queue_delivery_delivery_of(struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, struct queue_delivery, intake);
}

static struct queue_delivery *mail_queue_delivery_work(struct weir_work *work)
{
	return mail_queue_delivery_delivery_of(WEIR_CONTAINER(work, struct mail_intake, work));
}

/* -- on the work pool -------------------------------------------------------------------------- */

static int mail_queue_delivery_open_file(struct queue_delivery *delivery)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		char name[QUEUE_NAME];
		int error = mail_queue_make_id(delivery->queued->id);
		if (error < 0)
			return error;
		mail_queue_name(name, delivery->queued->id, ".tmp");
		delivery->fd = openat(delivery->queue->directory, name,
		        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (delivery->fd >= 0 || errno != EEXIST)
			return delivery->fd < 0 ? -errno : 0;
	}
	return -EEXIST;
}

static int mail_queue_delivery_write_out(struct mail_intake *intake, struct weir_span bytes)
{
	struct queue_delivery *delivery = mail_queue_delivery_delivery_of(intake);
	int error = delivery->fd < 0 ? mail_queue_delivery_open_file(delivery) : 0;
	return error ? error : mail_queue_write(delivery->fd, bytes);
}

static int mail_queue_delivery_publish(struct queue_delivery *delivery)
{
	char temporary[QUEUE_NAME], name[QUEUE_NAME];
	int directory = delivery->queue->directory;
	int error = mail_queue_delivery_write_out(
	        &delivery->intake, weir_buffer_span(&delivery->intake.waiting));
	delivery->queued->size = delivery->intake.size;
	if (error == 0 && fsync(delivery->fd) < 0)
		error = -errno;
	if (error < 0)
		return error;
	mail_queue_name(temporary, delivery->queued->id, ".tmp");
	mail_queue_name(name, delivery->queued->id, ".msg");
	if (renameat2(directory, temporary, directory, name, RENAME_NOREPLACE) < 0)
		return -errno;
	close(delivery->fd);
	delivery->fd = -1;
	error = mail_queued_store(directory, delivery->queued);
	if (error == 0)
		return 0;
	/* The commit has failed: the message must not exist. */
	if (mail_queued_remove(directory, delivery->queued->id) == -ENOENT)
		unlinkat(directory, name, 0);
	return error;
}

static void mail_queue_delivery_remove_file(struct mail_intake *intake)
{
	struct queue_delivery *delivery = mail_queue_delivery_delivery_of(intake);
	char name[QUEUE_NAME];
	if (delivery->fd < 0)
		return;
	mail_queue_name(name, delivery->queued->id, ".tmp");
	unlinkat(delivery->queue->directory, name, 0);
	close(delivery->fd);
	delivery->fd = -1;
}

static void mail_queue_delivery_run_commit(struct weir_work *work)
{
	struct queue_delivery *delivery = mail_queue_delivery_work(work);
	delivery->intake.result = mail_queue_delivery_publish(delivery);
	if (delivery->intake.result == 0) {
		memcpy(delivery->entry->id, delivery->queued->id, QUEUE_FILE_ID);
		delivery->entry->next_s = delivery->queued->next_s;
	}
	mail_queue_delivery_remove_file(&delivery->intake);
}

/* -- the intake -------------------------------------------------------------------------------- */

static void mail_queue_delivery_consumed(struct mail_intake *intake, struct weir_span bytes)
{
	if (bytes.size)
		mail_queue_delivery_delivery_of(intake)->in_line =
		        bytes.data[bytes.size - 1] != '\n';
}

/*
 * -- held messages
 * ---------------------------------------------------------------------------------
 */

static void mail_queue_delivery_end(struct queue_delivery *delivery)
{
	delivery->intake.aborted = true; /* `done` has been called, or is not wanted */
	mail_intake_finish(&delivery->intake);
}

static void mail_queue_delivery_run_unpublish(struct weir_work *work)
{
	struct queue_delivery *delivery = mail_queue_delivery_work(work);
	mail_queued_remove(delivery->queue->directory, delivery->queued->id);
}

static void mail_queue_delivery_unpublish_done(struct weir_work *work)
{
	mail_queue_delivery_end(mail_queue_delivery_work(work));
}

/*
 * A message that was not released must not be sent. If the pool accepts no work, the loop blocks.
 */
static void mail_queue_delivery_unpublish(struct queue_delivery *delivery)
{
	struct mail_intake *intake = &delivery->intake;
	intake->state = INTAKE_COMMITTING;
	intake->aborted = true;
	if (weir_work_submit(intake->loop, &intake->work, mail_queue_delivery_run_unpublish,
	            mail_queue_delivery_unpublish_done) == 0)
		return;
	mail_queue_delivery_run_unpublish(&intake->work);
	mail_queue_delivery_unpublish_done(&intake->work);
}

static void mail_queue_delivery_queue_delivery_hold(struct queue_delivery *delivery)
{
	struct mail_intake *intake = &delivery->intake;
	intake->state = INTAKE_HELD;
	if (intake->aborted)
		mail_queue_delivery_unpublish(delivery);
	else
		intake->done(intake->done_context, intake->errors);
}

static void mail_queue_delivery_delivery_hold(struct weir_mail_delivery *base)
{
	mail_queue_delivery_delivery_of(WEIR_CONTAINER(base, struct mail_intake, base))->hold =
	        true;
}

static void mail_queue_delivery_release(struct weir_mail_delivery *base)
{
	struct queue_delivery *delivery =
	        mail_queue_delivery_delivery_of(WEIR_CONTAINER(base, struct mail_intake, base));
	mail_queue_add(delivery->queue, delivery->entry);
	delivery->entry = NULL;
	mail_queue_delivery_end(delivery);
}

static void mail_queue_delivery_abort(struct weir_mail_delivery *base)
{
	struct mail_intake *intake = WEIR_CONTAINER(base, struct mail_intake, base);
	if (intake->state == INTAKE_HELD)
		mail_queue_delivery_unpublish(mail_queue_delivery_delivery_of(intake));
	else
		mail_intake_abort(base);
}

static void mail_queue_delivery_commit_done(struct weir_work *work)
{
	struct queue_delivery *delivery = mail_queue_delivery_work(work);
	if (delivery->intake.result == 0 && delivery->hold) {
		mail_queue_delivery_queue_delivery_hold(delivery);
		return;
	}
	if (delivery->intake.result == 0) {
		mail_queue_add(delivery->queue, delivery->entry);
		delivery->entry = NULL;
	}
	mail_intake_fail(&delivery->intake, delivery->intake.result);
	mail_intake_finish(&delivery->intake);
}

static int mail_queue_delivery_start_commit(struct mail_intake *intake)
{
	return weir_work_submit_to(intake->loop, WEIR_LANE_MAIL, &intake->work,
	        mail_queue_delivery_run_commit, mail_queue_delivery_commit_done);
}

static bool mail_queue_delivery_is_open(const struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, const struct queue_delivery, intake)->fd >= 0;
}

static void mail_queue_delivery_free(struct mail_intake *intake)
{
	struct queue_delivery *delivery = mail_queue_delivery_delivery_of(intake);
	if (delivery->entry) {
		mail_queue_unreserve(delivery->queue);
		free(delivery->entry);
	}
	mail_queued_free(delivery->queued);
	free(intake->errors);
	mail_queue_release(delivery->queue);
	free(delivery);
}

static const struct mail_intake_type intake_type = {
        .waiting_most = WEIR_QUEUE_BUFFER,
        .consumed = mail_queue_delivery_consumed,
        .write = mail_queue_delivery_write_out,
        .commit = mail_queue_delivery_start_commit,
        .is_open = mail_queue_delivery_is_open,
        .close = mail_queue_delivery_remove_file,
        .free = mail_queue_delivery_free,
};

/* -- the sink ---------------------------------------------------------------------------------- */

static struct queue_delivery *mail_queue_delivery_make(
        const struct weir_mail_envelope *envelope, struct weir_loop *loop)
{
	struct queue_delivery *delivery = calloc(1, sizeof *delivery);
	if (!delivery)
		return NULL;
	delivery->queued = mail_queued_make(envelope, weir_loop_wall_s(loop));
	delivery->entry = calloc(1, sizeof *delivery->entry);
	delivery->intake.errors = calloc(envelope->count, sizeof *delivery->intake.errors);
	if (delivery->queued && delivery->entry && delivery->intake.errors)
		return delivery;
	mail_queued_free(delivery->queued);
	free(delivery->entry);
	free(delivery->intake.errors);
	free(delivery);
	return NULL;
}

static int mail_queue_delivery_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, weir_mail_ready_fn *ready, void *context,
        struct weir_mail_delivery **ret)
{
	struct queue_files *queue =
	        queue_files_of(WEIR_CONTAINER(sink, struct weir_mail_queue, sink));
	int error = mail_queue_check(queue->message_max, envelope);
	if (error == 0)
		error = mail_queue_reserve(queue);
	if (error < 0)
		return error;
	struct queue_delivery *delivery = mail_queue_delivery_make(envelope, loop);
	if (!delivery) {
		mail_queue_unreserve(queue);
		return -ENOMEM;
	}
	delivery->queue = queue;
	mail_queue_hold(queue);
	delivery->fd = -1;
	struct mail_intake *intake = &delivery->intake;
	intake->base.sink = sink;
	intake->type = &intake_type;
	intake->loop = loop;
	intake->most = queue->message_max;
	intake->count = envelope->count;
	intake->ready = ready;
	intake->context = context;
	*ret = &intake->base;
	return 0;
}

/* A stored message ends in a line end, since a forwarded one has to. */
static void mail_queue_delivery_commit(
        struct weir_mail_delivery *base, weir_mail_done_fn *done, void *context)
{
	struct mail_intake *intake = WEIR_CONTAINER(base, struct mail_intake, base);
	if (mail_queue_delivery_delivery_of(intake)->in_line)
		mail_intake_write(base, WEIR_SPAN("\r\n"));
	mail_intake_commit(base, done, context);
}

const struct weir_mail_sink_type mail_queue_sink_type = {
        .name = "queue",
        .begin = mail_queue_delivery_begin,
        .write = mail_intake_write,
        .commit = mail_queue_delivery_commit,
        .abort = mail_queue_delivery_abort,
        .hold = mail_queue_delivery_delivery_hold,
        .release = mail_queue_delivery_release,
};
