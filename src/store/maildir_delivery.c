/*
 * A message on its way into mailboxes: what is special about this sink (see mail_intake.h).
 *
 *   COMMITTING: waits in its loop's queue ─▶ goes to the disk with others, see maildir_commit.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "maildir_state.h"

static struct maildir_delivery *delivery_of(struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, struct maildir_delivery, intake);
}

/* -- the intake -------------------------------------------------------------------------------- */

static void taken(struct mail_intake *intake, struct weir_span bytes)
{
	weir_mail_scan(&delivery_of(intake)->scan, bytes);
}

/* The first whose mailbox it is for; NULL: nobody's. */
static const char *first_user(const struct maildir_delivery *delivery, bool *ret_several)
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

/* In the mailbox of whoever has one that works: the others must not suffer from one that does not. */
static int open_file(struct maildir_delivery *delivery)
{
	bool several;
	int error = -ENOENT;
	first_user(delivery, &several);
	for (size_t i = 0; i < delivery->intake.count && delivery->file.fd < 0; i++)
		if (delivery->users[i])
			error = weir_mail_file_open(
			        delivery->maildir, &delivery->file, delivery->users[i], several);
	return error;
}

int weir_maildir_delivery_write(struct mail_intake *intake, struct weir_span bytes)
{
	struct maildir_delivery *delivery = delivery_of(intake);
	int error = 0;
	if (delivery->file.fd < 0)
		error = open_file(delivery);
	return error < 0 ? error : weir_mail_file_write(&delivery->file, bytes);
}

static int start_commit(struct mail_intake *intake)
{
	struct maildir_delivery *delivery = delivery_of(intake);
	return weir_maildir_queue_add(delivery->queue, delivery);
}

static bool is_open(const struct mail_intake *intake)
{
	return WEIR_CONTAINER(intake, const struct maildir_delivery, intake)->file.fd >= 0;
}

static void close_file(struct mail_intake *intake)
{
	struct maildir_delivery *delivery = delivery_of(intake);
	weir_mail_file_close(delivery->maildir, &delivery->file);
}

static void free_delivery(struct mail_intake *intake)
{
	struct maildir_delivery *delivery = delivery_of(intake);
	struct maildir *maildir = delivery->maildir;
	weir_maildir_queue_put(delivery->queue);
	free(delivery);
	weir_maildir_release(maildir);
}

static const struct mail_intake_type intake_type = {
        .waiting_most = WEIR_MAIL_BUFFER,
        .taken = taken,
        .write = weir_maildir_delivery_write,
        .commit = start_commit,
        .is_open = is_open,
        .close = close_file,
        .free = free_delivery,
};

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
	delivery->intake.errors = (int *)(void *)(delivery->users + count);
	char *name = (char *)(delivery->intake.errors + count);
	for (size_t i = 0; i < count; i++) {
		struct weir_span user = envelope->recipients[i].user;
		if (!weir_maildir_user_good(user)) {
			delivery->intake.errors[i] = -ENOENT;
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
	delivery->intake.count = envelope->count;
	if (!first_user(delivery, &several)) {
		free(delivery);
		return -ENOENT;
	}
	delivery->queue = weir_maildir_queue_get(maildir, loop);
	if (!delivery->queue) {
		free(delivery);
		return -ENOMEM;
	}
	delivery->maildir = weir_maildir_hold(maildir);
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

const struct weir_mail_sink_type weir_maildir_sink = {
        .name = "maildir",
        .begin = delivery_begin,
        .write = weir_mail_intake_write,
        .commit = weir_mail_intake_commit,
        .abort = weir_mail_intake_abort,
        .check = maildir_check,
        .check_cancel = maildir_check_cancel,
};
