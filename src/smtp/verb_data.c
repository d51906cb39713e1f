/* DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): the message. */
#include <weir/error.h>

#include "transaction.h"

#define NO_RECIPIENTS "554 5.5.1 No recipients\r\n"

/* -- DATA -------------------------------------------------------------------------------------- */

static const char *data_refusal(struct smtp_transaction *transaction)
{
	if (transaction->chunks)
		return "503 5.5.1 The message comes by BDAT already\r\n";
	if (transaction->envelope.binary)
		return "503 5.5.1 BINARYMIME needs BDAT\r\n";
	if (!weir_smtp_recipient_count(transaction))
		return NO_RECIPIENTS;
	return NULL;
}

void weir_smtp_verb_data(struct smtp_session *session, struct weir_span argument)
{
	struct smtp_transaction *transaction = session->transaction;
	const char *refusal = data_refusal(transaction);
	(void)argument;
	if (!refusal) {
		refusal = weir_smtp_delivery_begin(transaction);
		if (refusal) {
			weir_smtp_log(session, WEIR_SMTP_FAILED, weir_span(NULL, 0), refusal);
			weir_smtp_reset(session);
		}
	}
	if (refusal) {
		weir_smtp_refuse(session, refusal);
		return;
	}
	weir_smtp_data_init(&transaction->data, false, false, session->server->options.normalise);
	weir_smtp_reply(session, "354 End with a dot on a line of its own\r\n");
	weir_smtp_message_stream(session);
	weir_smtp_update_pause(session);
}

/* -- BDAT -------------------------------------------------------------------------------------- */

struct chunk {
	uint64_t size;
	bool last;
};

static int parse(struct weir_span argument, struct chunk *ret)
{
	struct weir_span number;
	weir_span_cut(&argument, ' ', &number);
	argument = weir_span_trim(argument);
	ret->last = argument.size;
	if (argument.size && !weir_span_equal_nocase(argument, WEIR_SPAN("LAST")))
		return WEIR_E_SYNTAX;
	return weir_span_number(number, 10, &ret->size);
}

/* Why the chunk is not for any message; NULL: it is. */
static const char *chunk_refusal(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;
	if (!transaction)
		return "503 5.5.1 Say MAIL first\r\n";
	if (!weir_smtp_recipient_count(transaction))
		return NO_RECIPIENTS;
	return NULL;
}

/* Taken in and dropped: it must not be read as commands. */
static void drop_chunk(struct smtp_session *session, uint64_t size)
{
	if (size == 0)
		return;
	session->data = true;
	weir_smtp_reset(session);
	weir_channel_expect_body(session->channel, true);
	weir_channel_stream(session->channel, weir_length(size));
}

static void begin_chunk(struct smtp_session *session, const struct chunk *chunk)
{
	struct smtp_transaction *transaction = session->transaction;
	if (!transaction->chunks) {
		weir_smtp_data_init(&transaction->data, true, transaction->envelope.binary,
		        session->server->options.normalise);
		transaction->chunks = true;
		weir_smtp_delivery_begin(transaction);
	}
	transaction->chunk = transaction->data.left = chunk->size;
	transaction->last_chunk = chunk->last;
	if (chunk->size)
		weir_smtp_message_stream(session);
	else
		weir_smtp_message_end(session);
	weir_smtp_update_pause(session);
}

void weir_smtp_verb_bdat(struct smtp_session *session, struct weir_span argument)
{
	uint64_t most = session->server->options.size_max;
	const char *refusal = NULL;
	struct chunk chunk;
	if (parse(argument, &chunk) < 0)
		refusal = "501 5.5.4 BDAT size [LAST] is what it should be\r\n";
	else if (chunk.size > most + most / 2)
		refusal = "552 5.3.4 Message too large\r\n";
	/* Not to be taken in: the size is nobody's guess, or nobody's time. */
	if (refusal) {
		weir_smtp_end(session, refusal);
		return;
	}
	refusal = chunk_refusal(session);
	if (!refusal) {
		begin_chunk(session, &chunk);
		return;
	}
	weir_smtp_refuse(session, refusal);
	drop_chunk(session, chunk.size);
}
