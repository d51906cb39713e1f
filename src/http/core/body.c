/*
 * A request's body, by the channel's own terminators: a length; or for chunked (RFC 9112 7.1) a
 * line, a length, CRLF, and again, up to the trailer section.
 *
 * It is read only when somebody receives it, or to get past it when it is small. Anything else ends
 * the connection, since nobody would know where the next request starts.
 */
#include <errno.h>

#include <weir/error.h>

#include "chunk.h"
#include "exchange.h"

/*
 * A line of a chunked body. A CR that no LF follows, or an LF without a CR, is refused at once: a
 * line that ends otherwise for somebody in front of us would hide a request.
 */
static enum weir_scan http_body_scan_line(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator;
	(void)before;
	size_t at = seen && data.data[seen - 1] == '\r' ? seen - 1 : seen;
	while (at < data.size && data.data[at] != '\r' && data.data[at] != '\n')
		at++;
	if (at == data.size || (data.data[at] == '\r' && at + 1 == data.size))
		return WEIR_SCAN_MORE;
	if (data.data[at] == '\n' || data.data[at + 1] != '\n')
		return WEIR_SCAN_BAD;
	ret->end = at + 2;
	ret->strip = 2;
	return WEIR_SCAN_FOUND;
}

/* What ends the data of a chunk. */
static enum weir_scan http_body_scan_chunk_end(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator;
	(void)seen;
	(void)before;
	if ((data.size && data.data[0] != '\r') || (data.size > 1 && data.data[1] != '\n'))
		return WEIR_SCAN_BAD;
	if (data.size < 2)
		return WEIR_SCAN_MORE;
	ret->end = ret->strip = 2;
	return WEIR_SCAN_FOUND;
}

static void http_body_await_line(struct weir_http_exchange *exchange, enum body_state state)
{
	exchange->body_state = state;
	weir_channel_set_request_max(exchange->channel,
	        state == BODY_TRAILERS ? WEIR_HTTP_TRAILER_MAX : WEIR_HTTP_CHUNK_LINE_MAX);
	static const struct weir_terminator_type type = {"http-body-line", http_body_scan_line};
	weir_channel_await(exchange->channel, (struct weir_terminator){.type = &type});
}

static void http_body_read(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == BODY_LENGTH)
		weir_channel_stream(exchange->channel, weir_length(exchange->request->length));
	else
		http_body_await_line(exchange, BODY_CHUNK_LINE);
	weir_channel_expect_input(exchange->channel, true);
	weir_channel_resume(exchange->channel);
}

void http_body_begin(struct weir_http_exchange *exchange)
{
	exchange->had_body = true;
	exchange->body_state = exchange->request->chunked ? BODY_CHUNK_LINE : BODY_LENGTH;
	weir_channel_set_session(exchange->channel, exchange);
}

/* The receiver may reply: the exchange is not to be settled under the feet of who calls this. */
static void http_body_end_receiver(struct weir_http_exchange *exchange, int error)
{
	const struct weir_http_receiver *receiver = exchange->receiver;
	exchange->receiver = NULL;
	exchange->body_state = BODY_NONE;
	if (!receiver)
		return;
	bool handling = exchange->handling;
	exchange->handling = true;
	receiver->end(exchange->receiver_context, error);
	exchange->handling = handling;
}

static void http_body_complete(struct weir_http_exchange *exchange)
{
	/* What follows is another request's, which this receiver must not hold up. */
	weir_http_resume(exchange);
	exchange->body_state = BODY_NONE;
	http_connection_next(exchange);
	http_body_end_receiver(exchange, 0);
	http_exchange_settle(exchange);
}

/* The handler is not called any more: whoever clears this replies. */
static bool http_body_clear_deferred(struct weir_http_exchange *exchange)
{
	bool deferred = exchange->deferred;
	if (deferred)
		weir_loop_cancel(exchange->loop, &exchange->task);
	exchange->deferred = false;
	return deferred;
}

void http_body_fail(struct weir_http_exchange *exchange, int error, unsigned status)
{
	struct weir_channel *channel = exchange->channel;
	if (channel)
		weir_channel_set_session(channel, NULL);
	exchange->keep_alive = false;
	http_body_clear_deferred(exchange);
	http_body_end_receiver(exchange, error);
	if (!exchange->replied)
		weir_http_reply_error(exchange, status);
	if (channel)
		weir_channel_close(channel);
	http_exchange_settle(exchange);
}

void http_body_lost(struct weir_http_exchange *exchange, int error)
{
	bool received = exchange->receiver || http_body_clear_deferred(exchange);
	exchange->channel = NULL;
	http_body_end_receiver(exchange, error);
	/* Whoever was receiving is told, and has nothing to answer; others still will. */
	if (received && !exchange->replied)
		weir_http_reply_empty(exchange, 400);
	else
		http_exchange_settle(exchange);
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
		http_body_fail(exchange, WEIR_E_SYNTAX, 400);
	} else if (size == 0) {
		http_body_await_line(exchange, BODY_TRAILERS);
	} else {
		exchange->body_state = BODY_CHUNK_DATA;
		weir_channel_stream(exchange->channel, weir_length(size));
	}
}

/* Trailer fields are checked and dropped: they must not change the meaning of the head. */
static void http_body_trailer(struct weir_http_exchange *exchange, struct weir_span line)
{
	struct weir_http_field field;
	if (line.size == 0)
		http_body_complete(exchange);
	else if (http_trailer_parse(line, &field) < 0)
		http_body_fail(exchange, WEIR_E_SYNTAX, 400);
	else if (++exchange->trailers_in > WEIR_HTTP_TRAILERS_IN_MAX)
		http_body_fail(exchange, WEIR_E_LIMIT, 431);
}

void http_body_request(struct weir_http_exchange *exchange, struct weir_span line)
{
	static const struct weir_terminator_type end_type = {
	        "http-chunk-end", http_body_scan_chunk_end};
	switch ((enum body_state)exchange->body_state) {
	case BODY_NONE:
		break;
	case BODY_LENGTH:
		http_body_complete(exchange);
		break;
	case BODY_CHUNK_LINE:
		http_body_chunk_line(exchange, line);
		break;
	case BODY_CHUNK_DATA:
		exchange->body_state = BODY_CHUNK_END;
		weir_channel_await(exchange->channel, (struct weir_terminator){.type = &end_type});
		break;
	case BODY_CHUNK_END:
		http_body_await_line(exchange, BODY_CHUNK_LINE);
		break;
	case BODY_TRAILERS:
		http_body_trailer(exchange, line);
		break;
	}
}

void http_body_unwanted(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == BODY_NONE || exchange->receiver || !exchange->channel)
		return;
	bool small = exchange->request->chunked ||
	             exchange->request->length - exchange->body_got <= WEIR_HTTP_DISCARD_MAX;
	/* A client that waits for 100 will send nothing: or something else, who knows. */
	if (exchange->expects || !small || !exchange->keep_alive) {
		exchange->body_state = BODY_NONE;
		exchange->keep_alive = false;
		weir_channel_set_session(exchange->channel, NULL);
		/* It still comes, though, and must not cost the client the reply. */
		weir_channel_expect_input(exchange->channel, true);
		weir_channel_resume(exchange->channel);
		weir_channel_close(exchange->channel);
		return;
	}
	exchange->discarding = true;
	exchange->body_max = exchange->body_got + WEIR_HTTP_DISCARD_MAX;
	if (exchange->received)
		weir_channel_resume(exchange->channel);
	else
		http_body_read(exchange);
}

/* -- what handlers call ------------------------------------------------------------------------ */

bool weir_http_has_body(const struct weir_http_exchange *exchange)
{
	return exchange->body_state != BODY_NONE;
}

int weir_http_receive(struct weir_http_exchange *exchange,
        const struct weir_http_receiver *receiver, void *context, uint64_t max)
{
	if (exchange->request->length > max)
		return WEIR_E_LIMIT;
	exchange->receiver = receiver;
	exchange->receiver_context = context;
	if (!exchange->channel) {
		http_body_lost(exchange, -ECONNRESET);
		return 0;
	}
	if (exchange->body_state == BODY_NONE) {
		http_body_end_receiver(exchange, 0);
		http_exchange_settle(exchange);
		return 0;
	}
	exchange->received = true;
	exchange->body_max = max;
	if (exchange->expects) {
		exchange->expects = false;
		exchange->send_continue = true;
		weir_wake(&exchange->producer);
	}
	http_body_read(exchange);
	return 0;
}

void weir_http_discard(struct weir_http_exchange *exchange)
{
	exchange->receiver = NULL;
	exchange->paused = false;
}

/* Only while the body comes: what follows it is not the receiver's to hold up. */
void weir_http_pause(struct weir_http_exchange *exchange)
{
	if (!exchange->receiver || exchange->body_state == BODY_NONE)
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
	if (exchange->channel && exchange->body_state != BODY_NONE)
		weir_channel_resume(exchange->channel);
}
