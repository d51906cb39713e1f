/*
 * Into the sinks: the local one with Return-Path in front, the relay's without. What a sink has no
 * room for waits in `pending`, at most one piece of input, since reading stops then.
 *
 * The order of the commits is what keeps mail from being lost or doubled: see weir/smtp.h.
 */
#include <errno.h>

#include <weir/error.h>

#include "transaction.h"

static void smtp_delivery_proceed(struct smtp_transaction *transaction);

/* -- failing ----------------------------------------------------------------------------------- */

static void smtp_delivery_abort_way(struct smtp_way *way)
{
	struct weir_mail_delivery *delivery = way->delivery;
	way->delivery = NULL;
	way->full = way->held = false;
	if (delivery)
		delivery->sink->type->abort(delivery);
}

void smtp_delivery_fail(struct smtp_transaction *transaction, const char *reply)
{
	if (!transaction->failure)
		transaction->failure = reply;
	smtp_delivery_abort_way(&transaction->local);
	smtp_delivery_abort_way(&transaction->relay);
	weir_buffer_finish(&transaction->pending);
}

/* -- writing ----------------------------------------------------------------------------------- */

bool smtp_delivery_full(const struct smtp_transaction *transaction)
{
	return transaction->local.full || transaction->relay.full;
}

static void smtp_delivery_write_way(
        struct smtp_transaction *transaction, struct smtp_way *way, struct weir_span bytes)
{
	if (!way->delivery)
		return;
	int result = way->delivery->sink->type->write(way->delivery, bytes);
	if (result < 0)
		smtp_delivery_fail(transaction, smtp_error_reply(result));
	else
		way->full = result == WEIR_MAIL_FULL;
}

static void smtp_delivery_write_both(struct smtp_transaction *transaction, struct weir_span bytes)
{
	smtp_delivery_write_way(transaction, &transaction->local, bytes);
	smtp_delivery_write_way(transaction, &transaction->relay, bytes);
}

void smtp_delivery_write(struct smtp_transaction *transaction, struct weir_span bytes)
{
	if (transaction->failure || !bytes.size)
		return;
	if (!smtp_delivery_full(transaction)) {
		smtp_delivery_write_both(transaction, bytes);
		return;
	}
	if (weir_buffer_append(&transaction->pending, bytes.data, bytes.size, SIZE_MAX) < 0)
		smtp_delivery_fail(transaction, smtp_error_reply(-ENOMEM));
}

static void smtp_delivery_write_pending(struct smtp_transaction *transaction)
{
	struct weir_buffer pending = transaction->pending;
	transaction->pending = (struct weir_buffer){0};
	if (pending.size && !transaction->failure)
		smtp_delivery_write_both(transaction, weir_buffer_span(&pending));
	weir_buffer_finish(&pending);
}

static void smtp_delivery_on_ready(
        struct smtp_transaction *transaction, struct smtp_way *way, int error)
{
	way->full = false;
	if (error < 0)
		smtp_delivery_fail(transaction, smtp_error_reply(error));
	smtp_delivery_proceed(transaction);
}

static void smtp_delivery_local_ready(void *context, int error)
{
	struct smtp_transaction *transaction = context;
	smtp_delivery_on_ready(transaction, &transaction->local, error);
}

static void smtp_delivery_relay_ready(void *context, int error)
{
	struct smtp_transaction *transaction = context;
	smtp_delivery_on_ready(transaction, &transaction->relay, error);
}

/* -- beginning --------------------------------------------------------------------------------- */

static int smtp_delivery_begin_way(struct smtp_transaction *transaction, struct smtp_way *way,
        void (*ready)(void *context, int error))
{
	struct weir_mail_envelope envelope = transaction->envelope;
	envelope.trace = weir_span_of(transaction->id);
	envelope.together = transaction->server->options.personality != WEIR_SMTP_LMTP;
	envelope.count = way->recipients.size / sizeof *envelope.recipients;
	if (!envelope.count)
		return 0;
	envelope.recipients =
	        (const struct weir_mail_recipient *)(const void *)way->recipients.data;
	return way->sink->type->begin(way->sink, transaction->server->loop, &envelope, ready,
	        transaction, &way->delivery);
}

/* The local sink takes both fields at once, since it may have no room behind the first. */
static void smtp_delivery_write_trace(struct smtp_transaction *transaction)
{
	char text[2 * SMTP_TRACE_MAX];
	size_t path = smtp_trace_return_path(transaction, text);
	size_t received = smtp_trace_received(transaction, text + path);
	smtp_delivery_write_way(transaction, &transaction->local, weir_span(text, path + received));
	smtp_delivery_write_way(transaction, &transaction->relay, weir_span(text + path, received));
}

const char *smtp_delivery_begin(struct smtp_transaction *transaction)
{
	enum weir_smtp_personality personality = transaction->server->options.personality;
	/* RFC 6409 8, and RFC 5321 4.4: of a message that only goes on nothing is looked at. */
	transaction->header.drop_bcc = personality == WEIR_SMTP_SUBMISSION;
	transaction->header.drop_return_path = transaction->local.recipients.size;
	int error = smtp_delivery_begin_way(
	        transaction, &transaction->local, smtp_delivery_local_ready);
	if (error == 0)
		error = smtp_delivery_begin_way(
		        transaction, &transaction->relay, smtp_delivery_relay_ready);
	if (error < 0)
		smtp_delivery_fail(transaction, smtp_error_reply(error));
	else
		smtp_delivery_write_trace(transaction);
	return transaction->failure;
}

/* -- committing -------------------------------------------------------------------------------- */

/* Notes what became of the recipients that went this way. True if all is well with them. */
static bool smtp_delivery_record(
        struct smtp_transaction *transaction, bool relay, const int *errors)
{
	int *results = (int *)(void *)transaction->results.data;
	const struct smtp_place *places =
	        (const struct smtp_place *)(const void *)transaction->places.data;
	bool well = true;
	for (size_t i = 0; i < transaction->places.size / sizeof *places; i++) {
		int *result = &results[places[i].recipient];
		if (places[i].relay != relay)
			continue;
		*result = smtp_worse(*result, errors[places[i].index]);
		well &= errors[places[i].index] == 0;
	}
	return well;
}

static void smtp_delivery_relay_done(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	transaction->relay.delivery = NULL;
	smtp_delivery_record(transaction, true, errors);
	smtp_outcome_tell(transaction);
}

static void smtp_delivery_commit_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	if (delivery)
		delivery->sink->type->commit(delivery, smtp_delivery_relay_done, transaction);
	else
		smtp_outcome_tell(transaction);
}

static void smtp_delivery_release_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	transaction->relay.delivery = NULL;
	transaction->relay.held = false;
	delivery->sink->type->release(delivery);
	smtp_outcome_tell(transaction);
}

static void smtp_delivery_local_done(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	transaction->local.delivery = NULL;
	bool well = smtp_delivery_record(transaction, false, errors);
	/* The one reply of SMTP says that it failed: so nobody gets the message. */
	if (!well && transaction->server->options.personality != WEIR_SMTP_LMTP)
		smtp_delivery_abort_way(&transaction->relay);
	if (transaction->relay.held)
		smtp_delivery_release_relay(transaction);
	else
		smtp_delivery_commit_relay(transaction);
}

static void smtp_delivery_commit_local(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->local.delivery;
	if (delivery)
		delivery->sink->type->commit(delivery, smtp_delivery_local_done, transaction);
	else
		smtp_delivery_commit_relay(transaction);
}

static void smtp_delivery_relay_held(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	if (smtp_delivery_record(transaction, true, errors)) {
		transaction->relay.held = true;
		smtp_delivery_commit_local(transaction);
		return;
	}
	transaction->relay.delivery = NULL;
	smtp_delivery_abort_way(&transaction->local);
	smtp_outcome_tell(transaction);
}

/*
 * For mailboxes and the queue at once: the queue can take back what it holds, and the mailboxes
 * cannot, so these come last.
 */
static bool smtp_delivery_hold_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	if (!delivery || !transaction->local.delivery || !delivery->sink->type->hold ||
	        transaction->server->options.personality == WEIR_SMTP_LMTP)
		return false;
	delivery->sink->type->hold(delivery);
	delivery->sink->type->commit(delivery, smtp_delivery_relay_held, transaction);
	return true;
}

static void smtp_delivery_commit(struct smtp_transaction *transaction)
{
	if (transaction->failure)
		smtp_outcome_tell(transaction);
	else if (!smtp_delivery_hold_relay(transaction))
		smtp_delivery_commit_local(transaction);
}

/* There is room again, or nobody who needs it. */
static void smtp_delivery_proceed(struct smtp_transaction *transaction)
{
	if (smtp_delivery_full(transaction))
		return;
	smtp_delivery_write_pending(transaction);
	if (smtp_delivery_full(transaction))
		return;
	if (transaction->complete)
		smtp_delivery_commit(transaction);
	else if (transaction->session)
		smtp_update_pause(transaction->session);
}

void smtp_delivery_complete(struct smtp_transaction *transaction)
{
	struct smtp_session *session = transaction->session;
	session->transaction = NULL;
	transaction->session = NULL;
	transaction->complete = true;
	transaction->reply = weir_reply_open(session->channel);
	if (!transaction->reply) {
		smtp_transaction_destroy(transaction);
		return;
	}
	session->commits++;
	weir_list_append(&transaction->server->committing, &transaction->link);
	smtp_delivery_proceed(transaction);
}
