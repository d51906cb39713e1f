/*
 * The bytes of a message, from the terminator to the sinks: counted, their header scanned, and
 * copied only where a sink has no room. A message that has failed is read to its end and dropped,
 * so that no part of it is taken for commands.
 */
#include "smtp_session.h"
#include "smtp_syntax.h"

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
static void smtp_message_consume_cr(struct smtp_transaction *transaction, bool line_feed)
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

static struct weir_span smtp_message_consume_header(
        struct smtp_transaction *transaction, struct weir_span bytes)
{
	struct smtp_header *header = &transaction->header;
	smtp_message_consume_cr(transaction, bytes.data[0] == '\n');
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

static void smtp_message_consume(struct smtp_transaction *transaction, struct weir_span bytes)
{
	if (transaction->failure || !bytes.size)
		return;
	if (!transaction->envelope.binary && memchr(bytes.data, 0, bytes.size)) {
		smtp_delivery_fail(transaction, HAS_NUL);
		return;
	}
	if (!transaction->header.ended)
		bytes = smtp_message_consume_header(transaction, bytes);
	smtp_delivery_write(transaction, bytes);
}

/* Handles the findings of the scan about the bytes before these. */
static void smtp_message_consume_findings(struct smtp_transaction *transaction)
{
	enum smtp_line_end line_end = transaction->data.line_end;
	transaction->data.line_end = SMTP_LINE_END_NONE;
	if (transaction->data.bare && !transaction->data.normalise)
		smtp_delivery_fail(transaction, BARE);
	if (line_end == SMTP_LINE_END_CR)
		smtp_message_consume(transaction, WEIR_SPAN("\r"));
	else if (line_end == SMTP_LINE_END_CRLF)
		smtp_message_consume(transaction, WEIR_SPAN("\r\n"));
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
	smtp_message_consume_findings(transaction);
	smtp_message_consume(transaction, bytes);
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
	smtp_message_consume_findings(transaction);
	smtp_message_consume_cr(transaction, false);
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
		smtp_message_consume_findings(transaction);
	if (transaction && transaction->data.cut == WEIR_SMTP_CUT_BARE)
		smtp_message_consume(transaction, WEIR_SPAN("\r\n"));
	if (transaction && !smtp_data_ended(&transaction->data))
		return;
	session->data = false;
	weir_channel_expect_body(session->channel, false);
	smtp_await_command(session);
	if (transaction)
		smtp_message_end(session);
	smtp_update_pause(session);
}

/* -- the terminator ---------------------------------------------------------------------------- */

/*
 * The scan of messages. Its only state is whether the first byte is at the start of a line. Bytes
 * whose meaning is open come again at the front of the next scan: a CR that may be bare, a dot that
 * may be the end.
 */

enum {
	/*
	 * Each cut starts a new search; a window keeps it from searching far ahead again and again.
	 */
	WINDOW = 1024
};

enum find {
	FIND_NONE,
	FIND_LINE, /* *ret_at is behind a CRLF */
	FIND_BARE, /* *ret_at is at a bare CR or LF */
	FIND_EDGE, /* *ret_at is at a CR, the last byte */
};

/* Finds the first CR or LF from `at` on. */
static enum find smtp_data_find_line_end(const char *at, const char *end, const char **ret_at)
{
	while (at < end) {
		const char *limit = end - at > WINDOW ? at + WINDOW : end;
		const char *lf = memchr(at, '\n', (size_t)(limit - at));
		if (lf)
			limit = lf;
		const char *cr = memchr(at, '\r', (size_t)(limit - at));
		*ret_at = cr ? cr : lf;
		if (cr && cr + 1 == end)
			return FIND_EDGE;
		if (cr && cr[1] == '\n') {
			*ret_at = cr + 2;
			return FIND_LINE;
		}
		if (*ret_at)
			return FIND_BARE;
		at = limit;
	}
	return FIND_NONE;
}

static enum weir_scan smtp_data_cut(struct smtp_data *data, enum smtp_cut smtp_data_cut, size_t end,
        size_t strip, struct weir_cut *ret)
{
	data->cut = smtp_data_cut;
	data->line_start = false;
	ret->end = end;
	ret->strip = strip;
	return WEIR_SCAN_FOUND;
}

/* -- DATA -------------------------------------------------------------------------------------- */

static enum weir_scan smtp_data_hold(
        struct smtp_data *data, bool line_start, size_t size, struct weir_cut *ret)
{
	data->line_start = line_start;
	ret->hold = size;
	return WEIR_SCAN_MORE;
}

static enum weir_scan smtp_data_scan_dot(
        struct smtp_data *data, struct weir_span span, size_t at, struct weir_cut *ret)
{
	size_t left = span.size - at;
	const char *dot = span.data + at;
	if (left == 1 || (left == 2 && dot[1] == '\r'))
		return smtp_data_hold(data, true, left, ret);
	if (dot[1] == '\r' && dot[2] == '\n')
		return smtp_data_cut(data, WEIR_SMTP_CUT_END, at + 3, 3, ret);
	return smtp_data_cut(data, WEIR_SMTP_CUT_DOT, at + 1, 1, ret);
}

static enum weir_scan smtp_data_scan_lines(
        struct smtp_data *data, struct weir_span span, struct weir_cut *ret)
{
	const char *at = span.data, *end = span.data + span.size;
	bool line_start = data->line_start;
	while (at < end) {
		if (line_start && *at == '.')
			return smtp_data_scan_dot(data, span, (size_t)(at - span.data), ret);
		switch (smtp_data_find_line_end(at, end, &at)) {
		case FIND_NONE:
			return smtp_data_hold(data, false, 0, ret);
		case FIND_EDGE:
			return smtp_data_hold(data, false, 1, ret);
		case FIND_LINE:
			line_start = true;
			break;
		case FIND_BARE:
			data->bare = true;
			line_start = false;
			at++;
			if (data->normalise)
				return smtp_data_cut(
				        data, WEIR_SMTP_CUT_BARE, (size_t)(at - span.data), 1, ret);
			break;
		}
	}
	return smtp_data_hold(data, line_start, 0, ret);
}

/* -- BDAT -------------------------------------------------------------------------------------- */

/* The chunk has been scanned as far as it has come. `edge`: its last byte is a CR. */
static enum weir_scan smtp_data_end_of_view(
        struct smtp_data *data, size_t size, bool edge, struct weir_cut *ret)
{
	if (size == data->left) {
		data->cr = edge;
		data->left = 0;
		return smtp_data_cut(data, WEIR_SMTP_CUT_END, size, edge, ret);
	}
	ret->hold = edge;
	data->left -= size - ret->hold;
	return WEIR_SCAN_MORE;
}

/* A chunk may end within a line end. Returns the number of bytes that complete it. */
static size_t smtp_data_go_on_after_cr(struct smtp_data *data, const char *at)
{
	if (!data->cr)
		return 0;
	data->cr = false;
	data->line_end = *at == '\n' ? SMTP_LINE_END_CR : SMTP_LINE_END_CRLF;
	data->bare |= *at != '\n';
	return *at == '\n';
}

static enum weir_scan smtp_data_scan_chunk(
        struct smtp_data *data, struct weir_span span, struct weir_cut *ret)
{
	size_t size = span.size < data->left ? span.size : (size_t)data->left;
	const char *at = span.data, *end = span.data + size;
	if (size == 0)
		return WEIR_SCAN_MORE;
	if (data->binary)
		return smtp_data_end_of_view(data, size, false, ret);
	at += smtp_data_go_on_after_cr(data, at);
	while (at < end) {
		enum find found = smtp_data_find_line_end(at, end, &at);
		if (found == FIND_NONE)
			break;
		if (found == FIND_EDGE)
			return smtp_data_end_of_view(data, size, true, ret);
		if (found == FIND_LINE)
			continue;
		data->bare = true;
		at++;
		if (data->normalise) {
			data->left -= (uint64_t)(at - span.data);
			return smtp_data_cut(
			        data, WEIR_SMTP_CUT_BARE, (size_t)(at - span.data), 1, ret);
		}
	}
	return smtp_data_end_of_view(data, size, false, ret);
}

/* -- the terminator ---------------------------------------------------------------------------- */

static enum weir_scan smtp_data_scan(struct weir_terminator *terminator, struct weir_span span,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	struct smtp_data *data = (struct smtp_data *)terminator->context;
	(void)seen, (void)before;
	if (data->chunk)
		return smtp_data_scan_chunk(data, span, ret);
	return smtp_data_scan_lines(data, span, ret);
}

void smtp_data_init(struct smtp_data *data, bool chunk, bool binary, bool normalise)
{
	*data = (struct smtp_data){
	        .chunk = chunk,
	        .binary = binary,
	        .normalise = normalise,
	        .line_start = true,
	};
}

struct weir_terminator smtp_data_terminator(struct smtp_data *data)
{
	static const struct weir_terminator_type type = {"smtp-data", smtp_data_scan};
	return (struct weir_terminator){.type = &type, .context = data};
}
