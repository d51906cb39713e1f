/*
 * The bytes of a message, from the terminator to the sinks: counted, their header scanned, and
 * copied only where a sink has no room. A message that has failed is read to its end and dropped,
 * so that no part of it is taken for commands.
 */
#include "transaction.h"

#define TOO_LARGE "552 5.3.4 Message too large\r\n"
#define BARE "554 5.6.0 Bare CR or LF in the message\r\n"
#define HAS_NUL "554 5.6.0 NUL in the message, which needs BINARYMIME\r\n"
#define TOO_MANY_HOPS "554 5.4.6 Mail loop: too many Received fields\r\n"
#define EARLY "554 5.5.0 The message was sent before the 354 reply\r\n"

enum {
	/* Bytes beyond the bound that are read and dropped; after more the session ends. */
	DROPPED_MIN = 1024 * 1024
};

/* -- the header -------------------------------------------------------------------------------- */

static void smtp_message_pass_on(void *context, struct weir_span bytes)
{
	smtp_delivery_write(context, bytes);
}

static void smtp_message_end_header(struct smtp_transaction *transaction)
{
	char text[SMTP_TRACE_MAX];
	transaction->header.ended = true;
	if (transaction->server->options.personality != WEIR_SMTP_SUBMISSION)
		return;
	if (transaction->header.broken_off)
		smtp_delivery_write(transaction, WEIR_SPAN("\r\n"));
	size_t size = smtp_trace_missing(transaction, text);
	smtp_delivery_write(transaction, weir_span(text, size));
}

/* Takes the CR that was held, now that the byte behind it is known. */
static void smtp_message_take_cr(struct smtp_transaction *transaction, bool line_feed)
{
	struct smtp_header *header = &transaction->header;
	if (!header->cr)
		return;
	header->cr = false;
	header->broken_off = !line_feed;
	header->drop = false;
	if (line_feed)
		smtp_message_end_header(transaction);
	else
		header->inside = true;
	smtp_delivery_write(transaction, WEIR_SPAN("\r"));
}

static struct weir_span smtp_message_take_header(
        struct smtp_transaction *transaction, struct weir_span bytes)
{
	struct smtp_header *header = &transaction->header;
	smtp_message_take_cr(transaction, bytes.data[0] == '\n');
	if (header->ended)
		return bytes;
	size_t used = smtp_header_scan(header, bytes, smtp_message_pass_on, transaction);
	if (header->received > WEIR_SMTP_RECEIVED_MAX)
		smtp_delivery_fail(transaction, TOO_MANY_HOPS);
	if (header->ended)
		smtp_message_end_header(transaction);
	return header->cr ? weir_span(NULL, 0) : weir_span_skip(bytes, used);
}

/* -- bytes ------------------------------------------------------------------------------------- */

static void smtp_message_take(struct smtp_transaction *transaction, struct weir_span bytes)
{
	if (transaction->failure || !bytes.size)
		return;
	if (!transaction->envelope.binary && memchr(bytes.data, 0, bytes.size)) {
		smtp_delivery_fail(transaction, HAS_NUL);
		return;
	}
	if (!transaction->header.ended)
		bytes = smtp_message_take_header(transaction, bytes);
	smtp_delivery_write(transaction, bytes);
}

/* Handles the findings of the scan about the bytes before these. */
static void smtp_message_take_findings(struct smtp_transaction *transaction)
{
	enum smtp_line_end line_end = transaction->data.line_end;
	transaction->data.line_end = SMTP_LINE_END_NONE;
	if (transaction->data.bare && !transaction->data.normalise)
		smtp_delivery_fail(transaction, BARE);
	if (line_end == SMTP_LINE_END_CR)
		smtp_message_take(transaction, WEIR_SPAN("\r"));
	else if (line_end == SMTP_LINE_END_CRLF)
		smtp_message_take(transaction, WEIR_SPAN("\r\n"));
}

/* A client that sends the message, or a part of it, before the 354 ignores replies. */
static bool smtp_message_is_early(struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;
	if (!transaction || transaction->chunks || transaction->size ||
	        weir_channel_replies(session->channel) == 0)
		return false;
	smtp_end(session, EARLY);
	return true;
}

static void smtp_message_count(
        struct smtp_session *session, struct smtp_transaction *transaction, size_t size)
{
	uint64_t most = session->server->options.size_max;
	transaction->size += size;
	if (transaction->size > most)
		smtp_delivery_fail(transaction, TOO_LARGE);
	if (transaction->size > most + most / 2 + DROPPED_MIN)
		smtp_end(session, TOO_LARGE);
}

void smtp_message_piece(struct smtp_session *session, struct weir_span bytes)
{
	struct smtp_transaction *transaction = session->transaction;
	if (!transaction || smtp_message_is_early(session))
		return;
	smtp_message_take_findings(transaction);
	smtp_message_take(transaction, bytes);
	smtp_message_count(session, transaction, bytes.size);
	smtp_update_pause(session);
}

/* -- ends -------------------------------------------------------------------------------------- */

void smtp_message_stream(struct smtp_session *session)
{
	session->data = true;
	weir_channel_expect_body(session->channel, true);
	weir_channel_stream(session->channel, smtp_data_terminator(&session->transaction->data));
}

static void smtp_message_end_chunk(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	if (transaction->failure)
		smtp_refuse(session, transaction->failure);
	else
		smtp_reply_format(session, "250 2.0.0 %llu bytes\r\n",
		        (unsigned long long)transaction->chunk);
}

void smtp_message_end(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	if (transaction->chunks && !transaction->last_chunk) {
		smtp_message_end_chunk(session);
		return;
	}
	if (transaction->data.cr) {
		transaction->data.bare = true;
		transaction->data.line_end = SMTP_LINE_END_CRLF;
	}
	smtp_message_take_findings(transaction);
	smtp_message_take_cr(transaction, false);
	if (!transaction->header.ended)
		smtp_header_flush(&transaction->header, smtp_message_pass_on, transaction);
	if (!transaction->header.ended && !transaction->failure)
		smtp_message_end_header(transaction);
	session->messages++;
	smtp_delivery_complete(transaction);
}

void smtp_message_cut(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	if (transaction && smtp_message_is_early(session))
		return;
	if (transaction)
		smtp_message_take_findings(transaction);
	if (transaction && transaction->data.cut == WEIR_SMTP_CUT_BARE)
		smtp_message_take(transaction, WEIR_SPAN("\r\n"));
	if (transaction && !smtp_data_ended(&transaction->data))
		return;
	session->data = false;
	weir_channel_expect_body(session->channel, false);
	smtp_await_command(session);
	if (transaction)
		smtp_message_end(session);
	smtp_update_pause(session);
}
