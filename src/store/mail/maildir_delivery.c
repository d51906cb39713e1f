/*
 * The sink of a Maildir store (see mail_intake.h).
 *
 *   COMMITTING: waits in the queue of its loop ─▶ is written in a batch, see maildir_commit.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "maildir_state.h"

static struct maildir_delivery *maildir_delivery_delivery_of(struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, struct maildir_delivery, intake);
}

/* -- the intake -------------------------------------------------------------------------------- */

static void maildir_delivery_taken(struct mail_intake *intake, struct weir_span bytes)
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
        .taken = maildir_delivery_taken,
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
		if (!maildir_user_good(user)) {
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
        const struct weir_mail_envelope *envelope, void (*ready)(void *context, int error),
        void *context, struct weir_mail_delivery **ret)
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
