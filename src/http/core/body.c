/*
 * Receives a request's body by the channel's own terminators: a length; or, for a chunked body (RFC
 * 9112 7.1), a line, a length and CRLF again and again, up to the trailer section.
 *
 * A body is read if the handler receives it, or dropped if it is small. Otherwise the connection
 * ends, since the start of the next request would be unknown.
 */
#include <errno.h>

#include <weir/error.h>

#include "exchange.h"
#include "head.h"

/* The terminators below have the loop's state as their context. */
static enum weir_scan http_body_refuse(
        const struct weir_terminator *terminator, const char *fault, struct weir_span data)
{
	http_log_note_fault((struct http_loop *)terminator->context, fault, data);
	return WEIR_SCAN_BAD;
}

static enum weir_scan http_body_scan_line(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)before;
	enum weir_scan result = http_line_scan(data, seen, ret);
	if (result != WEIR_SCAN_BAD)
		return result;
	return http_body_refuse(terminator, "a line of a chunked body does not end in CRLF", data);
}

static enum weir_scan http_body_scan_chunk_end(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)seen;
	(void)before;
	enum weir_scan result = http_chunk_end_scan(data, ret);
	if (result != WEIR_SCAN_BAD)
		return result;
	return http_body_refuse(terminator, "no CRLF behind the data of a chunk", data);
}

static void http_body_await_line(struct weir_http_exchange *exchange, enum http_body_state state)
{
	exchange->body_state = state;
	weir_channel_set_request_max(exchange->channel,
	        state == HTTP_BODY_TRAILERS ? WEIR_HTTP_TRAILER_MAX : WEIR_HTTP_CHUNK_LINE_MAX);
	static const struct weir_terminator_type type = {"http-body-line", http_body_scan_line};
	weir_channel_await(exchange->channel,
	        (struct weir_terminator){.type = &type, .context = exchange->loop_state});
}

static void http_body_read(struct weir_http_exchange *exchange)
{
	weir_channel_read_small(exchange->channel, exchange->small_pieces);
	if (exchange->body_state == HTTP_BODY_LENGTH)
		weir_channel_stream(exchange->channel, weir_length(exchange->request->length));
	else
		http_body_await_line(exchange, HTTP_BODY_CHUNK_LINE);
	weir_channel_expect_body(exchange->channel, true);
	weir_channel_resume(exchange->channel);
}

void http_body_begin(struct weir_http_exchange *exchange)
{
	exchange->had_body = true;
	exchange->body_state = exchange->request->chunked ? HTTP_BODY_CHUNK_LINE : HTTP_BODY_LENGTH;
	weir_channel_set_session(exchange->channel, exchange);
}

/* The receiver may reply, so the exchange must not be freed meanwhile. */
static void http_body_end_receiver(struct weir_http_exchange *exchange, int error)
{
	const struct weir_http_receiver *receiver = exchange->receiver;
	exchange->receiver = NULL;
	exchange->body_state = HTTP_BODY_NONE;
	if (!receiver)
		return;
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	receiver->end(exchange->receiver_context, error);
	http_exchange_leave_handler(exchange, before);
}

static void http_body_complete(struct weir_http_exchange *exchange)
{
	/* Later bytes belong to the next request, which this receiver must not pause. */
	weir_http_resume(exchange);
	exchange->body_state = HTTP_BODY_NONE;
	http_connection_next(exchange);
	http_body_end_receiver(exchange, 0);
	http_exchange_free_if_unused(exchange);
}

/* Returns whether the request was deferred. Its handler is not called then: the caller replies. */
static bool http_body_clear_deferred(struct weir_http_exchange *exchange)
{
	if (exchange->handler_state != HTTP_HANDLER_DEFERRED)
		return false;
	weir_loop_cancel(exchange->loop, &exchange->task);
	exchange->handler_state = HTTP_HANDLER_IDLE;
	return true;
}

void http_body_fail(struct weir_http_exchange *exchange, int error, unsigned status)
{
	struct weir_channel *channel = exchange->channel;
	bool replied = http_exchange_replied(exchange);
	if (channel)
		weir_channel_set_session(channel, NULL);
	exchange->keep_alive = false;
	http_body_clear_deferred(exchange);
	http_body_end_receiver(exchange, error);
	if (!http_exchange_replied(exchange))
		weir_http_reply_error(exchange, status);
	else if (replied && exchange->loop_state->fault)
		http_log_fault(exchange, status);
	http_log_clear_fault(exchange->loop_state);
	if (channel)
		weir_channel_close(channel);
	http_exchange_free_if_unused(exchange);
}

static void http_body_fail_malformed(
        struct weir_http_exchange *exchange, const char *fault, struct weir_span bytes)
{
	http_log_note_fault(exchange->loop_state, fault, bytes);
	http_body_fail(exchange, WEIR_E_SYNTAX, 400);
}

void http_body_overflow(struct weir_http_exchange *exchange, int error)
{
	if (error == WEIR_E_SYNTAX)
		http_body_fail(exchange, WEIR_E_SYNTAX, 400);
	else
		http_body_fail_malformed(
		        exchange, "a line of a chunked body is too long", WEIR_SPAN(""));
}

void http_body_lost(struct weir_http_exchange *exchange, int error)
{
	bool received = exchange->receiver || http_body_clear_deferred(exchange);
	exchange->channel = NULL;
	http_body_end_receiver(exchange, error);
	/*
	 * The receiver's end() was called, or no handler will be: only then is the reply made here.
	 */
	if (received && !http_exchange_replied(exchange))
		weir_http_reply_empty(exchange, 400);
	else
		http_exchange_free_if_unused(exchange);
}

bool http_body_abandon(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	exchange->channel = NULL;
	if (!channel || weir_channel_session(channel) != exchange)
		return false;
	weir_channel_set_session(channel, NULL);
	http_body_lost(exchange, -ECONNRESET);
	return true;
}

void http_body_piece(struct weir_http_exchange *exchange, struct weir_span bytes)
{
	exchange->body_got += bytes.size;
	if (exchange->body_got > exchange->body_max)
		http_body_fail(exchange, WEIR_E_LIMIT, 413);
	else if (exchange->receiver)
		exchange->receiver->piece(exchange->receiver_context, bytes);
}

static void http_body_chunk_line(struct weir_http_exchange *exchange, struct weir_span line)
{
	uint64_t size;
	if (http_chunk_parse(line, &size) < 0) {
		http_body_fail_malformed(exchange, "not the size of a chunk", line);
	} else if (size == 0) {
		http_body_await_line(exchange, HTTP_BODY_TRAILERS);
	} else {
		exchange->body_state = HTTP_BODY_CHUNK_DATA;
		weir_channel_stream(exchange->channel, weir_length(size));
	}
}

/* A trailer field is never merged with the head, whose meaning it must not change. */
static void http_body_trailer(struct weir_http_exchange *exchange, struct weir_span line)
{
	struct weir_http_field field;
	if (line.size == 0)
		http_body_complete(exchange);
	else if (http_trailer_parse(line, &field) < 0)
		http_body_fail_malformed(exchange, "not a trailer field", line);
	else if (++exchange->trailers_in > WEIR_HTTP_TRAILERS_IN_MAX)
		http_body_fail(exchange, WEIR_E_LIMIT, 431);
	else if (exchange->receiver && exchange->trailer)
		exchange->trailer(exchange->receiver_context, &field);
}

void http_body_request(struct weir_http_exchange *exchange, struct weir_span line)
{
	static const struct weir_terminator_type end_type = {
	        "http-chunk-end", http_body_scan_chunk_end};
	switch ((enum http_body_state)exchange->body_state) {
	case HTTP_BODY_NONE:
	case HTTP_BODY_TUNNEL:
		break;
	case HTTP_BODY_LENGTH:
		http_body_complete(exchange);
		break;
	case HTTP_BODY_CHUNK_LINE:
		http_body_chunk_line(exchange, line);
		break;
	case HTTP_BODY_CHUNK_DATA:
		exchange->body_state = HTTP_BODY_CHUNK_END;
		weir_channel_await(exchange->channel, (struct weir_terminator){.type = &end_type,
		                                              .context = exchange->loop_state});
		break;
	case HTTP_BODY_CHUNK_END:
		http_body_await_line(exchange, HTTP_BODY_CHUNK_LINE);
		break;
	case HTTP_BODY_TRAILERS:
		http_body_trailer(exchange, line);
		break;
	}
}

/* -- another protocol -------------------------------------------------------------------------- */

void http_body_begin_tunnel(struct weir_http_exchange *exchange,
        const struct weir_http_receiver *receiver, void *context)
{
	struct weir_channel *channel = exchange->channel;
	exchange->receiver = receiver;
	exchange->receiver_context = context;
	exchange->received = true;
	exchange->body_max = UINT64_MAX;
	exchange->body_state = HTTP_BODY_TUNNEL;
	weir_channel_set_session(channel, exchange);
	weir_channel_read_small(channel, exchange->small_pieces);
	weir_channel_stream(channel, weir_everything());
	weir_channel_resume(channel);
}

void http_body_eof_of_tunnel(struct weir_http_exchange *exchange)
{
	weir_channel_set_session(exchange->channel, NULL);
	http_body_end_receiver(exchange, 0);
	http_exchange_free_if_unused(exchange);
}

void http_body_end_tunnel(struct weir_http_exchange *exchange)
{
	exchange->receiver = NULL;
	exchange->body_state = HTTP_BODY_NONE;
	if (!exchange->channel)
		return;
	weir_channel_set_session(exchange->channel, NULL);
	weir_channel_close(exchange->channel);
}

/* -- bodies that nobody receives --------------------------------------------------------------- */

void http_body_drop(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == HTTP_BODY_NONE || exchange->receiver || !exchange->channel)
		return;
	bool small = exchange->request->chunked ||
	             exchange->request->length - exchange->body_got <= WEIR_HTTP_DISCARD_MAX;
	/* A client that waits for 100 may send the body or the next request now. */
	if (exchange->continue_state == HTTP_CONTINUE_AWAITED || !small || !exchange->keep_alive) {
		exchange->body_state = HTTP_BODY_NONE;
		exchange->keep_alive = false;
		weir_channel_set_session(exchange->channel, NULL);
		/* Input is read and dropped, lest a reset make the client lose the reply. */
		weir_channel_expect_body(exchange->channel, true);
		weir_channel_resume(exchange->channel);
		weir_channel_close(exchange->channel);
		return;
	}
	exchange->body_max = exchange->body_got + WEIR_HTTP_DISCARD_MAX;
	if (exchange->received)
		weir_channel_resume(exchange->channel);
	else
		http_body_read(exchange);
}

/* -- what handlers call ------------------------------------------------------------------------ */

bool weir_http_has_body(const struct weir_http_exchange *exchange)
{
	return exchange->body_state != HTTP_BODY_NONE;
}

int weir_http_receive(struct weir_http_exchange *exchange,
        const struct weir_http_receiver *receiver, void *context, uint64_t max)
{
	if (http_exchange_replied(exchange) || exchange->received)
		return WEIR_E_CLOSED;
	if (exchange->request->length > max)
		return WEIR_E_LIMIT;
	exchange->receiver = receiver;
	exchange->receiver_context = context;
	if (!exchange->channel) {
		http_body_lost(exchange, -ECONNRESET);
		return 0;
	}
	if (exchange->body_state == HTTP_BODY_NONE) {
		http_body_end_receiver(exchange, 0);
		http_exchange_free_if_unused(exchange);
		return 0;
	}
	exchange->received = true;
	exchange->body_max = max;
	if (exchange->continue_state == HTTP_CONTINUE_AWAITED) {
		exchange->continue_state = HTTP_CONTINUE_DUE;
		weir_wake(&exchange->producer);
	}
	http_body_read(exchange);
	return 0;
}

void weir_http_on_trailer(struct weir_http_exchange *exchange, weir_http_trailer_fn *trailer)
{
	exchange->trailer = trailer;
}

void weir_http_receive_small(struct weir_http_exchange *exchange)
{
	exchange->small_pieces = true;
}

void weir_http_discard(struct weir_http_exchange *exchange)
{
	exchange->receiver = NULL;
	exchange->paused = false;
}

/* Behind the body another request may follow, which the receiver must not pause. */
void weir_http_pause(struct weir_http_exchange *exchange)
{
	if (!exchange->receiver || exchange->body_state == HTTP_BODY_NONE)
		return;
	exchange->paused = true;
	if (exchange->channel)
		weir_channel_pause(exchange->channel);
}

void weir_http_resume(struct weir_http_exchange *exchange)
{
	if (!exchange->paused)
		return;
	exchange->paused = false;
	if (exchange->channel && exchange->body_state != HTTP_BODY_NONE)
		weir_channel_resume(exchange->channel);
}
