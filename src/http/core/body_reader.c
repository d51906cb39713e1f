/*
 * Reads a request's body from an HTTP/1.1 connection by the channel's own terminators: a length;
 * or, for a chunked body (RFC 9112 7.1), a line, a length and CRLF again and again, up to the
 * trailer section.
 */
#include <errno.h>

#include <weir/error.h>

#include "channel_splice.h"
#include "exchange.h"
#include "head.h"
#include "helper.h"

/* The terminators below have the loop's state as their context. */
static enum weir_scan http_body_reader_refuse(
        const struct weir_terminator *terminator, const char *fault, struct weir_span data)
{
	http_log_note_fault((struct http_loop *)terminator->context, fault, data);
	return WEIR_SCAN_BAD;
}

static enum weir_scan http_body_reader_scan_line(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)before;
	enum weir_scan result = http_line_scan(data, seen, ret);
	if (result != WEIR_SCAN_BAD)
		return result;
	return http_body_reader_refuse(
	        terminator, "a line of a chunked body does not end in CRLF", data);
}

static enum weir_scan http_body_reader_scan_chunk_end(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)seen;
	(void)before;
	enum weir_scan result = http_chunk_end_scan(data, ret);
	if (result != WEIR_SCAN_BAD)
		return result;
	return http_body_reader_refuse(terminator, "no CRLF behind the data of a chunk", data);
}

static void http_body_reader_await_line(
        struct weir_http_exchange *exchange, enum http_body_state state)
{
	exchange->body_state = state;
	weir_channel_set_request_max(exchange->channel,
	        state == HTTP_BODY_TRAILERS ? WEIR_HTTP_TRAILER_MAX : WEIR_HTTP_CHUNK_LINE_MAX);
	static const struct weir_terminator_type type = {
	        "http-body-line", http_body_reader_scan_line};
	weir_channel_await(exchange->channel,
	        (struct weir_terminator){.type = &type, .context = exchange->server->loop_state});
}

void http_body_reader_start(struct weir_http_exchange *exchange)
{
	weir_channel_set_reads(
	        exchange->channel, exchange->small_pieces ? WEIR_READS_SMALL : WEIR_READS_LARGE);
	if (exchange->body_state == HTTP_BODY_LENGTH)
		weir_channel_stream(
		        exchange->channel, weir_length(exchange->handling->request->length));
	else
		http_body_reader_await_line(exchange, HTTP_BODY_CHUNK_LINE);
	weir_channel_expect_body(exchange->channel, true);
	weir_channel_resume(exchange->channel);
}

void http_body_reader_expect(struct weir_http_exchange *exchange)
{
	exchange->had_body = true;
	exchange->body_state =
	        exchange->handling->request->chunked ? HTTP_BODY_CHUNK_LINE : HTTP_BODY_LENGTH;
	weir_channel_set_session(exchange->channel, exchange);
}

static void http_body_reader_fail_malformed(
        struct weir_http_exchange *exchange, const char *fault, struct weir_span bytes)
{
	http_log_note_fault(exchange->server->loop_state, fault, bytes);
	http_body_fail(exchange, WEIR_E_SYNTAX, 400);
}

void http_body_reader_overflow(struct weir_http_exchange *exchange, int error)
{
	if (error == WEIR_E_SYNTAX)
		http_body_fail(exchange, WEIR_E_SYNTAX, 400);
	else
		http_body_reader_fail_malformed(
		        exchange, "a line of a chunked body is too long", WEIR_SPAN(""));
}

static void http_body_reader_chunk_line(struct weir_http_exchange *exchange, struct weir_span line)
{
	uint64_t size;
	if (http_chunk_parse(line, &size) < 0) {
		http_body_reader_fail_malformed(exchange, "not the size of a chunk", line);
	} else if (size == 0) {
		http_body_reader_await_line(exchange, HTTP_BODY_TRAILERS);
	} else {
		exchange->body_state = HTTP_BODY_CHUNK_DATA;
		weir_channel_stream(exchange->channel, weir_length(size));
	}
}

/* A trailer field is never merged with the head, whose meaning it must not change. */
static void http_body_reader_trailer(struct weir_http_exchange *exchange, struct weir_span line)
{
	struct http_handling *handling = exchange->handling;
	struct weir_http_field field;
	if (line.size == 0)
		http_body_complete(exchange);
	else if (http_trailer_parse(line, &field) < 0)
		http_body_reader_fail_malformed(exchange, "not a trailer field", line);
	else if (++handling->trailers_in > WEIR_HTTP_TRAILERS_IN_MAX)
		http_body_fail(exchange, WEIR_E_LIMIT, 431);
	else if (handling->receiver && handling->trailer)
		handling->trailer(handling->receiver_context, &field);
}

void http_body_reader_request(struct weir_http_exchange *exchange, struct weir_span line)
{
	static const struct weir_terminator_type end_type = {
	        "http-chunk-end", http_body_reader_scan_chunk_end};
	switch ((enum http_body_state)exchange->body_state) {
	case HTTP_BODY_NONE:
	case HTTP_BODY_TUNNEL:
		break;
	case HTTP_BODY_LENGTH:
		http_body_complete(exchange);
		break;
	case HTTP_BODY_CHUNK_LINE:
		http_body_reader_chunk_line(exchange, line);
		break;
	case HTTP_BODY_CHUNK_DATA:
		exchange->body_state = HTTP_BODY_CHUNK_END;
		weir_channel_await(
		        exchange->channel, (struct weir_terminator){.type = &end_type,
		                                   .context = exchange->server->loop_state});
		break;
	case HTTP_BODY_CHUNK_END:
		http_body_reader_await_line(exchange, HTTP_BODY_CHUNK_LINE);
		break;
	case HTTP_BODY_TRAILERS:
		http_body_reader_trailer(exchange, line);
		break;
	}
}

void http_body_reader_drop(struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	bool small = handling->request->chunked ||
	             handling->request->length - handling->body_got <= WEIR_HTTP_DISCARD_MAX;
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
	handling->body_max = handling->body_got + WEIR_HTTP_DISCARD_MAX;
	if (exchange->received)
		weir_channel_resume(exchange->channel);
	else
		http_body_reader_start(exchange);
}

/* -- splicing ---------------------------------------------------------------------------------- */

ssize_t http_body_splice(
        struct weir_http_exchange *exchange, int pipe, size_t size, http_body_readable_fn *readable)
{
	struct weir_channel *channel = exchange->channel;
	struct http_handling *handling = exchange->handling;
	if (!channel || exchange->connection->major != 1 ||
	        (exchange->body_state != HTTP_BODY_LENGTH &&
	                exchange->body_state != HTTP_BODY_CHUNK_DATA) ||
	        !handling->receiver || handling->body_got == handling->body_max)
		return -EOPNOTSUPP;
	/* The byte that is too many is received. */
	uint64_t most = handling->body_max - handling->body_got;
	ssize_t got = channel_splice(channel, pipe, (size_t)min_of(most, (uint64_t)size));
	handling->readable = readable;
	if (got > 0)
		handling->body_got += (uint64_t)got;
	if (got == -EAGAIN)
		weir_http_resume(exchange);
	else if (!channel_splices(channel) || handling->body_got == handling->body_max)
		http_body_splice_end(exchange);
	return got;
}

void http_body_splice_end(struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	if (!handling || !handling->readable)
		return;
	handling->readable = NULL;
	if (exchange->channel)
		channel_splice_end(exchange->channel);
	weir_http_resume(exchange);
}

void http_body_reader_readable(struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	if (!handling || !handling->readable)
		return;
	weir_http_pause(exchange);
	handling->readable(handling->receiver_context);
}
