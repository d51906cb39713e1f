/*
 * Maildrops in memory: a copy of the list of messages. Callbacks come during the call, so that no
 * call is ever under way.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/sources.h>

#include "mail_message.h"
#include "maildir_state.h"

struct memory_drop {
	struct weir_maildrop base;
	struct mail_memory *memory;
	struct memory_box *box;
	struct weir_buffer messages;
};

static struct memory_drop *mail_memory_drop_of(const struct weir_maildrop *base)
{
	return WEIR_CONTAINER(base, struct memory_drop, base);
}

/* With the lock held. */
static int mail_memory_fill(struct memory_drop *drop, struct weir_span user)
{
	drop->box = mail_memory_find(drop->memory, user);
	if (!drop->box)
		return -ENOMEM;
	if (drop->box->open)
		return -EBUSY;
	const struct weir_buffer *messages = &drop->box->messages;
	int error = weir_buffer_append(&drop->messages, messages->data, messages->size, SIZE_MAX);
	if (error < 0)
		return error;
	drop->base.count = mail_memory_message_count(messages);
	drop->base.octets = drop->box->octets;
	for (size_t i = 0; i < drop->base.count; i++)
		refcount_hold(&mail_memory_messages_of(messages)[i]->references);
	drop->box->open = true;
	return 0;
}

void mail_memory_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call, weir_mail_opened_fn *done)
{
	struct mail_memory *memory = WEIR_CONTAINER(store, struct mail_memory, base);
	bool good = weir_mail_user_good(user);
	struct memory_drop *drop = good ? calloc(1, sizeof *drop) : NULL;
	int error = good ? -ENOMEM : -ENOENT;
	(void)loop;
	if (drop) {
		drop->base.store = store;
		drop->memory = memory;
		pthread_mutex_lock(&memory->lock);
		error = mail_memory_fill(drop, user);
		pthread_mutex_unlock(&memory->lock);
	}
	if (error < 0) {
		free(drop);
		done(call, error, NULL);
		return;
	}
	refcount_hold(&memory->references);
	done(call, 0, &drop->base);
}

void mail_memory_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret)
{
	const struct memory_message *message =
	        mail_memory_messages_of(&mail_memory_drop_of(base)->messages)[index];
	ret->octets = message->bytes.size;
	snprintf(ret->uid, sizeof ret->uid, "%llu", (unsigned long long)message->number);
}

static void mail_memory_release_message(void *context)
{
	mail_memory_message_release(context);
}

void mail_memory_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done)
{
	struct memory_message *message =
	        mail_memory_messages_of(&mail_memory_drop_of(base)->messages)[index];
	struct weir_span bytes = weir_buffer_span(&message->bytes);
	struct weir_mail_body body = {
	        .octets = bytes.size,
	        .dotless = !message->scan.dotted && mail_scan_ended(&message->scan),
	        .ended = mail_scan_ended(&message->scan),
	};
	refcount_hold(&message->references);
	body.producer = weir_produce_buffers(&bytes, 1, mail_memory_release_message, message);
	done(call, body.producer ? 0 : -ENOMEM, body.producer ? &body : NULL);
}

/* Removes the marked messages of the drop from the mailbox. With the lock held. */
static size_t mail_memory_remove_marked(struct memory_drop *drop, const uint8_t *marks)
{
	struct memory_box *box = drop->box;
	struct memory_message **messages = mail_memory_messages_of(&box->messages);
	size_t remaining = 0, count = mail_memory_message_count(&box->messages);
	/* The drop's messages are first in the mailbox, in the same order. */
	for (size_t i = 0; i < count; i++) {
		if (i < drop->base.count && marks[i / 8] >> (i % 8) & 1) {
			box->octets -= messages[i]->bytes.size;
			mail_memory_message_release(messages[i]);
		} else {
			messages[remaining++] = messages[i];
		}
	}
	box->messages.size = remaining * MEMORY_POINTER;
	return count - remaining;
}

void mail_memory_remove(struct weir_maildrop *base, const uint8_t *marks,
        struct weir_mail_call *call, weir_mail_removed_fn *done)
{
	struct memory_drop *drop = mail_memory_drop_of(base);
	pthread_mutex_lock(&drop->memory->lock);
	size_t removed = mail_memory_remove_marked(drop, marks);
	pthread_mutex_unlock(&drop->memory->lock);
	done(call, 0, removed);
}

/* No call is ever under way. */
void mail_memory_cancel(struct weir_mail_call *call)
{
	(void)call;
}

void mail_memory_close(struct weir_maildrop *base)
{
	struct memory_drop *drop = mail_memory_drop_of(base);
	struct mail_memory *memory = drop->memory;
	pthread_mutex_lock(&memory->lock);
	drop->box->open = false;
	pthread_mutex_unlock(&memory->lock);
	mail_memory_messages_free(&drop->messages);
	free(drop);
	mail_memory_release(memory);
}
