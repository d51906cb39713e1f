/*
 * A message on its way into the queue: its bytes wait in memory, a small one's until the commit,
 * and the work pool writes them.
 *
 *   IDLE ◀─▶ WRITING      IDLE ─ commit ─▶ COMMITTING ─▶ (done) ─▶ freed      abort ─▶ ENDING
 *
 * Invariants: while the state is not IDLE, `file` and `writing` are the work pool's; the message's
 * file is synced and has its name before the envelope's has, and with that the message is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "mail_queue_state.h"

enum {
	CHUNK = 64 * 1024, /* waiting bytes that are worth a trip to the work pool */
	NAMES_TRIED = 16
};

enum delivery_state {
	DELIVERY_IDLE,
	DELIVERY_WRITING,
	DELIVERY_COMMITTING,
	DELIVERY_ENDING,
};

struct queue_delivery {
	struct weir_mail_delivery base;
	struct weir_work work;
	struct weir_task task;
	struct weir_mail_queue *queue;
	struct weir_loop *loop;
	enum delivery_state state;
	int error; /* the first, and final */
	bool told; /* the caller knows of it */
	bool full; /* write answered so; ready is owed */
	bool finishing;
	bool aborted;
	void (*ready)(void *context, int error);
	void *context;
	void (*done)(void *context, const int *errors);
	void *done_context;
	struct weir_buffer waiting;
	struct weir_buffer writing;
	struct weir_queued *queued; /* what will be its envelope */
	struct queue_entry *entry;  /* what will be its place */
	int *errors;                /* one a recipient */
	bool in_line;               /* the last byte taken ends no line */
	int fd;                     /* of ID.tmp; -1: not there yet */
	int result;                 /* of the work */
};

static struct queue_delivery *delivery_of(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct queue_delivery, work);
}

/* -- on the work pool -------------------------------------------------------------------------- */

static int open_file(struct queue_delivery *delivery)
{
	for (int i = 0; i < NAMES_TRIED; i++) {
		char name[QUEUE_NAME];
		int error = weir_queue_make_id(delivery->queued->id);
		if (error < 0)
			return error;
		weir_queue_name(name, delivery->queued->id, ".tmp");
		delivery->fd = openat(delivery->queue->directory, name,
		        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (delivery->fd >= 0 || errno != EEXIST)
			return delivery->fd < 0 ? -errno : 0;
	}
	return -EEXIST;
}

static int write_out(struct queue_delivery *delivery)
{
	int error = delivery->fd < 0 ? open_file(delivery) : 0;
	return error ? error : weir_queue_write(delivery->fd, weir_buffer_span(&delivery->writing));
}

static int publish(struct queue_delivery *delivery)
{
	char temporary[QUEUE_NAME], name[QUEUE_NAME];
	int directory = delivery->queue->directory;
	int error = write_out(delivery);
	if (error == 0 && fsync(delivery->fd) < 0)
		error = -errno;
	if (error < 0)
		return error;
	weir_queue_name(temporary, delivery->queued->id, ".tmp");
	weir_queue_name(name, delivery->queued->id, ".msg");
	if (renameat2(directory, temporary, directory, name, RENAME_NOREPLACE) < 0)
		return -errno;
	close(delivery->fd);
	delivery->fd = -1;
	error = weir_queued_store(directory, delivery->queued);
	if (error == 0)
		return 0;
	/* Not promised, so it must not be there. */
	if (weir_queued_remove(directory, delivery->queued->id) == -ENOENT)
		unlinkat(directory, name, 0);
	return error;
}

static void remove_file(struct queue_delivery *delivery)
{
	char name[QUEUE_NAME];
	if (delivery->fd < 0)
		return;
	weir_queue_name(name, delivery->queued->id, ".tmp");
	unlinkat(delivery->queue->directory, name, 0);
	close(delivery->fd);
	delivery->fd = -1;
}

static void run_write(struct weir_work *work)
{
	delivery_of(work)->result = write_out(delivery_of(work));
}

static void run_commit(struct weir_work *work)
{
	struct queue_delivery *delivery = delivery_of(work);
	delivery->result = publish(delivery);
	if (delivery->result == 0) {
		memcpy(delivery->entry->id, delivery->queued->id, WEIR_QUEUE_ID_SIZE);
		delivery->entry->next_s = delivery->queued->next_s;
	}
	remove_file(delivery);
}

static void run_end(struct weir_work *work)
{
	remove_file(delivery_of(work));
}

/* -- ends -------------------------------------------------------------------------------------- */

static void destroy(struct queue_delivery *delivery)
{
	weir_loop_cancel(delivery->loop, &delivery->task);
	if (delivery->entry) {
		weir_queue_unreserve(delivery->queue);
		free(delivery->entry);
	}
	weir_buffer_free(&delivery->waiting);
	weir_buffer_free(&delivery->writing);
	weir_queued_free(delivery->queued);
	free(delivery->errors);
	weir_queue_release(delivery->queue);
	free(delivery);
}

static void end_done(struct weir_work *work)
{
	destroy(delivery_of(work));
}

/* If the pool takes no more work, the loop waits for an unlink. */
static void end(struct queue_delivery *delivery)
{
	delivery->state = DELIVERY_ENDING;
	if (delivery->fd >= 0 &&
	        weir_work_submit(delivery->loop, &delivery->work, run_end, end_done) == 0)
		return;
	remove_file(delivery);
	destroy(delivery);
}

static void finish(struct queue_delivery *delivery, int error)
{
	bool wanted = !delivery->aborted;
	delivery->aborted = true; /* an abort from the callback is harmless */
	delivery->state = DELIVERY_ENDING;
	for (size_t i = 0; i < delivery->queued->count; i++)
		delivery->errors[i] = error;
	if (wanted)
		delivery->done(delivery->done_context, delivery->errors);
	end(delivery);
}

static void commit_done(struct weir_work *work)
{
	struct queue_delivery *delivery = delivery_of(work);
	if (delivery->result == 0) {
		weir_queue_add(delivery->queue, delivery->entry);
		delivery->entry = NULL;
	}
	finish(delivery, delivery->result);
}

static void fail_later(struct weir_task *task)
{
	struct queue_delivery *delivery = WEIR_CONTAINER(task, struct queue_delivery, task);
	finish(delivery, delivery->error);
}

/* -- steps ------------------------------------------------------------------------------------- */

static void write_done(struct weir_work *work);

static void submit(struct queue_delivery *delivery, enum delivery_state state,
        void (*run)(struct weir_work *work), void (*done)(struct weir_work *work))
{
	delivery->writing = delivery->waiting;
	delivery->waiting = (struct weir_buffer){0};
	int error = weir_work_submit(delivery->loop, &delivery->work, run, done);
	if (error < 0)
		delivery->error = error;
	else
		delivery->state = state;
}

/* The step after the last one. The delivery may be freed by it. */
static void advance(struct queue_delivery *delivery)
{
	if (delivery->state != DELIVERY_IDLE)
		return;
	if (delivery->aborted) {
		end(delivery);
		return;
	}
	if (!delivery->error && delivery->finishing)
		submit(delivery, DELIVERY_COMMITTING, run_commit, commit_done);
	else if (!delivery->error && delivery->waiting.size >= CHUNK)
		submit(delivery, DELIVERY_WRITING, run_write, write_done);
	if (!delivery->error || !delivery->finishing)
		return;
	delivery->task.run = fail_later;
	weir_loop_defer(delivery->loop, &delivery->task);
}

/* The last thing done for a step, since the caller may abort in it. */
static void tell(struct queue_delivery *delivery)
{
	bool room = delivery->full && delivery->waiting.size <= WEIR_QUEUE_BUFFER / 2;
	if (delivery->finishing || delivery->told || !(room || delivery->error))
		return;
	delivery->full = false;
	delivery->told = delivery->error < 0;
	if (delivery->ready)
		delivery->ready(delivery->context, delivery->error);
}

static void write_done(struct weir_work *work)
{
	struct queue_delivery *delivery = delivery_of(work);
	weir_buffer_free(&delivery->writing);
	delivery->state = DELIVERY_IDLE;
	if (!delivery->error)
		delivery->error = delivery->result;
	bool last = delivery->aborted || delivery->finishing;
	advance(delivery);
	if (!last)
		tell(delivery);
}

/* -- the sink ---------------------------------------------------------------------------------- */

static struct queue_delivery *make_delivery(
        const struct weir_mail_envelope *envelope, struct weir_loop *loop)
{
	struct queue_delivery *delivery = calloc(1, sizeof *delivery);
	if (!delivery)
		return NULL;
	delivery->queued = weir_queued_make(envelope, weir_loop_wall_s(loop));
	delivery->entry = calloc(1, sizeof *delivery->entry);
	delivery->errors = calloc(envelope->count, sizeof *delivery->errors);
	if (delivery->queued && delivery->entry && delivery->errors)
		return delivery;
	weir_queued_free(delivery->queued);
	free(delivery->entry);
	free(delivery->errors);
	free(delivery);
	return NULL;
}

static int delivery_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, void (*ready)(void *context, int error),
        void *context, struct weir_mail_delivery **ret)
{
	struct weir_mail_queue *queue = WEIR_CONTAINER(sink, struct weir_mail_queue, sink);
	int error = weir_queue_check(queue, envelope);
	if (error == 0)
		error = weir_queue_reserve(queue);
	if (error < 0)
		return error;
	struct queue_delivery *delivery = make_delivery(envelope, loop);
	if (!delivery) {
		weir_queue_unreserve(queue);
		return -ENOMEM;
	}
	delivery->base.sink = sink;
	delivery->queue = queue;
	weir_queue_hold(queue);
	delivery->loop = loop;
	delivery->ready = ready;
	delivery->context = context;
	delivery->fd = -1;
	*ret = &delivery->base;
	return 0;
}

static int take(struct queue_delivery *delivery, struct weir_span bytes)
{
	if (bytes.size > delivery->queue->message_max - delivery->queued->size)
		return WEIR_E_LIMIT;
	int error = weir_buffer_append(&delivery->waiting, bytes.data, bytes.size, SIZE_MAX);
	if (error == 0 && bytes.size)
		delivery->in_line = bytes.data[bytes.size - 1] != '\n';
	delivery->queued->size += error ? 0 : bytes.size;
	return error;
}

static int delivery_write(struct weir_mail_delivery *base, struct weir_span bytes)
{
	struct queue_delivery *delivery = WEIR_CONTAINER(base, struct queue_delivery, base);
	if (delivery->finishing || delivery->aborted)
		return WEIR_E_CLOSED;
	if (!delivery->error)
		delivery->error = take(delivery, bytes);
	advance(delivery);
	if (delivery->error) {
		delivery->told = true;
		return delivery->error;
	}
	delivery->full = delivery->waiting.size >= WEIR_QUEUE_BUFFER;
	return delivery->full ? WEIR_MAIL_FULL : 0;
}

static void delivery_commit(struct weir_mail_delivery *base,
        void (*done)(void *context, const int *errors), void *context)
{
	struct queue_delivery *delivery = WEIR_CONTAINER(base, struct queue_delivery, base);
	/* What is forwarded ends with a line's end: so does what is kept. */
	if (delivery->in_line && !delivery->error)
		delivery->error = take(delivery, WEIR_SPAN("\r\n"));
	delivery->finishing = true;
	delivery->done = done;
	delivery->done_context = context;
	advance(delivery);
}

static void delivery_abort(struct weir_mail_delivery *base)
{
	struct queue_delivery *delivery = WEIR_CONTAINER(base, struct queue_delivery, base);
	if (delivery->aborted)
		return;
	delivery->aborted = true;
	advance(delivery);
}

const struct weir_mail_sink_type weir_mail_queue_sink_type = {
        .name = "queue",
        .begin = delivery_begin,
        .write = delivery_write,
        .commit = delivery_commit,
        .abort = delivery_abort,
};
