/*
 * HTTP on a channel: a head, perhaps a body, the next head. An idle connection has no state of
 * HTTP's at all; the channel's session is the exchange whose body is coming in, if there is one.
 *
 *   [head] ──▶ exchange, pushed as reply ──▶ handler
 *      ▲                                        │ a body is to come
 *      └──────── body.c: length or chunks ◀─────┘
 *
 * A head that breaks the grammar gets its status, and nothing that follows it is read.
 *
 * Safe requests that are pipelined are handled side by side. An unsafe one is handled alone (RFC 9112
 * 9.3.2): it is deferred until all replies before it have left, and nothing is read until its own
 * reply has left. A deferred request waits in the reply queue as an exchange that has a copy of its
 * head, and it is the channel's session meanwhile.
 */
#include <errno.h>

#include <weir/error.h>
#include <weir/peers.h>

#include "exchange.h"
#include "head_scan.h"
#include "known.h"
#include "syntax.h"

/* -- the head as a terminator ------------------------------------------------------------------ */

/* Keeps the first bytes for the log: `data` is not there any more when the channel tells of it. */
static void http_connection_note_fault(
        struct http_loop *shared, const char *fault, struct weir_span data)
{
	size_t size = data.size < WEIR_HTTP_FAULT_MAX ? data.size : WEIR_HTTP_FAULT_MAX;
	memcpy(shared->fault_room, data.data, size);
	shared->fault_bytes = weir_span(shared->fault_room, size);
	shared->fault = fault;
}

static enum weir_scan http_connection_refuse(
        struct http_loop *shared, int status, const char *fault, struct weir_span data)
{
	http_connection_note_fault(shared, fault, data);
	shared->refusal = status;
	return WEIR_SCAN_BAD;
}

/* The target, and more than method and version need. */
enum {
	REQUEST_LINE_MAX = WEIR_HTTP_TARGET_MAX + 32
};

/* So that the answer does not depend on how much has come at once. */
static bool http_connection_has_long_line(struct weir_span head)
{
	return head.size > REQUEST_LINE_MAX && !memchr(head.data, '\n', REQUEST_LINE_MAX);
}

_Static_assert(sizeof(struct http_head_scan) <= sizeof(uint32_t), "must fit terminator.state");

/*
 * Of a request line that is too long: a method that no server knows is answered as one, however
 * long it is, and however much of it has come.
 */
static enum weir_scan http_connection_refuse_long_line(
        struct http_loop *shared, struct weir_span data)
{
	struct weir_span head = data;
	while (head.size && (*head.data == '\r' || *head.data == '\n'))
		head = weir_span_skip(head, 1);
	size_t size = http_run(head, WEIR_HTTP_TCHAR);
	if (http_method_find(head.data, size) == WEIR_HTTP_OTHER)
		return http_connection_refuse(shared, 501, "unknown method, line too long", data);
	return http_connection_refuse(shared, 414, "line too long", data);
}

/* Ends at the empty line, and says early what can be no head or is too large a one. */
static enum weir_scan http_connection_scan_head(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	struct http_loop *shared = (struct http_loop *)terminator->context;
	struct http_head_scan scan;
	size_t used;
	(void)before;
	if (data.size == seen)
		return WEIR_SCAN_MORE;
	memcpy(&scan, &terminator->state, sizeof scan);
	enum http_scan result = http_head_scan(&scan, weir_span_skip(data, seen), &used);
	memcpy(&terminator->state, &scan, sizeof scan);
	if (result == WEIR_HTTP_SCAN_MALFORMED)
		return http_connection_refuse(
		        shared, 400, "not a request line, or a stray CR, LF or NUL", data);
	if (seen + used > WEIR_HTTP_HEAD_MAX)
		return http_connection_has_long_line(data)
		               ? http_connection_refuse_long_line(shared, data)
		               : http_connection_refuse(shared, 431, "head too large", data);
	if (result == WEIR_HTTP_SCAN_COMPLETE) {
		ret->end = seen + used;
		return WEIR_SCAN_FOUND;
	}
	if (!scan.request_line_done && data.size > REQUEST_LINE_MAX)
		return http_connection_refuse_long_line(shared, data);
	return WEIR_SCAN_MORE;
}

static void http_connection_await_head(struct weir_channel *channel, struct http_loop *shared)
{
	static const struct weir_terminator_type type = {"http-head", http_connection_scan_head};
	weir_channel_await(channel, (struct weir_terminator){.type = &type, .context = shared});
}

/* -- the protocol ------------------------------------------------------------------------------ */

static struct weir_http_server *http_connection_server_of(const struct weir_channel *channel)
{
	return weir_channel_context(channel);
}

/* How a channel ends whose address has enough of them: nothing else gives this. */
enum {
	REFUSED = -EUSERS
};

static int http_connection_on_open(struct weir_channel *channel)
{
	struct weir_peers *peers = http_connection_server_of(channel)->peers;
	/* A reply would cost more than the client has left. */
	if (peers && weir_peers_enter(peers, weir_channel_peer(channel)) < 0)
		return REFUSED;
	weir_channel_set_request_max(channel, WEIR_HTTP_HEAD_MAX);
	http_connection_await_head(channel, http_connection_server_of(channel)->shared);
	return 0;
}

/* Answers what is no request, and reads nothing further. */
static void http_connection_reply_and_close(struct weir_channel *channel, unsigned status)
{
	struct weir_http_server *server = http_connection_server_of(channel);
	struct weir_http_exchange *exchange = http_exchange_create(server, channel);
	/* It may go on sending, and shall get to read the answer. */
	weir_channel_expect_input(channel, true);
	weir_channel_close(channel);
	if (exchange)
		weir_http_reply_error(exchange, status);
	server->shared->fault = NULL;
}

static void http_connection_dispatch(struct weir_http_exchange *exchange)
{
	exchange->handler = http_sites_find(exchange->sites, exchange->request->host);
	struct weir_http_handler first = {.next = exchange->handler};
	weir_http_next(&first, exchange);
}

/* The path is decoded here, once; asterisk and authority forms have none. */
static int http_connection_clean_path(struct weir_http_exchange *exchange)
{
	struct weir_span raw = exchange->request->path;
	exchange->path = (struct weir_http_path){.text = WEIR_SPAN("")};
	if (raw.size == 0 || raw.data[0] != '/')
		return 0;
	return http_path_clean(
	        raw, exchange->shared->path, sizeof exchange->shared->path, &exchange->path);
}

/* The path is decoded already. */
static void http_connection_handle_path(struct weir_http_exchange *exchange)
{
	exchange->sites = weir_http_sites_hold(exchange->server->sites);
	if (exchange->request->method == WEIR_HTTP_CONNECT) {
		weir_http_allow(exchange, WEIR_HTTP_TARGET_SITE);
		weir_http_reply_error(exchange, 405);
	} else {
		http_connection_dispatch(exchange);
	}
}

static void http_connection_handle(struct weir_http_exchange *exchange, struct weir_span head)
{
	exchange->handling = true;
	exchange->request_head = head;
	int status = http_connection_clean_path(exchange);
	if (status)
		weir_http_reply_error(exchange, (unsigned)status);
	else
		http_connection_handle_path(exchange);
	exchange->handling = false;
	if (!exchange->replied && http_exchange_keep_now(exchange) < 0)
		weir_channel_abort(exchange->channel, -ENOMEM);
	exchange->request_head = (struct weir_span){0};
}

/* RFC 9110 9.2.1. A method that is not known may change anything. */
static bool http_connection_is_safe(enum weir_http_method method)
{
	return method == WEIR_HTTP_GET || method == WEIR_HTTP_HEAD || method == WEIR_HTTP_OPTIONS ||
	       method == WEIR_HTTP_TRACE;
}

/* What follows the handler's first call: the body, or the next head. */
static void http_connection_await_rest(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == BODY_NONE)
		http_connection_next(exchange);
	else if (!exchange->receiver && !exchange->replied)
		weir_channel_pause(
		        exchange->channel); /* until somebody wants the body, or replies */
	http_exchange_settle(exchange);
}

/* Leaves the request where it is until it is alone. */
static void http_connection_defer(struct weir_http_exchange *exchange, struct weir_span head)
{
	struct weir_channel *channel = exchange->channel;
	int status = http_connection_clean_path(exchange);
	if (status) {
		exchange->path = (struct weir_http_path){.text = WEIR_SPAN("")};
		exchange->deferred_status = (uint16_t)status;
	}
	exchange->deferred = true;
	weir_channel_set_session(channel, exchange);
	weir_channel_pause(channel);
	if (http_exchange_keep(exchange, head) < 0)
		weir_channel_abort(channel, -ENOMEM);
}

/* From the loop, since the reply before it is closed in the middle of a flush. */
static void http_connection_start_deferred(struct weir_task *task)
{
	struct weir_http_exchange *exchange = WEIR_CONTAINER(task, struct weir_http_exchange, task);
	exchange->deferred = false;
	if (exchange->body_state == BODY_NONE)
		weir_channel_set_session(exchange->channel, NULL);
	exchange->handling = true;
	if (exchange->deferred_status)
		weir_http_reply_error(exchange, exchange->deferred_status);
	else
		http_connection_handle_path(exchange);
	exchange->handling = false;
	if (exchange->channel)
		http_connection_await_rest(exchange);
	else
		http_exchange_settle(exchange);
}

void http_connection_reply_left(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	if (!channel)
		return;
	struct weir_http_exchange *next = weir_channel_session(channel);
	if (exchange->held_input && exchange->keep_alive)
		weir_channel_resume(channel);
	if (!next || !next->deferred || weir_channel_replies(channel) > 1)
		return;
	next->task.run = http_connection_start_deferred;
	weir_loop_defer(next->loop, &next->task);
}

static void http_connection_on_head(struct weir_channel *channel, struct weir_span head)
{
	struct weir_http_server *server = http_connection_server_of(channel);
	struct weir_http_request *request = &server->shared->request;
	int status = http_head_parse(head, request);
	if (status) {
		http_connection_note_fault(server->shared, http_head_fault(head), head);
		http_connection_reply_and_close(channel, (unsigned)status);
		return;
	}
	struct weir_http_exchange *exchange = http_exchange_create(server, channel);
	if (!exchange)
		return;
	exchange->request = request;
	exchange->keep_alive = request->keep_alive && !weir_channel_draining(channel);
	exchange->expects = request->expect_continue && request->minor >= 1;
	if (request->chunked || request->length > 0)
		http_body_begin(exchange);
	/*
	 * The end of a reply to HTTP/1.0 may be the connection's: nothing can be answered behind
	 * it.
	 */
	bool safe = http_connection_is_safe(request->method);
	exchange->held_input = exchange->keep_alive && (request->minor == 0 || !safe);
	exchange->says_keep_alive = request->minor == 0;
	if (!safe && weir_channel_replies(channel) > 1) {
		http_connection_defer(exchange, head);
		return;
	}
	http_connection_handle(exchange, head);
	http_connection_await_rest(exchange);
}

void http_connection_next(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	if (!channel)
		return;
	if (weir_channel_session(channel) == exchange) {
		weir_channel_set_session(channel, NULL);
		weir_channel_expect_input(channel, false);
	}
	if (!exchange->keep_alive) {
		weir_channel_close(channel);
		return;
	}
	if (exchange->had_body) {
		weir_channel_set_request_max(channel, WEIR_HTTP_HEAD_MAX);
		http_connection_await_head(channel, exchange->shared);
	}
	if (exchange->held_input && !exchange->finished)
		weir_channel_pause(channel);
}

static void http_connection_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	if (exchange)
		http_body_request(exchange, request);
	else
		http_connection_on_head(channel, request);
}

static void http_connection_on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	http_body_piece(weir_channel_session(channel), bytes);
}

static void http_connection_on_overflow(struct weir_channel *channel, int error)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	if (exchange)
		http_body_fail(exchange, WEIR_E_SYNTAX, 400);
	else if (error == WEIR_E_SYNTAX)
		http_connection_reply_and_close(
		        channel, (unsigned)http_connection_server_of(channel)->shared->refusal);
	else
		http_connection_reply_and_close(channel, 431);
}

static void http_connection_on_eof(struct weir_channel *channel)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	/* A deferred request without a body is whole. */
	if (exchange && exchange->body_state != BODY_NONE)
		http_body_fail(exchange, -ECONNRESET, 400);
	weir_channel_close(channel);
}

static void http_connection_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	if (which == WEIR_TIMEOUT_IDLE)
		weir_channel_close(channel);
	else if (which == WEIR_TIMEOUT_REQUEST && exchange)
		http_body_fail(exchange, -ETIMEDOUT, 408);
	else if (which == WEIR_TIMEOUT_REQUEST)
		http_connection_reply_and_close(channel, 408);
}

static void http_connection_on_close(struct weir_channel *channel, int error)
{
	struct weir_http_exchange *exchange = weir_channel_session(channel);
	struct weir_peers *peers = http_connection_server_of(channel)->peers;
	if (peers && error != REFUSED)
		weir_peers_leave(peers, weir_channel_peer(channel));
	if (exchange)
		http_body_lost(exchange, error ? error : -ECONNRESET);
}

const struct weir_protocol http_protocol = {
        .name = "http",
        .open = http_connection_on_open,
        .request = http_connection_on_request,
        .piece = http_connection_on_piece,
        .overflow = http_connection_on_overflow,
        .eof = http_connection_on_eof,
        .timeout = http_connection_on_timeout,
        .close = http_connection_on_close,
};
