/*
 * A message on its way into mailboxes, seen from the loop: its bytes wait in memory, a small one's
 * until the commit, and the work pool writes them.
 *
 *   IDLE ◀─▶ WRITING      IDLE ─ commit ─▶ QUEUED ─▶ BATCHED ─▶ (done) ─▶ freed
 *     └─ abort ─▶ ENDING ─▶ freed      └─ error ─▶ FAILING ─▶ (done) ─▶ ENDING
 *
 * Invariant: while the state is WRITING, BATCHED or ENDING, `file` and `writing` are the work
 * pool's. What is done with a batch is in maildir_commit.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "maildir_state.h"

enum {
	CHUNK = 64 * 1024 /* waiting bytes that are worth a trip to the work pool */
};

static struct maildir_delivery *delivery_of(struct weir_mail_delivery *base)
{
	return WEIR_CONTAINER(base, struct maildir_delivery, base);
}

static struct maildir_delivery *delivery_of_work(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct maildir_delivery, work);
}

/* -- ends -------------------------------------------------------------------------------------- */

static void destroy(struct maildir_delivery *delivery)
{
	struct maildir *maildir = delivery->maildir;
	weir_loop_cancel(delivery->queue->loop, &delivery->task);
	weir_maildir_queue_put(delivery->queue);
	weir_buffer_free(&delivery->waiting);
	weir_buffer_free(&delivery->writing);
	free(delivery);
	weir_maildir_release(maildir);
}

static void run_end(struct weir_work *work)
{
	struct maildir_delivery *delivery = delivery_of_work(work);
	weir_mail_file_close(delivery->maildir, &delivery->file);
}

static void end_done(struct weir_work *work)
{
	destroy(delivery_of_work(work));
}

/* To give a large file's room back takes time. If the pool takes no more work the loop waits. */
static void end(struct maildir_delivery *delivery)
{
	delivery->state = DELIVERY_ENDING;
	if (delivery->file.fd >= 0) {
		if (weir_work_submit(delivery->queue->loop, &delivery->work, run_end, end_done) ==
		        0)
			return;
		run_end(&delivery->work);
	}
	destroy(delivery);
}

void weir_maildir_delivery_finish(struct maildir_delivery *delivery)
{
	bool wanted = !delivery->aborted;
	delivery->aborted = true; /* an abort from the callback is harmless */
	delivery->state = DELIVERY_ENDING;
	if (wanted)
		delivery->done(delivery->done_context, delivery->errors);
	end(delivery);
}

static void fail_later(struct weir_task *task)
{
	struct maildir_delivery *delivery = WEIR_CONTAINER(task, struct maildir_delivery, task);
	for (size_t i = 0; i < delivery->count; i++)
		delivery->errors[i] = delivery->error;
	weir_maildir_delivery_finish(delivery);
}

/* -- writing ----------------------------------------------------------------------------------- */

/* The first whose mailbox it is for; NULL: nobody's. */
static const char *first_user(const struct maildir_delivery *delivery, bool *ret_several)
{
	const char *first = NULL;
	*ret_several = false;
	for (size_t i = 0; i < delivery->count; i++) {
		*ret_several |= first && delivery->users[i];
		if (!first)
			first = delivery->users[i];
	}
	return first;
}

int weir_maildir_delivery_write(struct maildir_delivery *delivery, const struct weir_buffer *bytes)
{
	int error = 0;
	if (delivery->file.fd < 0) {
		bool several;
		const char *user = first_user(delivery, &several);
		error = weir_mail_file_open(delivery->maildir, &delivery->file, user, several);
	}
	return error < 0 ? error : weir_mail_file_write(&delivery->file, weir_buffer_span(bytes));
}

static void run_write(struct weir_work *work)
{
	struct maildir_delivery *delivery = delivery_of_work(work);
	delivery->result = weir_maildir_delivery_write(delivery, &delivery->writing);
}

static void write_done(struct weir_work *work);

static void submit_write(struct maildir_delivery *delivery)
{
	delivery->writing = delivery->waiting;
	delivery->waiting = (struct weir_buffer){0};
	int error = weir_work_submit(delivery->queue->loop, &delivery->work, run_write, write_done);
	if (error < 0)
		delivery->error = error;
	else
		delivery->state = DELIVERY_WRITING;
}

/* The step after the last one. The delivery may be freed by it. */
static void advance(struct maildir_delivery *delivery)
{
	if (delivery->state != DELIVERY_IDLE)
		return;
	if (delivery->aborted) {
		end(delivery);
		return;
	}
	if (!delivery->error && delivery->finishing) {
		delivery->error = weir_maildir_queue_add(delivery->queue, delivery);
		if (!delivery->error)
			return;
	}
	if (!delivery->error && delivery->waiting.size >= CHUNK)
		submit_write(delivery);
	if (delivery->error && delivery->finishing) {
		delivery->state = DELIVERY_FAILING;
		delivery->task.run = fail_later;
		weir_loop_defer(delivery->queue->loop, &delivery->task);
	}
}

/* The last thing done for a step, since the caller may abort in it. */
static void tell(struct maildir_delivery *delivery)
{
	bool room = delivery->full && delivery->waiting.size <= WEIR_MAIL_BUFFER / 2;
	if (delivery->finishing || delivery->told || !(room || delivery->error))
		return;
	delivery->full = false;
	delivery->told = delivery->error < 0;
	if (delivery->ready)
		delivery->ready(delivery->context, delivery->error);
}

static void write_done(struct weir_work *work)
{
	struct maildir_delivery *delivery = delivery_of_work(work);
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

static struct maildir *maildir_of(struct weir_mail_sink *sink)
{
	return WEIR_CONTAINER(
	        WEIR_CONTAINER(sink, struct weir_mail_store, sink), struct maildir, base);
}

/* One block: the delivery, its errors, the pointers to its users, their names. */
static struct maildir_delivery *allocate(const struct weir_mail_envelope *envelope)
{
	size_t names = 0, count = envelope->count;
	for (size_t i = 0; i < count; i++)
		names += envelope->recipients[i].user.size + 1;
	struct maildir_delivery *delivery =
	        calloc(1, sizeof *delivery + count * (sizeof(char *) + sizeof(int)) + names);
	if (!delivery)
		return NULL;
	delivery->users = (const char **)(void *)(delivery + 1);
	delivery->errors = (int *)(void *)(delivery->users + count);
	char *name = (char *)(delivery->errors + count);
	for (size_t i = 0; i < count; i++) {
		struct weir_span user = envelope->recipients[i].user;
		if (!weir_maildir_user_good(user)) {
			delivery->errors[i] = -ENOENT;
			continue;
		}
		delivery->users[i] = name;
		memcpy(name, user.data, user.size);
		name += user.size + 1;
	}
	return delivery;
}

static int delivery_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, void (*ready)(void *context, int error),
        void *context, struct weir_mail_delivery **ret)
{
	struct maildir *maildir = maildir_of(sink);
	uint64_t most = maildir->options.message_max;
	if (envelope->size > most || envelope->count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_LIMIT;
	bool several;
	struct maildir_delivery *delivery = allocate(envelope);
	if (!delivery)
		return -ENOMEM;
	delivery->count = envelope->count;
	if (!first_user(delivery, &several)) {
		free(delivery);
		return -ENOENT;
	}
	delivery->queue = weir_maildir_queue_get(maildir, loop);
	if (!delivery->queue) {
		free(delivery);
		return -ENOMEM;
	}
	delivery->base.sink = sink;
	delivery->maildir = weir_maildir_hold(maildir);
	delivery->ready = ready;
	delivery->context = context;
	delivery->file.fd = -1;
	*ret = &delivery->base;
	return 0;
}

static int take(struct maildir_delivery *delivery, struct weir_span bytes)
{
	if (bytes.size > delivery->maildir->options.message_max - delivery->size)
		return WEIR_E_LIMIT;
	int error = weir_buffer_append(&delivery->waiting, bytes.data, bytes.size, SIZE_MAX);
	if (error < 0)
		return error;
	delivery->size += bytes.size;
	weir_mail_scan(&delivery->scan, bytes);
	return 0;
}

static int delivery_write(struct weir_mail_delivery *base, struct weir_span bytes)
{
	struct maildir_delivery *delivery = delivery_of(base);
	if (delivery->finishing || delivery->aborted)
		return WEIR_E_CLOSED;
	if (!delivery->error)
		delivery->error = take(delivery, bytes);
	if (!delivery->error && delivery->state == DELIVERY_IDLE && delivery->waiting.size >= CHUNK)
		submit_write(delivery);
	if (delivery->error) {
		delivery->told = true;
		return delivery->error;
	}
	delivery->full = delivery->waiting.size >= WEIR_MAIL_BUFFER;
	return delivery->full ? WEIR_MAIL_FULL : 0;
}

static void delivery_commit(struct weir_mail_delivery *base,
        void (*done)(void *context, const int *errors), void *context)
{
	struct maildir_delivery *delivery = delivery_of(base);
	delivery->finishing = true;
	delivery->done = done;
	delivery->done_context = context;
	advance(delivery);
}

static void delivery_abort(struct weir_mail_delivery *base)
{
	struct maildir_delivery *delivery = delivery_of(base);
	if (delivery->aborted)
		return;
	delivery->aborted = true;
	if (delivery->state == DELIVERY_FAILING)
		end(delivery);
	else
		advance(delivery);
}

const struct weir_mail_sink_type weir_maildir_sink = {
        .name = "maildir",
        .begin = delivery_begin,
        .write = delivery_write,
        .commit = delivery_commit,
        .abort = delivery_abort,
};
