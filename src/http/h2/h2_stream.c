/*
 * Streams: their states, windows, bodies and ends.
 *
 * Invariant: stream->exchange is NULL as soon as the exchange is over, and exchange->stream as soon
 * as the stream is. A call into an exchange may end its stream, so no caller touches a stream
 * afterwards without finding it again by its identifier.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "h2_connection.h"
#include "head.h"
#include "helper.h"

/* -- life -------------------------------------------------------------------------------------- */

static void h2_stream_on_wake(struct weir_waiter *waiter)
{
	struct h2_stream *stream = WEIR_CONTAINER(waiter, struct h2_stream, waiter);
	stream->woken = true;
	if (!stream->local_closed && !stream->connection->failed)
		h2_stream_make_ready(stream);
}

/* Memory of a stream that has ended, or new one; NULL if there is none. */
static struct h2_stream *h2_stream_recycle(struct h2_loop *loop_state)
{
	struct h2_stream *stream = loop_state->free_streams;
	if (!stream)
		return malloc(sizeof *stream);
	memory_unpoison(stream, sizeof *stream);
	loop_state->free_streams = stream->next_free;
	loop_state->free_count--;
	return stream;
}

static void h2_stream_free(struct h2_stream *stream, struct h2_loop *loop_state)
{
	if (loop_state->free_count >= WEIR_HTTP_EXCHANGES_KEPT) {
		free(stream);
		return;
	}
	stream->next_free = loop_state->free_streams;
	loop_state->free_streams = stream;
	loop_state->free_count++;
	memory_poison(stream, sizeof *stream);
}

void h2_stream_free_all(struct h2_loop *loop_state)
{
	while (loop_state->free_streams)
		free(h2_stream_recycle(loop_state));
}

struct h2_stream *h2_stream_create(struct h2_connection *connection, uint32_t id, bool ends)
{
	struct h2_stream *stream = h2_stream_recycle(connection->loop_state);
	struct h2_inbound *inbound = ends ? NULL : calloc(1, sizeof *inbound);
	if (!stream || (!inbound && !ends)) {
		if (stream)
			h2_stream_free(stream, connection->loop_state);
		free(inbound);
		return NULL;
	}
	if (inbound)
		*inbound = (struct h2_inbound){
		        .stream = stream, .window = WEIR_HTTP2_STREAM_WINDOW, .body_length = -1};
	memory_clear(stream, sizeof *stream);
	stream->inbound = inbound;
	stream->remote_closed = ends;
	stream->connection = connection;
	stream->waiter.wake = h2_stream_on_wake;
	stream->id = id;
	stream->send_window = connection->initial_window;
	stream->counted = true;
	connection->open_streams++;
	weir_list_init(&stream->ready_link);
	weir_list_append(&connection->streams, &stream->link);
	return stream;
}

static void h2_stream_count_closed(struct h2_stream *stream)
{
	if (stream->counted)
		stream->connection->open_streams--;
	stream->counted = false;
}

void h2_stream_close_remote(struct h2_stream *stream)
{
	stream->remote_closed = true;
	if (stream->local_closed)
		h2_stream_count_closed(stream);
}

void h2_stream_close_local(struct h2_stream *stream)
{
	stream->local_closed = true;
	stream->blocked = false;
	if (stream->remote_closed)
		h2_stream_count_closed(stream);
}

/* The exchange does not know the stream any more. */
static void h2_stream_destroy(struct h2_stream *stream)
{
	h2_stream_drop_held(stream);
	h2_stream_count_closed(stream);
	if (!stream->aborted)
		h2_connection_note_closed(stream->connection, stream->id);
	if (stream->inbound)
		weir_loop_cancel(stream->connection->server->loop, &stream->inbound->task);
	weir_list_remove(&stream->link);
	weir_list_remove(&stream->ready_link);
	free(stream->inbound);
	h2_stream_free(stream, stream->connection->loop_state);
}

/* The producer may have lent bytes to an output that has not been taken. */
static bool h2_stream_has_lent(const struct h2_stream *stream)
{
	const struct h2_connection *connection = stream->connection;
	return connection->output_open && stream->exchange &&
	       stream->exchange->reply_state != HTTP_REPLY_CLOSED &&
	       stream->output_number == connection->output_number;
}

/* The exchange ends in h2_stream_finish; to the client the stream is closed. */
static void h2_stream_abort_later(struct h2_stream *stream)
{
	stream->aborted = true;
	h2_connection_note_closed(stream->connection, stream->id);
	h2_stream_close_remote(stream);
	h2_stream_close_local(stream);
	h2_stream_drop_held(stream);
	weir_list_remove(&stream->link);
	weir_list_remove(&stream->ready_link);
	weir_list_append(&stream->connection->sent, &stream->ready_link);
}

static void h2_stream_abort_now(struct h2_stream *stream)
{
	struct weir_http_exchange *exchange = stream->exchange;
	stream->exchange = NULL;
	h2_stream_destroy(stream);
	if (!exchange)
		return;
	exchange->stream = NULL;
	if (exchange->reply_state == HTTP_REPLY_CLOSED)
		http_body_lost(exchange, -ECONNRESET);
	else
		weir_producer_close(&exchange->producer, WEIR_CLOSE_ABORTED);
}

void h2_stream_abort(struct h2_stream *stream)
{
	struct h2_connection *connection = stream->connection;
	if (h2_stream_has_lent(stream))
		h2_stream_abort_later(stream);
	else
		h2_stream_abort_now(stream);
	h2_connection_expect_bodies(connection);
	/* The channel learns that nothing is awaited any more. */
	if (!connection->failed)
		h2_connection_wake(connection);
}

void h2_stream_send_reset(struct h2_connection *connection, uint32_t id, enum h2_error code)
{
	char payload[4];
	h2_frame_put32(payload, code);
	h2_connection_note_reset(connection, id);
	h2_connection_send(connection, H2_RST_STREAM, 0, id, payload, sizeof payload);
	if (code != H2_NO_ERROR)
		h2_connection_count_reset(connection);
}

void h2_stream_reset(struct h2_stream *stream, enum h2_error code)
{
	struct h2_connection *connection = stream->connection;
	uint32_t id = stream->id;
	h2_stream_abort(stream);
	if (!connection->failed)
		h2_stream_send_reset(connection, id, code);
}

/* -- deadlines --------------------------------------------------------------------------------- */

void h2_stream_start_timer(struct h2_connection *connection, int64_t at_ms)
{
	struct weir_timer *timer = &connection->stall_timer;
	if (weir_timer_running(timer) && connection->stall_at_ms <= at_ms)
		return;
	connection->stall_at_ms = at_ms;
	weir_timer_start(connection->server->loop, timer,
	        at_ms - *connection->server->loop_state->now_ms, h2_connection_on_stall_time);
}

static void h2_stream_set_deadline(struct h2_stream *stream, int64_t after_ms)
{
	if (stream->connection->input_ended)
		after_ms = 0;
	stream->deadline_ms = *stream->connection->server->loop_state->now_ms + after_ms;
	h2_stream_start_timer(stream->connection, stream->deadline_ms);
}

void h2_stream_expire_all(struct h2_connection *connection)
{
	connection->input_ended = true;
	WEIR_LIST_EACH (struct h2_stream, stream, &connection->streams, link)
		if (stream->blocked || stream->lingers)
			h2_stream_set_deadline(stream, 0);
}

void h2_stream_block(struct h2_stream *stream)
{
	weir_list_remove(&stream->ready_link);
	if (!stream->blocked)
		h2_stream_set_deadline(stream, stream->connection->server->progress_ms);
	stream->blocked = true;
}

void h2_stream_unblock(struct h2_stream *stream)
{
	if (stream->blocked)
		h2_stream_make_ready(stream);
}

/* -- the end of a reply ------------------------------------------------------------------------ */

void h2_stream_finish(struct h2_stream *stream)
{
	struct weir_http_exchange *exchange = stream->exchange;
	weir_list_remove(&stream->ready_link);
	if (stream->aborted) {
		h2_stream_abort_now(stream);
		return;
	}
	stream->ending = true;
	if (stream->failed)
		weir_producer_consumed(&exchange->producer, 0);
	weir_producer_close(
	        &exchange->producer, stream->failed ? WEIR_CLOSE_FAILED : WEIR_CLOSE_DONE);
	stream->ending = false;
	/* The rest of a body may still be received. */
	if (stream->exchange)
		return;
	if (stream->remote_closed) {
		h2_stream_destroy(stream);
		return;
	}
	/* Clients that are reset while they send may lose the reply: let them end the stream. */
	stream->lingers = true;
	h2_stream_set_deadline(stream, WEIR_LINGER_MS);
}

/* -- the body ---------------------------------------------------------------------------------- */

void h2_stream_give_back(struct h2_stream *stream, size_t size)
{
	struct h2_inbound *inbound = stream->inbound;
	inbound->taken += (uint32_t)size;
	if (stream->remote_closed || inbound->taken < WEIR_HTTP2_STREAM_WINDOW / 2)
		return;
	char payload[4];
	h2_frame_put32(payload, inbound->taken);
	inbound->window += (int32_t)inbound->taken;
	inbound->taken = 0;
	h2_connection_send(
	        stream->connection, H2_WINDOW_UPDATE, 0, stream->id, payload, sizeof payload);
}

void h2_stream_drop_held(struct h2_stream *stream)
{
	struct h2_inbound *inbound = stream->inbound;
	if (!inbound)
		return;
	size_t bytes = inbound->held.size - inbound->trailers_size;
	if (bytes)
		h2_connection_give_back(stream->connection, bytes);
	inbound->trailers_size = 0;
	weir_buffer_finish(&inbound->held);
}

static void h2_stream_pass_trailers(struct weir_http_exchange *exchange, struct weir_span lines)
{
	struct weir_span line;
	struct weir_http_field field;
	const struct http_handling *handling = exchange->handling;
	while (lines.size && handling->receiver && handling->trailer) {
		weir_span_cut(&lines, '\n', &line);
		line.size--; /* CR */
		if (http_trailer_parse(line, &field) == 0)
			handling->trailer(handling->receiver_context, &field);
	}
}

/*
 * Passes bytes to the receiver, and gives them back to both windows; then lines of trailer fields.
 * The stream may end.
 */
static void h2_stream_pass(
        struct h2_stream *stream, struct weir_span bytes, struct weir_span trailers, bool end)
{
	struct h2_connection *connection = stream->connection;
	uint32_t id = stream->id;
	if (bytes.size) {
		http_body_piece(stream->exchange, bytes);
		h2_connection_give_back(connection, bytes.size);
		stream = h2_connection_find(connection, id);
		if (stream)
			h2_stream_give_back(stream, bytes.size);
	}
	if (!end || !stream || !stream->exchange || stream->exchange->body_state == HTTP_BODY_NONE)
		return;
	h2_stream_pass_trailers(stream->exchange, trailers);
	http_body_complete(stream->exchange);
}

void h2_stream_receive(struct h2_stream *stream, struct weir_span bytes, bool end)
{
	struct weir_http_exchange *exchange = stream->exchange;
	if (end)
		h2_stream_close_remote(stream);
	if (!exchange || exchange->body_state == HTTP_BODY_NONE) {
		h2_connection_give_back(stream->connection, bytes.size);
		if (end && stream->lingers)
			h2_stream_abort(stream);
		return;
	}
	struct weir_buffer *held = &stream->inbound->held;
	if (stream->reading && !exchange->paused && !held->size) {
		h2_stream_pass(stream, bytes, weir_span(NULL, 0), end);
		return;
	}
	/* The window bounds what is held. */
	if (bytes.size &&
	        weir_buffer_append(held, bytes.data, bytes.size, WEIR_HTTP2_STREAM_WINDOW) < 0) {
		h2_connection_give_back(stream->connection, bytes.size);
		h2_stream_reset(stream, H2_INTERNAL_ERROR);
	} else if (end) {
		h2_stream_deliver_held(stream);
	}
}

void h2_stream_receive_trailers(struct h2_stream *stream, struct weir_span lines)
{
	const struct weir_http_exchange *exchange = stream->exchange;
	struct h2_inbound *inbound = stream->inbound;
	if (lines.size && exchange && exchange->body_state != HTTP_BODY_NONE) {
		if (weir_buffer_append(&inbound->held, lines.data, lines.size,
		            WEIR_HTTP2_STREAM_WINDOW + WEIR_HTTP_HEAD_MAX) < 0) {
			h2_stream_reset(stream, H2_INTERNAL_ERROR);
			return;
		}
		inbound->trailers_size = (uint32_t)lines.size;
	}
	h2_stream_receive(stream, weir_span(NULL, 0), true);
}

static void h2_stream_deliver(struct weir_task *task)
{
	struct h2_inbound *inbound = WEIR_CONTAINER(task, struct h2_inbound, task);
	struct h2_stream *stream = inbound->stream;
	const struct weir_http_exchange *exchange = stream->exchange;
	if (!exchange || exchange->body_state == HTTP_BODY_NONE || !stream->reading ||
	        exchange->paused || stream->aborted)
		return;
	struct weir_buffer held = inbound->held;
	size_t body_size = held.size - inbound->trailers_size;
	struct weir_span trailers =
	        weir_span(held.size ? held.data + body_size : NULL, inbound->trailers_size);
	inbound->held = (struct weir_buffer){0};
	inbound->trailers_size = 0;
	h2_stream_pass(stream, weir_span(held.data, body_size), trailers, stream->remote_closed);
	weir_buffer_finish(&held);
}

void h2_stream_deliver_held(struct h2_stream *stream)
{
	struct h2_inbound *inbound = stream->inbound;
	if (!inbound || (!inbound->held.size && !stream->remote_closed))
		return;
	inbound->task.run = h2_stream_deliver;
	weir_loop_defer(stream->connection->server->loop, &inbound->task);
}

/* -- the ready list ---------------------------------------------------------------------------- */

/*
 * By urgency; and among equals, what is not incremental in the order of the streams (RFC 9218 10).
 * Streams without a priority of the client take turns, so that one large reply does not hold
 * up the others.
 */
static bool h2_stream_goes_before(const struct h2_stream *stream, const struct h2_stream *other)
{
	if (stream->priority.urgency != other->priority.urgency)
		return stream->priority.urgency < other->priority.urgency;
	bool in_turns = stream->priority.incremental || !stream->priority.given;
	return !in_turns && stream->id < other->id;
}

void h2_stream_make_ready(struct h2_stream *stream)
{
	struct h2_connection *connection = stream->connection;
	if (!weir_list_empty(&stream->ready_link))
		return;
	struct weir_list *after = connection->ready.prev;
	while (after != &connection->ready &&
	        h2_stream_goes_before(stream, WEIR_CONTAINER(after, struct h2_stream, ready_link)))
		after = after->prev;
	/* Appending to the link behind is inserting before it. */
	weir_list_append(after->next, &stream->ready_link);
	h2_connection_wake(connection);
}
