/*
 * The life of an exchange: made and used again, a bounded number per loop, freed when the reply,
 * the body and the handler have all ended. Its states are entered here.
 *
 * An exchange and its handling are recycled together. They part only for a reply that goes on
 * behind its first output, as one to a client that does not read.
 */
#include <errno.h>
#include <stdlib.h>

#include "exchange.h"
#include "h2.h"
#include "helper.h"
#include "loop_internal.h"

/* -- one state a loop -------------------------------------------------------------------------- */

/* The exchange, if there is one, is freed with it. */
static void http_handling_free(struct http_handling *handling)
{
	weir_buffer_finish(&handling->fields);
	weir_buffer_finish(&handling->user);
	weir_buffer_finish(&handling->log.line);
	free(handling->exchange);
	free(handling);
}

static void http_exchange_destroy_loop_state(void *object)
{
	struct http_loop *loop_state = object;
	for (struct http_handling *handling = loop_state->free, *next; handling; handling = next) {
		next = handling->next_free;
		http_handling_free(handling);
	}
	h2_loop_destroy(loop_state->h2);
	free(loop_state);
}

static const struct loop_object_type http_loop_type = {"http", http_exchange_destroy_loop_state};

struct http_loop *http_loop_state(struct weir_loop *loop)
{
	struct http_loop *loop_state = loop_object(loop, &http_loop_type);
	if (!loop_state) {
		loop_state = calloc(1, sizeof *loop_state);
		if (loop_state) {
			loop_state->now_ms = loop_clock(loop);
			/* A second that is never now: nothing is composed yet. */
			loop_state->date_s = loop_state->log_date_s = INT64_MIN;
			loop_set_object(loop, &http_loop_type, loop_state);
		}
	}
	return loop_state;
}

/* -- life -------------------------------------------------------------------------------------- */

static void http_handling_clear(struct http_handling *handling)
{
	const size_t from = offsetof(struct http_handling, request);
	memory_clear((char *)handling + from, offsetof(struct http_handling, peer) - from);
	handling->fields.size = handling->user.size = handling->log.line.size = 0;
}

static struct http_handling *http_handling_recycle(struct http_loop *loop_state)
{
	struct http_handling *handling = loop_state->free;
	if (!handling)
		return calloc(1, sizeof *handling);
	loop_state->free = handling->next_free;
	loop_state->free_count--;
	http_handling_clear(handling);
	return handling;
}

/*
 * Frees what it has of its own, and retains its memory and that of its exchange for reuse. Most
 * have nothing: a check costs less than a call.
 */
static inline void http_handling_release(
        struct http_handling *handling, struct http_loop *loop_state)
{
	if (handling->copy)
		http_request_copy_free(handling->copy);
	if (handling->head)
		free(handling->head);
	if (handling->rewritten)
		free(handling->rewritten);
	if (handling->log.notes.data)
		weir_buffer_finish(&handling->log.notes);
	if (handling->granted.data)
		weir_buffer_finish(&handling->granted);
	if (handling->interim.data)
		weir_buffer_finish(&handling->interim);
	if (loop_state->free_count >= WEIR_HTTP_EXCHANGES_KEPT) {
		http_handling_free(handling);
		return;
	}
	handling->next_free = loop_state->free;
	loop_state->free = handling;
	loop_state->free_count++;
}

/* Returns NULL without memory. */
static struct weir_http_exchange *http_exchange_recycle(struct http_loop *loop_state)
{
	struct http_handling *handling = http_handling_recycle(loop_state);
	if (!handling)
		return NULL;
	struct weir_http_exchange *exchange = handling->exchange;
	if (exchange)
		memory_clear(exchange, sizeof *exchange);
	else
		exchange = calloc(1, sizeof *exchange);
	handling->exchange = exchange;
	if (exchange)
		exchange->handling = handling;
	else
		http_handling_release(handling, loop_state);
	return exchange;
}

struct weir_http_exchange *http_exchange_create(struct weir_http_server *server,
        struct weir_channel *channel, const struct http_connection_type *connection,
        struct h2_stream *stream)
{
	struct weir_http_exchange *exchange = http_exchange_recycle(server->loop_state);
	if (!exchange) {
		weir_channel_abort(channel, -ENOMEM);
		return NULL;
	}
	weir_producer_init(&exchange->producer, &http_response_type);
	exchange->server = http_server_hold(server);
	exchange->connection = connection;
	exchange->channel = channel;
	exchange->stream = stream;
	exchange->handling->peer = *weir_channel_peer(channel);
	exchange->begun_ms = *exchange->server->loop_state->now_ms;
	/* The push may close the producer, without a reply. */
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	int error = connection->attach(exchange);
	http_exchange_leave_handler(exchange, before);
	if (error < 0) {
		http_server_release(server);
		http_handling_free(exchange->handling);
		return NULL;
	}
	return exchange;
}

void http_exchange_free_if_unused(struct weir_http_exchange *exchange)
{
	struct http_loop *loop_state = exchange->server->loop_state;
	if (exchange->reply_state != HTTP_REPLY_CLOSED ||
	        exchange->handler_state != HTTP_HANDLER_IDLE ||
	        exchange->body_state != HTTP_BODY_NONE)
		return;
	if (exchange->connection->freed)
		exchange->connection->freed(exchange);
	if (exchange->release_lent)
		exchange->release_lent(exchange->lent_context);
	weir_http_sites_release(exchange->sites);
	struct http_handling *handling = exchange->handling;
	if (handling) {
		http_server_release(exchange->server);
		http_handling_release(handling, loop_state);
		return;
	}
	http_log_free_detached(exchange);
	http_server_release(exchange->server);
	free(exchange);
}

void http_exchange_end_handling(struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	if (!handling || exchange->reply_state != HTTP_REPLY_BODY ||
	        exchange->handler_state != HTTP_HANDLER_IDLE ||
	        exchange->body_state != HTTP_BODY_NONE || handling->trailers ||
	        http_log_detach(exchange) < 0)
		return;
	exchange->handling = NULL;
	handling->exchange = NULL;
	http_handling_release(handling, exchange->server->loop_state);
}
