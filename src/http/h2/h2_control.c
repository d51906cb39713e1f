/*
 * Frames: the rules that hold for all of them, and those that concern the connection or the state
 * of a stream: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, priorities. Requests and their bodies are
 * in h2_request.c.
 */
#include "h2_connection.h"

/* Returns false if too much of what the client sends carries nothing. */
static bool h2_control_count_frame(struct h2_connection *connection, const struct h2_frame *frame)
{
	connection->bytes += H2_FRAME_HEADER_SIZE + frame->size;
	if (frame->type == H2_DATA || frame->type == H2_HEADERS || frame->type == H2_CONTINUATION)
		connection->payload_bytes += frame->size;
	return connection->bytes / 8 <= connection->payload_bytes + WEIR_HTTP2_OVERHEAD_MAX;
}

/* RFC 9113 6.9.2: a window may become negative, but not too large. */
static enum h2_error h2_control_set_initial_window(struct h2_connection *connection, uint32_t value)
{
	if (value > H2_WINDOW_MAX)
		return H2_FLOW_CONTROL_ERROR;
	int64_t change = (int64_t)value - connection->initial_window;
	connection->initial_window = (int32_t)value;
	WEIR_LIST_EACH_SAFE (struct h2_stream, stream, next_stream, &connection->streams, link) {
		if (stream->send_window + change > H2_WINDOW_MAX)
			return H2_FLOW_CONTROL_ERROR;
		stream->send_window += (int32_t)change;
		if (change > 0)
			h2_stream_unblock(stream);
	}
	return H2_NO_ERROR;
}

/* Frames are never larger than the least that a client may ask for, and nothing is pushed. */
static enum h2_error h2_control_set(struct h2_connection *connection, unsigned id, uint32_t value)
{
	switch (id) {
	case H2_SETTINGS_HEADER_TABLE_SIZE:
		h2_table_set_size(&connection->table, value);
		return H2_NO_ERROR;
	case H2_SETTINGS_ENABLE_PUSH:
		return value > 1 ? H2_PROTOCOL_ERROR : H2_NO_ERROR;
	case H2_SETTINGS_INITIAL_WINDOW_SIZE:
		return h2_control_set_initial_window(connection, value);
	case H2_SETTINGS_MAX_FRAME_SIZE:
		return value < H2_FRAME_PAYLOAD_MAX || value > 0xffffff ? H2_PROTOCOL_ERROR
		                                                        : H2_NO_ERROR;
	default:
		return H2_NO_ERROR;
	}
}

static void h2_control_on_settings(struct h2_connection *connection, const struct h2_frame *frame)
{
	if (frame->flags & H2_FLAG_ACK)
		return;
	for (size_t at = 0; at < frame->payload.size; at += 6) {
		const uint8_t *item = (const uint8_t *)frame->payload.data + at;
		enum h2_error error = h2_control_set(connection, (unsigned)item[0] << 8 | item[1],
		        h2_frame_get32((const char *)item + 2));
		if (error) {
			h2_connection_fail(connection, error);
			return;
		}
	}
	h2_connection_send(connection, H2_SETTINGS, H2_FLAG_ACK, 0, NULL, 0);
}

static void h2_control_on_window_update(
        struct h2_connection *connection, const struct h2_frame *frame)
{
	uint32_t increment = h2_frame_get32(frame->payload.data) & H2_WINDOW_MAX;
	struct h2_stream *stream = NULL;
	if (frame->stream_id) {
		stream = h2_connection_find(connection, frame->stream_id);
		if (!stream && frame->stream_id > connection->last_stream_id)
			h2_connection_fail(connection, H2_PROTOCOL_ERROR);
		if (!stream)
			return;
	}
	int32_t *window = stream ? &stream->send_window : &connection->send_window;
	enum h2_error error = H2_NO_ERROR;
	if (increment == 0)
		error = H2_PROTOCOL_ERROR;
	else if ((int64_t)*window + increment > H2_WINDOW_MAX)
		error = H2_FLOW_CONTROL_ERROR;
	if (error && stream) {
		h2_stream_reset(stream, error);
	} else if (error) {
		h2_connection_fail(connection, error);
	} else {
		*window += (int32_t)increment;
		if (stream)
			h2_stream_unblock(stream);
		else
			WEIR_LIST_EACH (struct h2_stream, each, &connection->streams, link)
				h2_stream_unblock(each);
	}
}

static void h2_control_on_rst_stream(struct h2_connection *connection, const struct h2_frame *frame)
{
	struct h2_stream *stream = h2_connection_find(connection, frame->stream_id);
	if (!stream) {
		if (frame->stream_id > connection->last_stream_id)
			h2_connection_fail(connection, H2_PROTOCOL_ERROR);
		return;
	}
	/* A stream whose reply is complete does not count. */
	bool complete = stream->local_closed;
	h2_stream_abort(stream);
	if (!complete)
		h2_connection_count_reset(connection);
}

/* The priorities of RFC 7540 are read only to find what RFC 9113 still calls an error. */
static void h2_control_on_priority(struct h2_connection *connection, const struct h2_frame *frame)
{
	struct h2_stream *stream = h2_connection_find(connection, frame->stream_id);
	enum h2_error error = H2_NO_ERROR;
	if (frame->size != 5)
		error = H2_FRAME_SIZE_ERROR;
	else if ((h2_frame_get32(frame->payload.data) & H2_WINDOW_MAX) == frame->stream_id)
		error = H2_PROTOCOL_ERROR;
	if (error && stream)
		h2_stream_reset(stream, error);
	else if (error && frame->stream_id > connection->last_stream_id)
		h2_connection_fail(connection, error); /* an idle stream cannot be reset */
	else if (error)
		h2_stream_send_reset(connection, frame->stream_id, error);
}

static void h2_control_on_priority_update(
        struct h2_connection *connection, const struct h2_frame *frame)
{
	uint32_t id = h2_frame_get32(frame->payload.data) & H2_WINDOW_MAX;
	struct h2_stream *stream = h2_connection_find(connection, id);
	if (id == 0)
		h2_connection_fail(connection, H2_PROTOCOL_ERROR);
	if (id == 0 || !stream)
		return;
	stream->priority = (struct h2_priority){.urgency = H2_URGENCY_INITIAL, .given = true};
	h2_priority_parse(&stream->priority, weir_span_skip(frame->payload, 4));
	if (stream->local_closed || weir_list_empty(&stream->ready_link))
		return;
	weir_list_remove(&stream->ready_link);
	h2_stream_make_ready(stream);
}

static void h2_control_handle(struct h2_connection *connection, struct h2_frame *frame)
{
	switch (frame->type) {
	case H2_DATA:
		h2_request_on_data(connection, frame);
		break;
	case H2_HEADERS:
		h2_request_on_headers(connection, frame);
		break;
	case H2_PRIORITY:
		h2_control_on_priority(connection, frame);
		break;
	case H2_RST_STREAM:
		h2_control_on_rst_stream(connection, frame);
		break;
	case H2_SETTINGS:
		h2_control_on_settings(connection, frame);
		break;
	case H2_PUSH_PROMISE:
	case H2_CONTINUATION: /* without a HEADERS frame before it */
		h2_connection_fail(connection, H2_PROTOCOL_ERROR);
		break;
	case H2_PING:
		if (!(frame->flags & H2_FLAG_ACK))
			h2_connection_send(connection, H2_PING, H2_FLAG_ACK, 0, frame->payload.data,
			        frame->payload.size);
		break;
	case H2_WINDOW_UPDATE:
		h2_control_on_window_update(connection, frame);
		break;
	case H2_PRIORITY_UPDATE:
		h2_control_on_priority_update(connection, frame);
		break;
	default: /* GOAWAY, after which the client closes; and frames that are not known */
		break;
	}
}

void h2_control_on_frame(struct h2_connection *connection, struct weir_span bytes)
{
	struct h2_frame frame = h2_frame_read(bytes);
	enum h2_error error = h2_frame_check(&frame);
	bool continued = connection->block_stream_id;
	if (!connection->settings_seen && (frame.type != H2_SETTINGS || frame.flags & H2_FLAG_ACK))
		error = H2_PROTOCOL_ERROR;
	connection->settings_seen = true;
	if (continued &&
	        (frame.type != H2_CONTINUATION || frame.stream_id != connection->block_stream_id))
		error = H2_PROTOCOL_ERROR;
	if (!error && !h2_control_count_frame(connection, &frame))
		error = H2_ENHANCE_YOUR_CALM;
	if (error)
		h2_connection_fail(connection, error);
	else if (continued)
		h2_request_on_continuation(connection, &frame);
	else
		h2_control_handle(connection, &frame);
}
