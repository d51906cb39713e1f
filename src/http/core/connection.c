/*
 * HTTP on a channel: a head, perhaps a body, the next head. An idle connection has no state of
 * HTTP. The channel's session is the exchange whose body is being received, or NULL.
 *
 *   [head] ──▶ exchange, pushed as reply ──▶ handler
 *      ▲                                        │ a body is to come
 *      └──────── body.c: length or chunks ◀─────┘
 *
 * A head that breaks the grammar is replied to with an error, and nothing behind it is read.
 *
 * Pipelining: safe requests are handled side by side. An unsafe one is handled alone (RFC
 * 9112 9.3.2): it is deferred until all replies before it have left, and then nothing is read until
 * its own reply has left. A deferred request is an exchange in the reply queue with a copy of its
 * head, and is the channel's session meanwhile.
 */
#include <errno.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "exchange.h"
#include "h2.h"
#include "head.h"
#include "syntax.h"

/* -- the protocol ------------------------------------------------------------------------------ */

static struct weir_http_server *http_connection_server_of(const struct weir_channel *channel)
{
	return weir_channel_context(channel);
}

static int http_connection_on_open(struct weir_channel *channel)
{
	/* A reply would cost more than the client has left. */
	if (weir_channel_over_quota(channel))
		return WEIR_E_LIMIT;
	struct weir_tls_info tls;
	bool secure = weir_channel_tls(channel, &tls);
	if (secure && weir_span_equal(tls.alpn, WEIR_SPAN("h2")))
		return h2_begin(http_connection_server_of(channel), channel, 0);
	/* The handshake was all that the authority wanted (RFC 8737 3). */
	if (secure && weir_span_equal(tls.alpn, WEIR_SPAN(WEIR_TLS_ALPN_CHALLENGE)))
		return WEIR_E_CLOSED;
	weir_channel_set_request_max(channel, WEIR_HTTP_HEAD_MAX);
	http_head_reader_await(channel, http_connection_server_of(channel)->loop_state);
	return 0;
}

/*
 * Begins HTTP/2 if that is what the first bytes say, or if they are of no version of HTTP: a wrong
 * preface is replied to by frames (RFC 9113 3.4). Returns whether it does.
 */
static bool http_connection_begin_h2(struct weir_channel *channel, struct weir_span head)
{
	struct weir_http_server *server = http_connection_server_of(channel);
	bool preface = weir_span_equal(head, WEIR_SPAN(H2_PREFACE_HEAD));
	if (!server->prior_knowledge || weir_channel_sent(channel) || weir_channel_replies(channel))
		return false;
	if (!preface && memmem(head.data, head.size, " HTTP/", 6))
		return false;
	int error = h2_begin(server, channel, preface ? head.size : 0);
	if (error < 0)
		weir_channel_abort(channel, error);
	else if (!preface)
		h2_refuse_preface(channel);
	return true;
}

/* Replies to malformed input, and reads nothing behind it. */
static void http_connection_reply_and_close(struct weir_channel *channel, unsigned status)
{
	struct weir_http_server *server = http_connection_server_of(channel);
	struct weir_http_exchange *exchange =
	        http_exchange_create(server, channel, &http_connection_type, NULL);
	/* The client may still be sending: input is read and dropped, so that it gets the reply. */
	weir_channel_expect_body(channel, true);
	weir_channel_close(channel);
	if (exchange)
		weir_http_reply_error(exchange, status);
	http_log_clear_fault(server->loop_state);
}

static void http_connection_next(struct weir_http_exchange *exchange);

/* After the handler was called: expects the body, or the next head. */
static void http_connection_await_rest(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == HTTP_BODY_NONE)
		http_connection_next(exchange);
	else if (!exchange->handling->receiver && exchange->reply_state < HTTP_REPLY_HEAD)
		weir_channel_pause(
		        exchange->channel); /* until the handler receives the body or replies */
	http_exchange_free_if_unused(exchange);
}

/* Copies the request, and stops reading until all replies before it have left. */
static void http_connection_defer(struct weir_http_exchange *exchange, struct weir_span head)
{
	struct weir_channel *channel = exchange->channel;
	int status = http_dispatch_check(exchange);
	if (status) {
		exchange->handling->path = (struct weir_http_path){.text = WEIR_SPAN("")};
		exchange->handling->deferred_status = (uint16_t)status;
	}
	exchange->handler_state = HTTP_HANDLER_DEFERRED;
	weir_channel_set_session(channel, exchange);
	weir_channel_pause(channel);
	if (http_exchange_copy_request(exchange, head) < 0)
		weir_channel_abort(channel, -ENOMEM);
}

/* Called by the loop: the last reply before it was closed within a flush. */
static void http_connection_start_deferred(struct weir_task *task)
{
	const struct http_handling *handling = WEIR_CONTAINER(task, struct http_handling, task);
	struct weir_http_exchange *exchange = handling->exchange;
	exchange->handler_state = HTTP_HANDLER_IDLE;
	if (exchange->body_state == HTTP_BODY_NONE)
		weir_channel_set_session(exchange->channel, NULL);
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	http_dispatch_choose_site(exchange);
	if (handling->deferred_status)
		weir_http_reply_error(exchange, handling->deferred_status);
	else
		http_dispatch_path(exchange);
	http_exchange_leave_handler(exchange, before);
	if (exchange->channel)
		http_connection_await_rest(exchange);
	else
		http_exchange_free_if_unused(exchange);
}

static void http_connection_end_tunnel(struct weir_http_exchange *exchange)
{
	http_upgrade_end_tunnel(exchange);
	weir_channel_set_session(exchange->channel, NULL);
	weir_channel_close(exchange->channel);
}

static void http_connection_reply_left(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	if (!channel)
		return;
	struct weir_http_exchange *next = weir_channel_session(channel);
	if (exchange->body_state == HTTP_BODY_TUNNEL)
		http_connection_end_tunnel(exchange);
	else if (exchange->input_held && exchange->keep_alive)
		weir_channel_resume(channel);
	if (!next || http_session_type_of(next) || next->handler_state != HTTP_HANDLER_DEFERRED ||
	        weir_channel_replies(channel) > 1)
		return;
	next->handling->task.run = http_connection_start_deferred;
	weir_loop_defer(next->server->loop, &next->handling->task);
}

static void http_connection_on_head(struct weir_channel *channel, struct weir_span head)
{
	struct weir_http_server *server = http_connection_server_of(channel);
	struct weir_http_request *request = &server->loop_state->request;
	int status = http_head_parse(head, request);
	if (status && http_connection_begin_h2(channel, head))
		return;
	if (status) {
		http_log_note_fault(server->loop_state, http_head_fault(head), head);
		http_connection_reply_and_close(channel, (unsigned)status);
		return;
	}
	struct weir_http_exchange *exchange =
	        http_exchange_create(server, channel, &http_connection_type, NULL);
	if (!exchange)
		return;
	exchange->handling->request = request;
	exchange->keep_alive = request->keep_alive && !weir_channel_draining(channel);
	if (request->expect_continue && request->minor >= 1)
		exchange->continue_state = HTTP_CONTINUE_AWAITED;
	if (request->chunked || request->length > 0)
		http_body_reader_expect(exchange);
	/*
	 * The end of a reply to HTTP/1.0 may be the connection's, so no later request is read
	 * before.
	 */
	bool safe = http_method_is_safe(request->method);
	/* Nor before the reply to Upgrade, behind which another protocol may begin. */
	exchange->input_held = exchange->keep_alive &&
	                       (request->minor == 0 || !safe || request->first[WEIR_HTTP_UPGRADE]);
	exchange->confirm_keep_alive = request->minor == 0;
	if (!safe && weir_channel_replies(channel) > 1) {
		http_connection_defer(exchange, head);
		return;
	}
	http_dispatch(exchange, head);
	http_connection_await_rest(exchange);
}

static void http_connection_next(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	if (!channel)
		return;
	if (weir_channel_session(channel) == exchange) {
		weir_channel_set_session(channel, NULL);
		weir_channel_expect_body(channel, false);
	}
	if (!exchange->keep_alive) {
		weir_channel_close(channel);
		return;
	}
	if (exchange->had_body) {
		weir_channel_set_request_max(channel, WEIR_HTTP_HEAD_MAX);
		http_head_reader_await(channel, exchange->server->loop_state);
	}
	if (exchange->input_held && !http_exchange_closed(exchange))
		weir_channel_pause(channel);
}

/* -- events of the channel, for its session ---------------------------------------------------- */

static void http_connection_on_request(struct weir_channel *channel, struct weir_span request)
{
	void *session = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(session);
	if (!session)
		http_connection_on_head(channel, request);
	else if (other)
		other->on_request(session, request);
	else
		http_body_reader_request(session, request);
}

static void http_connection_on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	void *session = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(session);
	if (other)
		other->on_piece(session, bytes);
	else
		http_body_piece(session, bytes);
}

/* Only a body is spliced, so the session is its exchange, or NULL once the connection ends. */
static void http_connection_on_divert_ready(struct weir_channel *channel)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	if (exchange)
		http_body_reader_readable(exchange);
}

static void http_connection_on_overflow(struct weir_channel *channel, int error)
{
	void *session = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(session);
	if (other)
		other->on_overflow(session);
	else if (session)
		http_body_reader_overflow(session, error);
	else if (error == WEIR_E_SYNTAX)
		http_connection_reply_and_close(
		        channel, (unsigned)http_connection_server_of(channel)->loop_state->refusal);
	else
		http_connection_reply_and_close(channel, 431);
}

static void http_connection_on_eof(struct weir_channel *channel)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(exchange);
	if (other) {
		other->on_eof(exchange);
		return;
	}
	/* A deferred request without a body is complete. */
	if (exchange && exchange->body_state == HTTP_BODY_TUNNEL)
		http_body_complete(exchange);
	else if (exchange && exchange->body_state != HTTP_BODY_NONE)
		http_body_fail(exchange, -ECONNRESET, 400);
	weir_channel_close(channel);
}

static void http_connection_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(exchange);
	if (other)
		other->on_timeout(exchange, which);
	else if (which == WEIR_TIMEOUT_IDLE)
		weir_channel_close(channel);
	else if (which == WEIR_TIMEOUT_REQUEST && exchange)
		http_body_fail(exchange, -ETIMEDOUT, 408);
	else if (which == WEIR_TIMEOUT_REQUEST)
		http_connection_reply_and_close(channel, 408);
}

static void http_connection_on_close(struct weir_channel *channel, int error)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(exchange);
	if (other)
		other->on_close(exchange);
	else if (exchange)
		http_body_lost(exchange, error ? error : -ECONNRESET);
}

static void http_connection_on_draining(struct weir_channel *channel)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	const struct http_session_type *other = http_session_type_of(exchange);
	if (other)
		other->on_draining(exchange);
	else if (exchange && exchange->body_state == HTTP_BODY_TUNNEL &&
	         exchange->handling->receiver)
		exchange->handling->receiver->draining(exchange->handling->receiver_context);
	else
		weir_channel_close(channel);
}

const struct weir_protocol http_protocol = {
        .name = "http",
        .open = http_connection_on_open,
        .request = http_connection_on_request,
        .piece = http_connection_on_piece,
        .divert_ready = http_connection_on_divert_ready,
        .overflow = http_connection_on_overflow,
        .eof = http_connection_on_eof,
        .timeout = http_connection_on_timeout,
        .draining = http_connection_on_draining,
        .close = http_connection_on_close,
};

/* -- for exchanges ----------------------------------------------------------------------------- */

static int http_connection_attach(struct weir_http_exchange *exchange)
{
	return weir_channel_push(exchange->channel, &exchange->producer);
}

static void http_connection_pause(struct weir_http_exchange *exchange)
{
	weir_channel_pause(exchange->channel);
}

static void http_connection_resume(struct weir_http_exchange *exchange)
{
	weir_channel_resume(exchange->channel);
}

static void http_connection_begin_tunnel(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	weir_channel_set_session(channel, exchange);
	weir_channel_set_reads(
	        channel, exchange->small_pieces ? WEIR_READS_SMALL : WEIR_READS_LARGE);
	weir_channel_stream(channel, weir_everything());
	weir_channel_resume(channel);
}

static void http_connection_abort(struct weir_http_exchange *exchange)
{
	weir_channel_abort(exchange->channel, -ECONNABORTED);
}

static void http_connection_fail_body(struct weir_http_exchange *exchange)
{
	weir_channel_set_session(exchange->channel, NULL);
	weir_channel_close(exchange->channel);
}

static bool http_connection_release_body(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	if (weir_channel_session(channel) != exchange)
		return false;
	weir_channel_set_session(channel, NULL);
	return true;
}

const struct http_connection_type http_connection_type = {
        .major = 1,
        .attach = http_connection_attach,
        .read_body = http_body_reader_start,
        .pause_body = http_connection_pause,
        .resume_body = http_connection_resume,
        .drop_body = http_body_reader_drop,
        .end_body = http_connection_next,
        .fail_body = http_connection_fail_body,
        .release_body = http_connection_release_body,
        .begin_tunnel = http_connection_begin_tunnel,
        .abort = http_connection_abort,
        .reply_left = http_connection_reply_left,
};
