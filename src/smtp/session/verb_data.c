/* DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): the message. */
#include <weir/error.h>

#include "smtp_session.h"

#define NO_RECIPIENTS "554 5.5.1 No recipients\r\n"

/* -- DATA -------------------------------------------------------------------------------------- */

static const char *smtp_verb_data_refusal(struct smtp_transaction *transaction)
{
	if (transaction->chunks)
		return "503 5.5.1 DATA cannot follow BDAT\r\n";
	if (transaction->envelope.binary)
		return "503 5.5.1 BINARYMIME needs BDAT\r\n";
	if (!smtp_recipient_count(transaction))
		return NO_RECIPIENTS;
	return NULL;
}

void smtp_verb_data(struct smtp_session *session, struct weir_span argument)
{
	struct smtp_transaction *transaction = session->transaction;
	const char *refusal = smtp_verb_data_refusal(transaction);
	(void)argument;
	if (!refusal) {
		refusal = smtp_delivery_begin(transaction);
		if (refusal) {
			smtp_log(session, WEIR_SMTP_FAILED, weir_span(NULL, 0), refusal);
			smtp_reset(session);
		}
	}
	if (refusal) {
		smtp_refuse(session, refusal);
		return;
	}
	smtp_data_init(&transaction->data, false, false, session->server->options.normalise);
	smtp_reply(session, "354 End the message with <CRLF>.<CRLF>\r\n");
	smtp_message_stream(session);
	smtp_update_pause(session);
}

/* -- BDAT -------------------------------------------------------------------------------------- */

struct bdat_chunk {
	uint64_t size;
	bool last;
};

static int smtp_verb_data_parse(struct weir_span argument, struct bdat_chunk *ret)
{
	struct weir_span number;
	weir_span_cut(&argument, ' ', &number);
	argument = weir_span_trim(argument);
	ret->last = argument.size;
	if (argument.size && !weir_span_equal_nocase(argument, WEIR_SPAN("LAST")))
		return WEIR_E_SYNTAX;
	return weir_span_number(number, 10, &ret->size);
}

/* Returns why the chunk belongs to no message; NULL: it does. */
static const char *smtp_verb_data_chunk_refusal(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;
	if (!transaction)
		return "503 5.5.1 Send MAIL first\r\n";
	if (!smtp_recipient_count(transaction))
		return NO_RECIPIENTS;
	return NULL;
}

/* The chunk is read and dropped: it must not be taken for commands. */
static void smtp_verb_data_drop_chunk(struct smtp_session *session, uint64_t size)
{
	if (size == 0)
		return;
	session->data = true;
	smtp_reset(session);
	weir_channel_expect_body(session->channel, true);
	weir_channel_stream(session->channel, weir_length(size));
}

static void smtp_verb_data_begin_chunk(struct smtp_session *session, const struct bdat_chunk *chunk)
{
	struct smtp_transaction *transaction = session->transaction;
	if (!transaction->chunks) {
		smtp_data_init(&transaction->data, true, transaction->envelope.binary,
		        session->server->options.normalise);
		transaction->chunks = true;
		smtp_delivery_begin(transaction);
	}
	transaction->chunk = transaction->data.left = chunk->size;
	transaction->last_chunk = chunk->last;
	if (chunk->size)
		smtp_message_stream(session);
	else
		smtp_message_end(session);
	smtp_update_pause(session);
}

void smtp_verb_bdat(struct smtp_session *session, struct weir_span argument)
{
	uint64_t most = session->server->options.size_max;
	const char *refusal = NULL;
	struct bdat_chunk chunk;
	if (smtp_verb_data_parse(argument, &chunk) < 0)
		refusal = "501 5.5.4 Syntax: BDAT size [LAST]\r\n";
	else if (chunk.size > most + most / 2)
		refusal = "552 5.3.4 Message too large\r\n";
	/* The size is not known, or too large to be read. */
	if (refusal) {
		smtp_end(session, refusal);
		return;
	}
	refusal = smtp_verb_data_chunk_refusal(session);
	if (!refusal) {
		smtp_verb_data_begin_chunk(session, &chunk);
		return;
	}
	smtp_refuse(session, refusal);
	smtp_verb_data_drop_chunk(session, chunk.size);
}
