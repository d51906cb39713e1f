/*
 * Writing a message to its sinks: to the local one with Return-Path in front, to the relay's
 * without. When a sink has no room, the bytes wait in `pending`: at most one piece of input, since
 * reading is paused then.
 *
 * The order of the commits keeps mail from being lost or duplicated: see weir/smtp.h.
 */
#include <errno.h>

#include <weir/error.h>

#include "smtp_session.h"

static void smtp_delivery_proceed(struct smtp_transaction *transaction);

/* -- failing ----------------------------------------------------------------------------------- */

static void smtp_delivery_abort_route(struct smtp_route *route)
{
	struct weir_mail_delivery *delivery = route->delivery;
	route->delivery = NULL;
	route->full = route->held = false;
	if (delivery)
		delivery->sink->type->abort(delivery);
}

void smtp_delivery_fail(struct smtp_transaction *transaction, const char *reply)
{
	if (!transaction->failure)
		transaction->failure = reply;
	smtp_delivery_abort_route(&transaction->local);
	smtp_delivery_abort_route(&transaction->relay);
	weir_buffer_finish(&transaction->pending);
}

/* -- writing ----------------------------------------------------------------------------------- */

bool smtp_delivery_full(const struct smtp_transaction *transaction)
{
	return transaction->local.full || transaction->relay.full;
}

static void smtp_delivery_write_route(
        struct smtp_transaction *transaction, struct smtp_route *route, struct weir_span bytes)
{
	if (!route->delivery)
		return;
	int result = route->delivery->sink->type->write(route->delivery, bytes);
	if (result < 0)
		smtp_delivery_fail(transaction, smtp_error_reply(result));
	else
		route->full = result == WEIR_MAIL_FULL;
}

static void smtp_delivery_write_both(struct smtp_transaction *transaction, struct weir_span bytes)
{
	smtp_delivery_write_route(transaction, &transaction->local, bytes);
	smtp_delivery_write_route(transaction, &transaction->relay, bytes);
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
        struct smtp_transaction *transaction, struct smtp_route *route, int error)
{
	route->full = false;
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

static int smtp_delivery_begin_route(
        struct smtp_transaction *transaction, struct smtp_route *route, weir_mail_ready_fn *ready)
{
	struct weir_mail_envelope envelope = transaction->envelope;
	envelope.trace = weir_span_of(transaction->id);
	envelope.together = transaction->server->options.personality != WEIR_SMTP_LMTP;
	envelope.count = route->recipients.size / sizeof *envelope.recipients;
	if (!envelope.count)
		return 0;
	envelope.recipients =
	        (const struct weir_mail_recipient *)(const void *)route->recipients.data;
	return route->sink->type->begin(route->sink, transaction->server->loop, &envelope, ready,
	        transaction, &route->delivery);
}

/* The local sink gets both fields in one write, since it may have no room after the first. */
static void smtp_delivery_write_trace(struct smtp_transaction *transaction)
{
	char text[2 * SMTP_TRACE_MAX];
	size_t path = smtp_trace_return_path(transaction, text);
	size_t received = smtp_trace_received(transaction, text + path);
	smtp_delivery_write_route(
	        transaction, &transaction->local, weir_span(text, path + received));
	smtp_delivery_write_route(
	        transaction, &transaction->relay, weir_span(text + path, received));
}

const char *smtp_delivery_begin(struct smtp_transaction *transaction)
{
	enum weir_smtp_personality personality = transaction->server->options.personality;
	/*
	 * Bcc is removed at submission (RFC 6409 8), Return-Path at delivery (RFC 5321 4.4). The
	 * header of a message that is only relayed stays as it is.
	 */
	transaction->header.drop_bcc = personality == WEIR_SMTP_SUBMISSION;
	transaction->header.drop_return_path = transaction->local.recipients.size;
	int error = smtp_delivery_begin_route(
	        transaction, &transaction->local, smtp_delivery_local_ready);
	if (error == 0)
		error = smtp_delivery_begin_route(
		        transaction, &transaction->relay, smtp_delivery_relay_ready);
	if (error < 0)
		smtp_delivery_fail(transaction, smtp_error_reply(error));
	else
		smtp_delivery_write_trace(transaction);
	return transaction->failure;
}

/* -- committing -------------------------------------------------------------------------------- */

/* Records the results of the recipients of one sink. Returns true if all have succeeded. */
static bool smtp_delivery_record(
        struct smtp_transaction *transaction, bool relay, const int *errors)
{
	int *results = (int *)(void *)transaction->results.data;
	const struct smtp_destination *destinations =
	        (const struct smtp_destination *)(const void *)transaction->destinations.data;
	bool well = true;
	for (size_t i = 0; i < transaction->destinations.size / sizeof *destinations; i++) {
		int *result = &results[destinations[i].recipient];
		if (destinations[i].relay != relay)
			continue;
		*result = smtp_worse(*result, errors[destinations[i].index]);
		well &= errors[destinations[i].index] == 0;
	}
	return well;
}

static void smtp_delivery_relay_done(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	transaction->relay.delivery = NULL;
	smtp_delivery_record(transaction, true, errors);
	smtp_outcome_reply(transaction);
}

static void smtp_delivery_commit_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	if (delivery)
		delivery->sink->type->commit(delivery, smtp_delivery_relay_done, transaction);
	else
		smtp_outcome_reply(transaction);
}

static void smtp_delivery_release_relay(struct smtp_transaction *transaction)
{
	struct weir_mail_delivery *delivery = transaction->relay.delivery;
	transaction->relay.delivery = NULL;
	transaction->relay.held = false;
	delivery->sink->type->release(delivery);
	smtp_outcome_reply(transaction);
}

static void smtp_delivery_local_done(void *context, const int *errors)
{
	struct smtp_transaction *transaction = context;
	transaction->local.delivery = NULL;
	bool well = smtp_delivery_record(transaction, false, errors);
	/*
	 * SMTP has one reply for all recipients, which is a failure: no recipient gets the message.
	 */
	if (!well && transaction->server->options.personality != WEIR_SMTP_LMTP)
		smtp_delivery_abort_route(&transaction->relay);
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
	smtp_delivery_abort_route(&transaction->local);
	smtp_outcome_reply(transaction);
}

/*
 * For a message to mailboxes and to the queue: the queue can remove what it holds, and the
 * mailboxes cannot. So the mailboxes commit last.
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
		smtp_outcome_reply(transaction);
	else if (!smtp_delivery_hold_relay(transaction))
		smtp_delivery_commit_local(transaction);
}

/* There is room again, or nothing left to write. */
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
	transaction->completed_ms = weir_loop_now_ms(transaction->server->loop);
	transaction->reply = weir_reply_open(session->channel);
	if (!transaction->reply) {
		smtp_transaction_destroy(transaction);
		return;
	}
	session->commits++;
	weir_list_append(&transaction->server->committing, &transaction->link);
	smtp_delivery_proceed(transaction);
}
