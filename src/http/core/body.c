/*
 * A request's body as its receiver and its handler see it, for all versions of HTTP. How the bytes
 * come is the connection's part: body_reader.c for HTTP/1.1, h2/h2_exchange.c for HTTP/2.
 *
 * A body is read if the handler receives it, or dropped if it is small. Otherwise the connection
 * ends, or with HTTP/2 the stream.
 */
#include <errno.h>

#include <weir/error.h>

#include "exchange.h"
#include "helper.h"
#include "rule.h"

/* The receiver may reply, so the exchange must not be freed meanwhile. */
static void http_body_end_receiver(struct weir_http_exchange *exchange, int error)
{
	struct http_handling *handling = exchange->handling;
	const struct weir_http_receiver *receiver = handling->receiver;
	handling->receiver = NULL;
	exchange->body_state = HTTP_BODY_NONE;
	if (!receiver)
		return;
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	receiver->end(handling->receiver_context, error);
	http_exchange_leave_handler(exchange, before);
}

void http_body_complete(struct weir_http_exchange *exchange)
{
	/* Later bytes belong to the next request, which this receiver must not pause. */
	weir_http_resume(exchange);
	exchange->body_state = HTTP_BODY_NONE;
	exchange->connection->end_body(exchange);
	http_body_end_receiver(exchange, 0);
	http_exchange_free_if_unused(exchange);
}

/* Returns whether the request was deferred. Its handler is not called then: the caller replies. */
static bool http_body_clear_deferred(struct weir_http_exchange *exchange)
{
	if (exchange->handler_state != HTTP_HANDLER_DEFERRED)
		return false;
	weir_loop_cancel(exchange->server->loop, &exchange->handling->task);
	exchange->handler_state = HTTP_HANDLER_IDLE;
	return true;
}

/* The receiver gets the error. If it does not reply, the reply is `status`. */
static void http_body_end_failed(struct weir_http_exchange *exchange, int error, unsigned status)
{
	http_body_end_receiver(exchange, error);
	if (!http_exchange_replied(exchange))
		weir_http_reply_error(exchange, status);
	http_exchange_free_if_unused(exchange);
}

/*
 * A handler that has not asked for the body yet has the exchange: it gets the error when it asks,
 * or makes a reply without the body.
 */
void http_body_fail(struct weir_http_exchange *exchange, int error, unsigned status)
{
	struct http_loop *loop_state = exchange->server->loop_state;
	bool replied = http_exchange_replied(exchange);
	exchange->keep_alive = false;
	if (exchange->channel)
		exchange->connection->fail_body(exchange);
	if (!replied && !http_body_clear_deferred(exchange) && !exchange->handling->receiver) {
		exchange->body_state = HTTP_BODY_NONE;
		exchange->handling->body_error = error;
		exchange->handling->body_status = (uint16_t)status;
	} else {
		if (replied && loop_state->fault)
			http_log_fault(exchange, status);
		http_body_end_failed(exchange, error, status);
	}
	http_log_clear_fault(loop_state);
}

void http_body_lost(struct weir_http_exchange *exchange, int error)
{
	bool received = exchange->handling->receiver || http_body_clear_deferred(exchange);
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
	bool receives = exchange->channel && exchange->connection->release_body(exchange);
	exchange->channel = NULL;
	if (!receives)
		return false;
	http_body_lost(exchange, -ECONNRESET);
	return true;
}

void http_body_piece(struct weir_http_exchange *exchange, struct weir_span bytes)
{
	struct http_handling *handling = exchange->handling;
	handling->body_got += bytes.size;
	if (handling->body_got > handling->body_max)
		http_body_fail(exchange, WEIR_E_LIMIT, 413);
	else if (handling->receiver)
		handling->receiver->piece(handling->receiver_context, bytes);
}

/* -- bodies that nobody receives --------------------------------------------------------------- */

void http_body_drop(struct weir_http_exchange *exchange)
{
	if (exchange->body_state != HTTP_BODY_NONE && !exchange->handling->receiver &&
	        exchange->channel)
		exchange->connection->drop_body(exchange);
}

/* -- what handlers call ------------------------------------------------------------------------ */

bool weir_http_has_body(const struct weir_http_exchange *exchange)
{
	return exchange->body_state != HTTP_BODY_NONE || exchange->handling->body_error;
}

int weir_http_receive(struct weir_http_exchange *exchange,
        const struct weir_http_receiver *receiver, void *context, uint64_t max)
{
	struct http_handling *handling = exchange->handling;
	if (http_exchange_replied(exchange) || exchange->received)
		return WEIR_E_CLOSED;
	if (handling->rule)
		max = min_of(max, http_rule_body_max(exchange));
	if (handling->request->length > max)
		return WEIR_E_LIMIT;
	handling->receiver = receiver;
	handling->receiver_context = context;
	if (!exchange->channel) {
		http_body_lost(exchange, -ECONNRESET);
		return 0;
	}
	if (handling->body_error) {
		http_body_end_failed(exchange, handling->body_error, handling->body_status);
		return 0;
	}
	if (exchange->body_state == HTTP_BODY_NONE) {
		http_body_end_receiver(exchange, 0);
		http_exchange_free_if_unused(exchange);
		return 0;
	}
	exchange->received = true;
	handling->body_max = max;
	if (exchange->continue_state == HTTP_CONTINUE_AWAITED) {
		exchange->continue_state = HTTP_CONTINUE_DUE;
		weir_wake(&exchange->producer);
	}
	exchange->connection->read_body(exchange);
	return 0;
}

void weir_http_on_trailer(struct weir_http_exchange *exchange, weir_http_trailer_fn *trailer)
{
	if (exchange->handling)
		exchange->handling->trailer = trailer;
}

void weir_http_receive_small(struct weir_http_exchange *exchange)
{
	exchange->small_pieces = true;
}

void weir_http_discard(struct weir_http_exchange *exchange)
{
	if (exchange->body_state != HTTP_BODY_NONE)
		exchange->handling->receiver = NULL;
	exchange->paused = false;
}

/* Behind the body another request may follow, which the receiver must not pause. */
void weir_http_pause(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == HTTP_BODY_NONE || !exchange->handling->receiver)
		return;
	exchange->paused = true;
	if (exchange->channel)
		exchange->connection->pause_body(exchange);
}

void weir_http_resume(struct weir_http_exchange *exchange)
{
	if (!exchange->paused)
		return;
	exchange->paused = false;
	if (exchange->channel && exchange->body_state != HTTP_BODY_NONE)
		exchange->connection->resume_body(exchange);
}
