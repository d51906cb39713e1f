/*
 * Into the sinks: the local one with Return-Path in front, the relay's without. What a sink has no
 * room for waits in `pending`, at most one piece of input, since reading stops then.
 *
 * The order of the commits is what keeps mail from being lost or doubled: see weir/smtp.h.
 */
#include <errno.h>

#include <weir/error.h>

#include "transaction.h"

static void proceed(struct smtp_transaction *transaction);

/* -- failing ----------------------------------------------------------------------------------- */

static void abort_way(struct smtp_way *way)
{
	struct weir_mail_delivery *delivery = way->delivery;
	way->delivery = NULL;
	way->full = way->held = false;
	if (delivery)
		delivery->sink->type->abort(delivery);
}

void weir_smtp_delivery_fail(struct smtp_transaction *transaction, const char *reply)
{
	if (!transaction->failure)
		transaction->failure = reply;
	abort_way(&transaction->local);
	abort_way(&transaction->relay);
	weir_buffer_free(&transaction->pending);
}

/* -- writing ----------------------------------------------------------------------------------- */

bool weir_smtp_delivery_full(const struct smtp_transaction *transaction)
{
	return transaction->local.full || transaction->relay.full;
}

static void write_way(
        struct smtp_transaction *transaction, struct smtp_way *way, struct weir_span bytes)
{
	if (!way->delivery)
		return;
	int result = way->delivery->sink->type->write(way->delivery, bytes);
	if (result < 0)
		weir_smtp_delivery_fail(transaction, weir_smtp_error_reply(result));
	else
		way->full = result == WEIR_MAIL_FULL;
}

static void write_both(struct smtp_transaction *transaction, struct weir_span bytes)
{
	write_way(transaction, &transaction->local, bytes);
	write_way(transaction, &transaction->relay, bytes);
}

void weir_smtp_delivery_write(struct smtp_transaction *transaction, struct weir_span bytes)
{
	if (transaction->failure || !bytes.size)
		return;
	if (!weir_smtp_delivery_full(transaction)) {
		write_both(transaction, bytes);
		return;
	}
	if (weir_buffer_append(&transaction->pending, bytes.data, bytes.size, SIZE_MAX) < 0)
		weir_smtp_delivery_fail(transaction, weir_smtp_error_reply(-ENOMEM));
}

static void write_pending(struct smtp_transaction *transaction)
{
	struct weir_buffer pending = transaction->pending;
	transaction->pending = (struct weir_buffer){0};
	if (pending.size && !transaction->failure)
		write_both(transaction, weir_buffer_span(&pending));
	weir_buffer_free(&pending);
}

static void on_ready(struct smtp_transaction *transaction, struct smtp_way *way, int error)
{
	way->full = false;
	if (error < 0)
		weir_smtp_delivery_fail(transaction, weir_smtp_error_reply(error));
	proceed(transaction);
}

static void local_ready(void *context, int error)
{
	struct smtp_transaction *transaction = context;
	on_ready(transaction, &transaction->local, error);
}

static void relay_ready(void *context, int error)
{
	struct smtp_transaction *transaction = context;
	on_ready(transaction, &transaction->relay, error);
}

/* -- beginning --------------------------------------------------------------------------------- */

static int begin_way(struct smtp_transaction *transaction, struct smtp_way *way,
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
static void write_trace(struct smtp_transaction *transaction)
{
	char text[2 * SMTP_TRACE_MAX];
	size_t path = weir_smtp_trace_return_path(transaction, text);
	size_t received = weir_smtp_trace_received(transaction, text + path);
	write_way(transaction, &transaction->local, weir_span(text, path + received));
	write_way(transaction, &transaction->relay, weir_span(text + path, received));
}

const char *weir_smtp_delivery_begin(struct smtp_transaction *transaction)
{
	enum weir_smtp_personality personality = transaction->server->options.personality;
	/* RFC 6409 8, and RFC 5321 4.4: of a message that only goes on nothing is looked at. */
	transaction->header.drop_bcc = personality == WEIR_SMTP_SUBMISSION;
	transaction->header.drop_return_path = transaction->local.recipients.size;
	int error = begin_way(transaction, &transaction->local, local_ready);
	if (error == 0)
		error = begin_way(transaction, &transaction->relay, relay_ready);
	if (error < 0)
		weir_smtp_delivery_fail(transaction, weir_smtp_error_reply(error));
	else
		write_trace(transaction);
	return transaction->failure;
}

/* -- committing -------------------------------------------------------------------------------- */

/* Notes what became of the recipients that went this way. True if all is well with them. */
static bool record(struct smtp_transaction *transaction, bool relay, const int *errors)
{
	int *results = (int *)(void *)transaction->results.data;
	const struct smtp_place *places =
	        (const struct smtp_place *)(const void *)transaction->places.data;
	bool well = true;
	for (size_t i = 0; i < transaction->places.size / sizeof *places; i++) {
		int *result = &results[places[i].recipient];
		if (places[i].relay != relay)
			continue;
		*result = weir_smtp_worse(*result, errors[places[i].index]);
		well &= errors[places[i].index] == 0;
	}
	return well;
}

static void relay_done(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	transaction->relay.delivery = NULL;
	record(transaction, true, errors);
	weir_smtp_outcome_tell(transaction);
}

static void commit_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	if (delivery)
		delivery->sink->type->commit(delivery, relay_done, transaction);
	else
		weir_smtp_outcome_tell(transaction);
}

static void release_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	transaction->relay.delivery = NULL;
	transaction->relay.held = false;
	delivery->sink->type->release(delivery);
	weir_smtp_outcome_tell(transaction);
}

static void local_done(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	transaction->local.delivery = NULL;
	bool well = record(transaction, false, errors);
	/* The one reply of SMTP says that it failed: so nobody gets the message. */
	if (!well && transaction->server->options.personality != WEIR_SMTP_LMTP)
		abort_way(&transaction->relay);
	if (transaction->relay.held)
		release_relay(transaction);
	else
		commit_relay(transaction);
}

static void commit_local(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->local.delivery;
	if (delivery)
		delivery->sink->type->commit(delivery, local_done, transaction);
	else
		commit_relay(transaction);
}

static void relay_held(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	if (record(transaction, true, errors)) {
		transaction->relay.held = true;
		commit_local(transaction);
		return;
	}
	transaction->relay.delivery = NULL;
	abort_way(&transaction->local);
	weir_smtp_outcome_tell(transaction);
}

/*
 * For mailboxes and the queue at once: the queue can take back what it holds, and the mailboxes
 * cannot, so these come last.
 */
static bool hold_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	if (!delivery || !transaction->local.delivery || !delivery->sink->type->hold ||
	        transaction->server->options.personality == WEIR_SMTP_LMTP)
		return false;
	delivery->sink->type->hold(delivery);
	delivery->sink->type->commit(delivery, relay_held, transaction);
	return true;
}

static void commit(struct smtp_transaction *transaction)
{
	if (transaction->failure)
		weir_smtp_outcome_tell(transaction);
	else if (!hold_relay(transaction))
		commit_local(transaction);
}

/* There is room again, or nobody who needs it. */
static void proceed(struct smtp_transaction *transaction)
{
	if (weir_smtp_delivery_full(transaction))
		return;
	write_pending(transaction);
	if (weir_smtp_delivery_full(transaction))
		return;
	if (transaction->complete)
		commit(transaction);
	else if (transaction->session)
		weir_smtp_update_pause(transaction->session);
}

void weir_smtp_delivery_complete(struct smtp_transaction *transaction)
{
	struct smtp_session *session = transaction->session;
	session->transaction = NULL;
	transaction->session = NULL;
	transaction->complete = true;
	transaction->reply = weir_reply_open(session->channel);
	if (!transaction->reply) {
		weir_smtp_transaction_destroy(transaction);
		return;
	}
	session->commits++;
	weir_list_append(&transaction->server->committing, &transaction->link);
	proceed(transaction);
}
