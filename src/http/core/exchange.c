/*
 * The life of an exchange: made and used again, a bounded number per loop, freed when the reply,
 * the body and the handler have all ended. Its states are entered here.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "exchange.h"
#include "h2.h"
#include "loop_internal.h"

/* -- one state a loop -------------------------------------------------------------------------- */

static void http_exchange_free(struct weir_http_exchange *exchange)
{
	weir_buffer_finish(&exchange->fields);
	weir_buffer_finish(&exchange->user);
	weir_buffer_finish(&exchange->log_line);
	weir_buffer_finish(&exchange->log_notes);
	weir_buffer_finish(&exchange->granted);
	weir_buffer_finish(&exchange->interim);
	free(exchange);
}

static void http_exchange_destroy_loop_state(void *object)
{
	struct http_loop *loop_state = object;
	for (struct weir_http_exchange *exchange = loop_state->free, *next; exchange;
	        exchange = next) {
		next = exchange->next_free;
		http_exchange_free(exchange);
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
			loop_set_object(loop, &http_loop_type, loop_state);
		}
	}
	return loop_state;
}

/* -- life -------------------------------------------------------------------------------------- */

static struct weir_http_exchange *http_exchange_recycle(struct http_loop *loop_state)
{
	struct weir_http_exchange *exchange = loop_state->free;
	if (!exchange)
		return calloc(1, sizeof *exchange);
	loop_state->free = exchange->next_free;
	loop_state->free_count--;
	/* All is cleared but the memory of its buffers. */
	struct weir_buffer fields = exchange->fields, user = exchange->user,
	                   log_line = exchange->log_line;
	fields.size = user.size = log_line.size = 0;
	/* A size that the compiler does not see: for this one gcc makes a slow `rep stos`. */
	size_t size = offsetof(struct weir_http_exchange, scratch);
	__asm__("" : "+r"(size));
	memset(exchange, 0, size);
	exchange->fields = fields;
	exchange->user = user;
	exchange->log_line = log_line;
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
	exchange->loop_state = server->loop_state;
	exchange->loop = weir_channel_loop(channel);
	exchange->peer = *weir_channel_peer(channel);
	exchange->begun_ms = *exchange->loop_state->now_ms;
	/* The push may close the producer, without a reply. */
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	int error = connection->attach(exchange);
	http_exchange_leave_handler(exchange, before);
	if (error < 0) {
		http_server_release(server);
		http_exchange_free(exchange);
		return NULL;
	}
	return exchange;
}

void http_exchange_set_reply(struct weir_http_exchange *exchange, enum http_reply_state state)
{
	assert(state > exchange->reply_state);
	assert(exchange->reply_state != HTTP_REPLY_UNWANTED || state == HTTP_REPLY_CLOSED);
	exchange->reply_state = (uint8_t)state;
}

enum http_handler_state http_exchange_enter_handler(struct weir_http_exchange *exchange)
{
	enum http_handler_state before = exchange->handler_state;
	exchange->handler_state = HTTP_HANDLER_RUNNING;
	return before;
}

void http_exchange_leave_handler(
        struct weir_http_exchange *exchange, enum http_handler_state before)
{
	exchange->handler_state = (uint8_t)before;
}

void http_exchange_free_if_unused(struct weir_http_exchange *exchange)
{
	struct http_loop *loop_state = exchange->loop_state;
	if (exchange->reply_state != HTTP_REPLY_CLOSED ||
	        exchange->handler_state != HTTP_HANDLER_IDLE ||
	        exchange->body_state != HTTP_BODY_NONE)
		return;
	if (exchange->connection->freed)
		exchange->connection->freed(exchange);
	if (exchange->release_lent)
		exchange->release_lent(exchange->lent_context);
	weir_http_sites_release(exchange->sites);
	http_server_release(exchange->server);
	http_request_copy_free(exchange->copy);
	free(exchange->head);
	free(exchange->rewritten);
	weir_buffer_finish(&exchange->log_notes);
	weir_buffer_finish(&exchange->granted);
	weir_buffer_finish(&exchange->interim);
	if (loop_state->free_count >= WEIR_HTTP_EXCHANGES_KEPT) {
		http_exchange_free(exchange);
		return;
	}
	exchange->next_free = loop_state->free;
	loop_state->free = exchange;
	loop_state->free_count++;
}
