/*
 * Mailboxes in memory, for tests and for programs that need no disk. Callbacks come during the
 * call; those of deliveries come from the loop, as for every sink.
 *
 * Invariant: a message is shared by mailboxes and maildrops and never changes. The lock covers all
 * that loops share.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail_store.h>
#include <weir/sources.h>

#include "mail_message.h"
#include "maildir_state.h"
#include "refcount.h"

/* -- messages ---------------------------------------------------------------------------------- */

void mail_memory_message_release(struct memory_message *message)
{
	if (!message || !refcount_release(&message->references))
		return;
	weir_buffer_finish(&message->bytes);
	free(message);
}

size_t mail_memory_message_count(const struct weir_buffer *messages)
{
	return messages->size / MEMORY_POINTER;
}

struct memory_message **mail_memory_messages_of(const struct weir_buffer *messages)
{
	return (struct memory_message **)(void *)messages->data;
}

void mail_memory_messages_free(struct weir_buffer *messages)
{
	for (size_t i = 0; i < mail_memory_message_count(messages); i++)
		mail_memory_message_release(mail_memory_messages_of(messages)[i]);
	weir_buffer_finish(messages);
}

/* -- mailboxes --------------------------------------------------------------------------------- */

/* Finds or creates a mailbox; NULL without memory. With the lock held. */
struct memory_box *mail_memory_find(struct mail_memory *memory, struct weir_span user)
{
	WEIR_LIST_EACH (struct memory_box, known, &memory->boxes, link)
		if (weir_span_equal(weir_span(known->user, known->user_size), user))
			return known;
	struct memory_box *box = calloc(1, sizeof *box + user.size);
	if (!box)
		return NULL;
	memcpy(box->user, user.data, user.size);
	box->user_size = user.size;
	weir_list_append(&memory->boxes, &box->link);
	return box;
}

/* Finds the mailbox, if it has room for a message. With the lock held. */
static int mail_memory_find_room(struct mail_memory *memory, struct weir_span user, uint64_t size,
        struct memory_box **ret_box)
{
	if (!weir_mail_user_good(user))
		return -ENOENT;
	uint64_t most = memory->options.mailbox_max;
	struct memory_box *box = mail_memory_find(memory, user);
	if (!box)
		return -ENOMEM;
	if (most && (size > most || box->octets > most - size))
		return -EDQUOT;
	most = memory->options.messages_max;
	if (most && mail_memory_message_count(&box->messages) >= most)
		return -EDQUOT;
	*ret_box = box;
	return 0;
}

static int mail_memory_put(
        struct mail_memory *memory, struct weir_span user, struct memory_message *message)
{
	struct memory_box *box;
	uint64_t size = message->bytes.size;
	int error = mail_memory_find_room(memory, user, size, &box);
	if (error == 0)
		error = weir_buffer_append(&box->messages, &message, MEMORY_POINTER, SIZE_MAX);
	if (error < 0)
		return error;
	refcount_hold(&message->references);
	box->octets += size;
	return 0;
}

/* Removes the message that was put last; the lock has been held since. */
static void mail_memory_unput(
        struct mail_memory *memory, struct weir_span user, struct memory_message *message)
{
	struct memory_box *box = mail_memory_find(memory, user);
	if (!box || !mail_memory_message_count(&box->messages) ||
	        mail_memory_messages_of(
	                &box->messages)[mail_memory_message_count(&box->messages) - 1] != message)
		return;
	box->messages.size -= MEMORY_POINTER;
	box->octets -= message->bytes.size;
	mail_memory_message_release(message);
}

/* -- deliveries -------------------------------------------------------------------------------- */

struct memory_delivery {
	struct weir_mail_delivery base;
	struct weir_task task;
	struct weir_loop *loop;
	struct mail_memory *memory;
	struct memory_message *message;
	int error;
	weir_mail_done_fn *done;
	void *context;
	bool together;
	size_t count;
	int *errors;
	struct weir_span users[]; /* the texts and the errors are behind them */
};

static struct memory_delivery *mail_memory_delivery_of(struct weir_mail_delivery *base)
{
	return WEIR_CONTAINER(base, struct memory_delivery, base);
}

static void mail_memory_delivery_free(struct memory_delivery *delivery)
{
	weir_loop_cancel(delivery->loop, &delivery->task);
	mail_memory_message_release(delivery->message);
	mail_memory_release(delivery->memory);
	free(delivery);
}

static void mail_memory_copy_users(
        struct memory_delivery *delivery, const struct weir_mail_envelope *envelope)
{
	char *bytes;
	delivery->count = envelope->count;
	delivery->errors = (int *)(void *)(delivery->users + envelope->count);
	bytes = (char *)(delivery->errors + envelope->count);
	for (size_t i = 0; i < envelope->count; i++) {
		struct weir_span user = envelope->recipients[i].user;
		if (user.size)
			memcpy(bytes, user.data, user.size);
		delivery->users[i] = weir_span(bytes, user.size);
		bytes += user.size;
	}
}

static int mail_memory_delivery_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, weir_mail_ready_fn *ready, void *context,
        struct weir_mail_delivery **ret)
{
	struct mail_memory *memory = WEIR_CONTAINER(
	        WEIR_CONTAINER(sink, struct weir_mail_store, sink), struct mail_memory, base);
	size_t size = 0, count = envelope->count;
	(void)ready, (void)context; /* memory is never full */
	if (envelope->size > memory->options.message_max || count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_LIMIT;
	for (size_t i = 0; i < count; i++)
		size += envelope->recipients[i].user.size;
	struct memory_delivery *delivery =
	        calloc(1, sizeof *delivery + size +
	                          count * (sizeof *delivery->users + sizeof *delivery->errors));
	struct memory_message *message = calloc(1, sizeof *message);
	if (!delivery || !message) {
		free(delivery);
		free(message);
		return -ENOMEM;
	}
	refcount_init(&message->references);
	refcount_hold(&memory->references);
	delivery->base.sink = sink;
	delivery->loop = loop;
	delivery->memory = memory;
	delivery->message = message;
	delivery->together = envelope->together;
	mail_memory_copy_users(delivery, envelope);
	*ret = &delivery->base;
	return 0;
}

static int mail_memory_delivery_write(struct weir_mail_delivery *base, struct weir_span bytes)
{
	struct memory_delivery *delivery = mail_memory_delivery_of(base);
	struct memory_message *message = delivery->message;
	if (delivery->done)
		return WEIR_E_CLOSED;
	if (!delivery->error)
		delivery->error = weir_buffer_append(&message->bytes, bytes.data, bytes.size,
		        delivery->memory->options.message_max);
	if (!delivery->error)
		mail_scan(&message->scan, bytes);
	return delivery->error;
}

/* Returns the first recipient with the same mailbox, or this one. */
static size_t mail_memory_same_user(const struct memory_delivery *delivery, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (weir_span_equal(delivery->users[i], delivery->users[index]))
			return i;
	return index;
}

static int mail_memory_deliver_to(struct memory_delivery *delivery, size_t index)
{
	size_t same = mail_memory_same_user(delivery, index);
	if (delivery->error || same < index)
		return delivery->error ? delivery->error : delivery->errors[same];
	return mail_memory_put(delivery->memory, delivery->users[index], delivery->message);
}

/* The message is for all or for none: if one recipient has failed, removes it from the others. */
static void mail_memory_undo(struct memory_delivery *delivery)
{
	int failure = 0;
	for (size_t i = 0; i < delivery->count && failure == 0; i++)
		failure = delivery->errors[i];
	for (size_t i = 0; i < delivery->count && failure < 0; i++) {
		if (delivery->errors[i] == 0 && mail_memory_same_user(delivery, i) == i)
			/* NOLINTNEXTLINE: the delivery has a reference of its own */
			mail_memory_unput(delivery->memory, delivery->users[i], delivery->message);
		if (delivery->errors[i] == 0)
			delivery->errors[i] = failure;
	}
}

static void mail_memory_deliver(struct weir_task *task)
{
	struct memory_delivery *delivery = WEIR_CONTAINER(task, struct memory_delivery, task);
	struct mail_memory *memory = delivery->memory;
	pthread_mutex_lock(&memory->lock);
	delivery->message->number = ++memory->last_number;
	for (size_t i = 0; i < delivery->count; i++)
		delivery->errors[i] = mail_memory_deliver_to(delivery, i);
	if (delivery->together)
		mail_memory_undo(delivery);
	pthread_mutex_unlock(&memory->lock);
	delivery->done(delivery->context, delivery->errors);
	mail_memory_delivery_free(delivery);
}

static void mail_memory_delivery_commit(
        struct weir_mail_delivery *base, weir_mail_done_fn *done, void *context)
{
	struct memory_delivery *delivery = mail_memory_delivery_of(base);
	delivery->done = done;
	delivery->context = context;
	delivery->task.run = mail_memory_deliver;
	weir_loop_defer(delivery->loop, &delivery->task);
}

static void mail_memory_delivery_abort(struct weir_mail_delivery *base)
{
	mail_memory_delivery_free(mail_memory_delivery_of(base));
}

static int mail_memory_check(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        weir_mail_checked_fn *done, void *context)
{
	struct mail_memory *memory = WEIR_CONTAINER(
	        WEIR_CONTAINER(sink, struct weir_mail_store, sink), struct mail_memory, base);
	struct memory_box *box;
	(void)loop, (void)check, (void)done, (void)context; /* the answer is known at once */
	pthread_mutex_lock(&memory->lock);
	int error = mail_memory_find_room(memory, recipient->user, size, &box);
	pthread_mutex_unlock(&memory->lock);
	return error;
}

static void mail_memory_check_cancel(struct weir_mail_check *check)
{
	(void)check;
}

static const struct weir_mail_sink_type memory_sink = {
        .name = "memory",
        .begin = mail_memory_delivery_begin,
        .write = mail_memory_delivery_write,
        .commit = mail_memory_delivery_commit,
        .abort = mail_memory_delivery_abort,
        .check = mail_memory_check,
        .check_cancel = mail_memory_check_cancel,
};

/* -- the store --------------------------------------------------------------------------------- */

void mail_memory_release(struct mail_memory *memory)
{
	if (!refcount_release(&memory->references))
		return;
	WEIR_LIST_EACH_SAFE (struct memory_box, box, next, &memory->boxes, link) {
		mail_memory_messages_free(&box->messages);
		free(box);
	}
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static void mail_memory_destroy(struct weir_mail_store *store)
{
	mail_memory_release(WEIR_CONTAINER(store, struct mail_memory, base));
}

static const struct weir_mail_store_type memory_type = {
        .name = "memory",
        .open = mail_memory_open,
        .info = mail_memory_info,
        .fetch = mail_memory_fetch,
        .remove = mail_memory_remove,
        .cancel = mail_memory_cancel,
        .close = mail_memory_close,
        .destroy = mail_memory_destroy,
};

int weir_mail_memory_create(
        const struct weir_mail_store_options *options, struct weir_mail_store **ret)
{
	if (options && !options->message_max)
		return -EINVAL;
	struct mail_memory *memory = calloc(1, sizeof *memory);
	if (!memory)
		return -ENOMEM;
	int error = -pthread_mutex_init(&memory->lock, NULL);
	if (error < 0) {
		free(memory);
		return error;
	}
	memory->base.type = &memory_type;
	memory->base.sink.type = &memory_sink;
	refcount_init(&memory->references);
	weir_mail_store_options_init(&memory->options);
	if (options)
		memory->options = *options;
	weir_list_init(&memory->boxes);
	*ret = &memory->base;
	return 0;
}
