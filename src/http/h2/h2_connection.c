/*
 * A connection: its preface, what it sends beside replies, its errors, its time limits and its end.
 * Frames are cut by a terminator, so each one is whole when it is handled.
 *
 * Floods: what the client makes the server send beside replies waits in `control`, and nothing is
 * read while that is large. Frames that carry nothing are bounded by a ratio, streams that end
 * before their reply by a token bucket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "h2.h"
#include "h2_connection.h"
#include "helper.h"

/* -- one state a loop -------------------------------------------------------------------------- */

void h2_loop_destroy(struct h2_loop *loop_state)
{
	if (!loop_state)
		return;
	h2_stream_free_all(loop_state);
	h2_intern_finish(&loop_state->intern);
	free(loop_state);
}

static struct h2_loop *h2_connection_loop_state(struct http_loop *http)
{
	if (http->h2)
		return http->h2;
	http->h2 = calloc(1, sizeof *http->h2);
	if (!http->h2)
		return NULL;
	h2_huffman_init(&http->h2->huffman);
	http->h2->head.huffman = &http->h2->huffman;
	http->h2->intern.huffman = &http->h2->huffman;
	return http->h2;
}

/* -- sending ----------------------------------------------------------------------------------- */

void h2_connection_wake(struct h2_connection *connection)
{
	if (connection->queued) {
		weir_wake(&connection->producer);
		return;
	}
	weir_producer_init(&connection->producer, &h2_session_type.producer);
	connection->queued = true;
	weir_channel_push(connection->channel, &connection->producer);
}

void h2_connection_send(struct h2_connection *connection, enum h2_frame_type type, unsigned flags,
        uint32_t stream_id, const void *payload, size_t size)
{
	char bytes[H2_FRAME_HEADER_SIZE + 64];
	size = min_of(size, sizeof bytes - H2_FRAME_HEADER_SIZE);
	char *to = h2_frame_put_header(bytes, size, type, flags, stream_id);
	if (size)
		memcpy(to, payload, size);
	if (weir_buffer_append(&connection->control, bytes, H2_FRAME_HEADER_SIZE + size,
	            WEIR_HTTP2_CONTROL_MAX) < 0) {
		weir_channel_abort(connection->channel, -ENOMEM);
		return;
	}
	if (connection->control.size >= WEIR_HTTP2_CONTROL_HOLD && !connection->input_held) {
		connection->input_held = true;
		weir_channel_pause(connection->channel);
	}
	h2_connection_wake(connection);
}

static void h2_connection_send32(struct h2_connection *connection, enum h2_frame_type type,
        uint32_t stream_id, uint32_t value)
{
	char payload[4];
	h2_frame_put32(payload, value);
	h2_connection_send(connection, type, 0, stream_id, payload, sizeof payload);
}

static void h2_connection_send_settings(struct h2_connection *connection)
{
	static const struct {
		uint16_t id;
		uint32_t value;
	} settings[] = {
	        {H2_SETTINGS_MAX_CONCURRENT_STREAMS, WEIR_HTTP2_STREAMS_MAX},
	        {H2_SETTINGS_INITIAL_WINDOW_SIZE, WEIR_HTTP2_STREAM_WINDOW},
	        {H2_SETTINGS_MAX_HEADER_LIST_SIZE, WEIR_HTTP_HEAD_MAX},
	        {H2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	        {H2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, /* last: if the server allows it */
	};
	size_t count = sizeof settings / sizeof *settings;
	char payload[sizeof settings / sizeof *settings * 6], *to = payload;
	count -= !connection->server->extended_connect;
	for (size_t i = 0; i < count; i++) {
		*to++ = (char)(settings[i].id >> 8);
		*to++ = (char)settings[i].id;
		to = h2_frame_put32(to, settings[i].value);
	}
	h2_connection_send(connection, H2_SETTINGS, 0, 0, payload, (size_t)(to - payload));
	h2_connection_send32(
	        connection, H2_WINDOW_UPDATE, 0, WEIR_HTTP2_CONNECTION_WINDOW - H2_WINDOW_INITIAL);
}

static void h2_connection_put_goaway(
        struct h2_connection *connection, uint32_t stream_id, enum h2_error code)
{
	char payload[8];
	h2_frame_put32(h2_frame_put32(payload, stream_id), code);
	h2_connection_send(connection, H2_GOAWAY, 0, 0, payload, sizeof payload);
}

static void h2_connection_end_streams(struct h2_connection *connection, enum h2_error code)
{
	/* A second frame must not name a later stream (RFC 9113 6.8): those were refused. */
	if (!connection->goaway_sent)
		connection->goaway_stream_id = connection->last_stream_id;
	connection->goaway_sent = true;
	h2_connection_put_goaway(connection, connection->goaway_stream_id, code);
}

void h2_connection_send_goaway(struct h2_connection *connection)
{
	if (!connection->goaway_sent)
		h2_connection_end_streams(connection, H2_NO_ERROR);
}

/*
 * The client opens no more streams here, and those that are on the way are still accepted. The next
 * one, or the end of the last one, makes the frame follow that names the last one (RFC 9113 6.8).
 */
static void h2_connection_announce_goaway(struct h2_connection *connection)
{
	if (connection->goaway_sent || connection->goaway_announced)
		return;
	connection->goaway_announced = true;
	h2_connection_put_goaway(connection, H2_STREAM_ID_MAX, H2_NO_ERROR);
}

void h2_connection_give_back(struct h2_connection *connection, size_t size)
{
	connection->receive_taken += (uint32_t)size;
	if (connection->receive_taken < WEIR_HTTP2_CONNECTION_WINDOW / 2 || connection->failed)
		return;
	connection->receive_window += (int32_t)connection->receive_taken;
	h2_connection_send32(connection, H2_WINDOW_UPDATE, 0, connection->receive_taken);
	connection->receive_taken = 0;
}

/* -- errors and floods ------------------------------------------------------------------------- */

static void h2_connection_abort_streams(struct h2_connection *connection)
{
	while (!weir_list_empty(&connection->streams))
		h2_stream_abort(WEIR_CONTAINER(connection->streams.next, struct h2_stream, link));
}

void h2_connection_fail(struct h2_connection *connection, enum h2_error code)
{
	if (connection->failed)
		return;
	connection->failed = true;
	h2_connection_abort_streams(connection);
	h2_connection_end_streams(connection, code);
	/* The client may still be sending: input is read and dropped, so that it gets GOAWAY. */
	weir_channel_expect_body(connection->channel, true);
	weir_channel_close(connection->channel);
}

void h2_connection_count_reset(struct h2_connection *connection)
{
	int64_t now = *connection->server->loop_state->now_ms;
	int64_t more = (now - connection->resets_at_ms) * WEIR_HTTP2_RESETS_PER_S / 1000;
	if (more > 0) {
		int64_t most = WEIR_HTTP2_RESETS_BURST;
		connection->resets_left = (int32_t)min_of(connection->resets_left + more, most);
		connection->resets_at_ms = now;
	}
	if (--connection->resets_left < 0)
		h2_connection_fail(connection, H2_ENHANCE_YOUR_CALM);
}

/* -- streams ----------------------------------------------------------------------------------- */

/* Its place in the ring, or H2_CLOSED_REMEMBERED. */
static unsigned h2_connection_closed_place(const struct h2_connection *connection, uint32_t id)
{
	unsigned i = 0;
	while (i < H2_CLOSED_REMEMBERED && connection->closed[i] != id)
		i++;
	return i;
}

void h2_connection_note_closed(struct h2_connection *connection, uint32_t id)
{
	unsigned i = connection->closed_next++ % H2_CLOSED_REMEMBERED;
	connection->closed[i] = id;
	connection->closed_reset &= (uint8_t) ~(1u << i);
}

void h2_connection_note_reset(struct h2_connection *connection, uint32_t id)
{
	if (h2_connection_closed_place(connection, id) == H2_CLOSED_REMEMBERED)
		h2_connection_note_closed(connection, id);
	connection->closed_reset |= (uint8_t)(1u << h2_connection_closed_place(connection, id));
}

enum h2_closed h2_connection_find_closed(const struct h2_connection *connection, uint32_t id)
{
	unsigned i = h2_connection_closed_place(connection, id);
	if (i == H2_CLOSED_REMEMBERED)
		return H2_CLOSED_UNKNOWN;
	return connection->closed_reset & 1u << i ? H2_CLOSED_BY_RESET : H2_CLOSED;
}

struct h2_stream *h2_connection_find(struct h2_connection *connection, uint32_t id)
{
	WEIR_LIST_EACH (struct h2_stream, stream, &connection->streams, link)
		if (stream->id == id)
			return stream;
	return NULL;
}

/* -- the channel's callbacks ------------------------------------------------------------------- */

static enum weir_scan h2_connection_scan(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)seen, (void)before;
	return h2_frame_scan(data, ret);
}

int h2_begin(struct weir_http_server *server, struct weir_channel *channel, size_t seen)
{
	struct h2_connection *connection = calloc(1, sizeof *connection);
	struct h2_loop *loop_state = h2_connection_loop_state(server->loop_state);
	if (!connection || !loop_state) {
		free(connection);
		return -ENOMEM;
	}
	weir_producer_init(&connection->producer, &h2_session_type.producer);
	connection->server = server;
	connection->channel = channel;
	connection->loop_state = loop_state;
	h2_hpack_init(&connection->hpack);
	h2_table_init(&connection->table);
	weir_list_init(&connection->streams);
	weir_list_init(&connection->ready);
	weir_list_init(&connection->sent);
	connection->send_window = connection->initial_window = H2_WINDOW_INITIAL;
	connection->receive_window = WEIR_HTTP2_CONNECTION_WINDOW;
	connection->resets_left = WEIR_HTTP2_RESETS_BURST;
	connection->resets_at_ms = *server->loop_state->now_ms;
	weir_channel_set_session(channel, connection);
	weir_channel_set_request_max(channel, H2_FRAME_HEADER_SIZE + H2_FRAME_PAYLOAD_MAX);
	weir_channel_await(channel, weir_length(sizeof H2_PREFACE - 1 - seen));
	/* GOAWAY is sent when a drain begins, also with streams (RFC 9113 6.8). */
	weir_channel_notify_drain(channel, true);
	h2_connection_send_settings(connection);
	weir_metric_add(&server->cells->http2_connections, 1);
	return 0;
}

void h2_refuse_preface(struct weir_channel *channel)
{
	h2_connection_fail(weir_channel_session(channel), H2_PROTOCOL_ERROR);
}

static void h2_connection_on_request(void *session, struct weir_span bytes)
{
	static const struct weir_terminator_type type = {"h2-frame", h2_connection_scan};
	struct h2_connection *connection = session;
	if (connection->preface_seen) {
		h2_control_on_frame(connection, bytes);
		return;
	}
	struct weir_span preface = WEIR_SPAN(H2_PREFACE);
	preface = weir_span_skip(preface, preface.size - bytes.size);
	connection->preface_seen = true;
	weir_channel_await(connection->channel, (struct weir_terminator){.type = &type});
	if (!weir_span_equal(bytes, preface))
		h2_connection_fail(connection, H2_PROTOCOL_ERROR);
}

static void h2_connection_on_overflow(void *session)
{
	h2_connection_fail(session, H2_FRAME_SIZE_ERROR);
}

void h2_connection_expect_bodies(struct h2_connection *connection)
{
	bool expected = connection->failed;
	WEIR_LIST_EACH (struct h2_stream, stream, &connection->streams, link)
		expected |= stream->reading && !stream->remote_closed && stream->exchange &&
		            stream->exchange->body_state != HTTP_BODY_NONE &&
		            stream->exchange->body_state != HTTP_BODY_TUNNEL &&
		            !stream->exchange->paused;
	weir_channel_expect_body(connection->channel, expected);
}

/*
 * Ends the bodies that the client has not sent all of; at the end of the input, tunnels, too. A
 * reply may follow.
 */
static void h2_connection_fail_bodies(struct h2_connection *connection, int error, unsigned status)
{
	for (bool again = true; again;) {
		again = false;
		WEIR_LIST_EACH (struct h2_stream, stream, &connection->streams, link) {
			struct weir_http_exchange *exchange = stream->exchange;
			if (!exchange || stream->remote_closed ||
			        exchange->body_state == HTTP_BODY_NONE ||
			        (exchange->body_state == HTTP_BODY_TUNNEL && error == -ETIMEDOUT))
				continue;
			h2_stream_close_remote(stream);
			http_body_fail(exchange, error, status);
			again = true;
			break; /* other streams may have ended meanwhile */
		}
	}
}

static struct h2_stream *h2_connection_find_expired(
        struct h2_connection *connection, int64_t now, int64_t *ret_next)
{
	*ret_next = INT64_MAX;
	WEIR_LIST_EACH (struct h2_stream, stream, &connection->streams, link) {
		if (!stream->blocked && !stream->lingers)
			continue;
		if (stream->deadline_ms <= now)
			return stream;
		*ret_next = min_of(*ret_next, stream->deadline_ms);
	}
	return NULL;
}

/* Resets the streams whose deadline has passed. */
void h2_connection_on_stall_time(struct weir_timer *timer)
{
	struct h2_connection *connection = WEIR_CONTAINER(timer, struct h2_connection, stall_timer);
	int64_t now = *connection->server->loop_state->now_ms, next = INT64_MAX;
	struct h2_stream *stream;
	while ((stream = h2_connection_find_expired(connection, now, &next)))
		h2_stream_reset(stream, stream->lingers ? H2_NO_ERROR : H2_CANCEL);
	if (next < INT64_MAX)
		h2_stream_start_timer(connection, next);
}

static void h2_connection_on_eof(void *session)
{
	struct h2_connection *connection = session;
	h2_connection_fail_bodies(connection, -ECONNRESET, 400);
	h2_stream_expire_all(connection);
	weir_channel_close(connection->channel);
}

static void h2_connection_on_timeout(void *session, enum weir_timeout which)
{
	struct h2_connection *connection = session;
	if (which == WEIR_TIMEOUT_PROGRESS)
		return;
	if (which == WEIR_TIMEOUT_REQUEST)
		h2_connection_fail_bodies(connection, -ETIMEDOUT, 408);
	h2_connection_send_goaway(connection);
	weir_channel_close(connection->channel);
}

static void h2_connection_on_draining(void *session)
{
	struct h2_connection *connection = session;
	/* A frame that has begun may open a stream. */
	if (weir_list_empty(&connection->streams) &&
	        weir_channel_activity(connection->channel) != WEIR_ACTIVITY_RECEIVING) {
		h2_connection_send_goaway(connection);
		weir_channel_close(connection->channel);
		return;
	}
	/* The end of the last stream closes the channel. */
	h2_connection_announce_goaway(connection);
	WEIR_LIST_EACH (struct h2_stream, stream, &connection->streams, link) {
		const struct weir_http_exchange *exchange = stream->exchange;
		if (!exchange || exchange->body_state != HTTP_BODY_TUNNEL)
			continue;
		const struct http_handling *handling = exchange->handling;
		if (handling->receiver && handling->receiver->draining)
			handling->receiver->draining(handling->receiver_context);
	}
}

static void h2_connection_on_close(void *session)
{
	struct h2_connection *connection = session;
	connection->failed = true;
	connection->output_open = false; /* nothing of it is sent any more */
	h2_connection_abort_streams(connection);
	while (!weir_list_empty(&connection->sent))
		h2_stream_finish(
		        WEIR_CONTAINER(connection->sent.next, struct h2_stream, ready_link));
	weir_timer_stop(&connection->stall_timer);
	weir_buffer_finish(&connection->control);
	weir_buffer_finish(&connection->block);
	h2_hpack_finish(&connection->hpack);
	h2_table_finish(&connection->table);
	weir_channel_set_session(connection->channel, NULL);
	free(connection);
}

static void h2_connection_on_piece(void *session, struct weir_span bytes)
{
	(void)session, (void)bytes; /* frames are whole */
}

const struct http_session_type h2_session_type = {
        .producer =
                {
                        .name = "http2",
                        .more = h2_output_more,
                        .close = h2_output_close,
                },
        .on_request = h2_connection_on_request,
        .on_piece = h2_connection_on_piece,
        .on_overflow = h2_connection_on_overflow,
        .on_eof = h2_connection_on_eof,
        .on_timeout = h2_connection_on_timeout,
        .on_draining = h2_connection_on_draining,
        .on_close = h2_connection_on_close,
};
