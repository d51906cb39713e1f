/*
 * The reply to a message. The transaction itself is its producer, so that the reply needs no
 * memory; nor do the replies of LMTP, one for each recipient.
 */
#include <errno.h>
#include <stdio.h>

#include <weir/error.h>

#include "smtp_metrics.h"
#include "smtp_session.h"

const char *smtp_error_reply(int error)
{
	switch (error) {
	case -ENOSPC:
		return "452 4.3.1 Insufficient disk space\r\n";
	case -EDQUOT:
		return "552 5.2.2 Mailbox full\r\n";
	case -ENOENT:
		return "550 5.1.1 No such mailbox\r\n";
	case WEIR_E_LIMIT:
		return "451 4.3.2 The server is busy, try again later\r\n";
	default:
		return "451 4.3.0 The message could not be stored, try again later\r\n";
	}
}

static bool smtp_outcome_is_permanent(int error)
{
	return error && smtp_error_reply(error)[0] == '5';
}

int smtp_worse(int a, int b)
{
	if (a == 0 || (smtp_outcome_is_permanent(a) && b && !smtp_outcome_is_permanent(b)))
		return b;
	return a;
}

/* -- the producer ------------------------------------------------------------------------------ */

static int smtp_outcome_result_of(const struct smtp_transaction *transaction, uint32_t recipient)
{
	return ((const int *)(const void *)transaction->results.data)[recipient];
}

/* Returns the worst result of all recipients, for the one reply of SMTP. */
static int smtp_outcome_result_of_all(const struct smtp_transaction *transaction)
{
	int worst = 0;
	for (uint32_t i = 0; i < smtp_recipient_count(transaction); i++)
		worst = smtp_worse(worst, smtp_outcome_result_of(transaction, i));
	return worst;
}

/*
 * One full mailbox must not cause a bounce for all recipients. No recipient has the message, and at
 * the next attempt RCPT refuses the full mailbox, if the client gives SIZE.
 */
static const char *smtp_outcome_error_reply(const struct smtp_transaction *transaction, int error)
{
	size_t bytes = transaction->local.recipients.size + transaction->relay.recipients.size;
	bool several = bytes > sizeof(struct weir_mail_recipient);
	if (error == -EDQUOT && several && transaction->envelope.size &&
	        transaction->server->options.personality != WEIR_SMTP_LMTP)
		return "452 4.2.2 A mailbox is full, no recipient got the message, try again later\r\n";
	return smtp_error_reply(error);
}

/* Writes the line for this result; returns its length. */
static size_t smtp_outcome_write_line(
        const struct smtp_transaction *transaction, int result, char text[SMTP_REPLY_MAX])
{
	const char *failed = transaction->failure;
	if (!failed && result < 0)
		failed = smtp_outcome_error_reply(transaction, result);
	if (failed)
		return (size_t)snprintf(text, SMTP_REPLY_MAX, "%s", failed);
	return (size_t)snprintf(
	        text, SMTP_REPLY_MAX, "250 2.0.0 Accepted as %s\r\n", transaction->id);
}

static enum weir_more smtp_outcome_put_line(
        const struct smtp_transaction *transaction, int result, struct weir_output *out)
{
	char text[SMTP_REPLY_MAX];
	size_t size = smtp_outcome_write_line(transaction, result, text);
	if (weir_output_room(out) < size)
		return WEIR_MORE;
	return weir_output_copy(out, text, size) == size ? WEIR_DONE : WEIR_FAILED;
}

static enum weir_more smtp_outcome_more(struct weir_producer *producer, struct weir_output *out)
{
	struct smtp_transaction *transaction =
	        WEIR_CONTAINER(producer, struct smtp_transaction, producer);
	enum weir_more result = WEIR_DONE;
	if (transaction->server->options.personality != WEIR_SMTP_LMTP)
		return smtp_outcome_put_line(
		        transaction, smtp_outcome_result_of_all(transaction), out);
	while (result == WEIR_DONE && transaction->replied < smtp_recipient_count(transaction)) {
		result = smtp_outcome_put_line(transaction,
		        smtp_outcome_result_of(transaction, transaction->replied), out);
		transaction->replied += result == WEIR_DONE;
	}
	return result;
}

static void smtp_outcome_on_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	smtp_transaction_destroy(WEIR_CONTAINER(producer, struct smtp_transaction, producer));
}

const struct weir_producer_type smtp_outcome_type = {
        .name = "smtp-outcome",
        .more = smtp_outcome_more,
        .close = smtp_outcome_on_close,
};

/*
 * -- replying -----------------------------------------------------------------------------------
 */

static struct weir_span smtp_outcome_only_recipient(const struct smtp_transaction *transaction)
{
	const struct smtp_route *route =
	        transaction->local.recipients.size ? &transaction->local : &transaction->relay;
	if (smtp_recipient_count(transaction) != 1 || !route->recipients.size)
		return weir_span(NULL, 0);
	return ((const struct weir_mail_recipient *)(const void *)route->recipients.data)->address;
}

static void smtp_outcome_log(const struct smtp_transaction *transaction, int result)
{
	const struct weir_smtp_options *options = &transaction->server->options;
	char text[SMTP_REPLY_MAX];
	bool failed = transaction->failure || result < 0;
	size_t size = smtp_outcome_write_line(transaction, result, text);
	struct weir_smtp_event event = {
	        .kind = failed ? WEIR_SMTP_FAILED : WEIR_SMTP_ACCEPTED,
	        .peer = &transaction->peer,
	        .session = transaction->channel_id,
	        .helo = transaction->helo,
	        .user = transaction->user,
	        .sender = transaction->envelope.sender,
	        .recipient = smtp_outcome_only_recipient(transaction),
	        .recipients = smtp_recipient_count(transaction),
	        .size = transaction->size,
	        .id = weir_span_of(transaction->id),
	        .text = weir_span(text, size - 2),
	        .secure = transaction->secure,
	};
	weir_metric_add(&transaction->server->cells->events[event.kind], 1);
	weir_metric_observe_ms(transaction->server->cells->message_ms,
	        weir_loop_now_ms(transaction->server->loop) - transaction->completed_ms);
	if (!failed)
		weir_metric_add(&transaction->server->cells->message_bytes, transaction->size);
	if (options->log)
		options->log(options->context, &event);
}

void smtp_outcome_reply(struct smtp_transaction *transaction)
{
	struct weir_channel *channel = weir_reply_channel(transaction->reply);
	struct smtp_session *session = channel ? weir_channel_session(channel) : NULL;
	int result = smtp_outcome_result_of_all(transaction);
	bool well = !transaction->failure && result == 0;
	smtp_outcome_log(transaction, result);
	weir_list_remove(&transaction->link);
	weir_reply_fill(transaction->reply, &transaction->producer);
	if (!session)
		return;
	session->commits--;
	if (well)
		session->errors = 0;
	else
		smtp_count_errors(session, 1);
	smtp_update_pause(session);
}
