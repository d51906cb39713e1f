/*
 * From frames to exchanges: a field block that opens a stream becomes a request, which the same
 * handlers handle as one of HTTP/1.1; DATA becomes its body; a second block ends it.
 *
 * A block is decoded even if nothing is done with it, so that the decoder's state stays that of the
 * client's encoder (RFC 9113 4.3).
 */
#include <errno.h>

#include <weir/error.h>

#include "h2_connection.h"
#include "head.h"

/* Flags of our own beside those of a HEADERS frame. */
enum {
	H2_REQUEST_OPENS = 0x40,      /* the stream is new */
	H2_REQUEST_DEPENDS_ON = 0x80, /* the stream's priority depends on itself */
};

/* -- a request --------------------------------------------------------------------------------- */

/* Replies to a head that is not passed to a handler. */
static void h2_request_refuse(struct h2_stream *stream)
{
	struct h2_connection *connection = stream->connection;
	struct http_loop *loop_state = connection->server->loop_state;
	const struct h2_head *head = &connection->loop_state->head;
	struct weir_http_exchange *exchange = http_exchange_create(
	        connection->server, connection->channel, &h2_connection_type, stream);
	http_log_note_fault(loop_state, head->fault, head->fault_text);
	if (exchange)
		weir_http_reply_error(exchange, head->status);
	else
		h2_stream_abort(stream);
	http_log_clear_fault(loop_state);
}

/* Notes the body that is to come. Returns false if its announced length is wrong already. */
static bool h2_request_expect_body(struct h2_stream *stream, struct weir_http_request *request)
{
	/* A tunnel has no length: an upstream of HTTP/1.1 would take its first bytes for a body. */
	if (request->has_length && stream->connection->loop_state->head.upgrades)
		return false;
	if (!stream->inbound)
		return request->length == 0;
	if (request->has_length)
		stream->inbound->body_length = (int64_t)request->length;
	/*
	 * To handlers this is a body whose size is not known in advance, or that of a tunnel, which
	 * a request of HTTP/1.1 does not have either.
	 */
	if (!request->has_length && !stream->connection->loop_state->head.upgrades)
		request->chunked = true;
	return true;
}

static void h2_request_handle(struct h2_stream *stream, struct weir_http_request *request)
{
	struct h2_connection *connection = stream->connection;
	const struct h2_head *head = &connection->loop_state->head;
	struct weir_http_exchange *exchange = http_exchange_create(
	        connection->server, connection->channel, &h2_connection_type, stream);
	if (!exchange) {
		h2_stream_abort(stream);
		return;
	}
	exchange->handling->request = request;
	exchange->keep_alive = true;
	exchange->extended_connect = head->upgrades;
	if (!stream->remote_closed) {
		exchange->body_state = HTTP_BODY_LENGTH;
		exchange->had_body = true;
		if (request->expect_continue)
			exchange->continue_state = HTTP_CONTINUE_AWAITED;
	}
	http_dispatch(exchange, weir_span(head->text, head->text_size));
	weir_metric_add(&exchange->site->cells->http2_requests, 1);
}

static void h2_request_open(
        struct h2_connection *connection, uint32_t id, unsigned flags, enum h2_decoded decoded)
{
	struct weir_http_request *request = &connection->server->loop_state->request;
	if (connection->goaway_sent || connection->open_streams >= WEIR_HTTP2_STREAMS_MAX) {
		h2_stream_send_reset(connection, id, H2_REFUSED_STREAM);
		return;
	}
	bool unasked =
	        connection->loop_state->head.upgrades && !connection->server->extended_connect;
	if (decoded == H2_DECODED_MALFORMED || flags & H2_REQUEST_DEPENDS_ON || unasked) {
		h2_stream_send_reset(connection, id, H2_PROTOCOL_ERROR);
		return;
	}
	struct h2_stream *stream = h2_stream_create(connection, id, flags & H2_FLAG_END_STREAM);
	if (!stream) {
		h2_stream_send_reset(connection, id, H2_INTERNAL_ERROR);
		return;
	}
	stream->priority = connection->loop_state->head.priority;
	if (decoded == H2_DECODED_REFUSED)
		h2_request_refuse(stream);
	else if (!h2_request_expect_body(stream, request))
		h2_stream_reset(stream, H2_PROTOCOL_ERROR);
	else
		h2_request_handle(stream, request);
	if (weir_channel_draining(connection->channel))
		h2_connection_send_goaway(connection);
}

/* -- the end of a body ------------------------------------------------------------------------- */

static bool h2_request_length_is_wrong(const struct h2_inbound *inbound, bool end)
{
	return inbound->body_length >= 0 &&
	       (inbound->body_bytes > inbound->body_length ||
	               (end && inbound->body_bytes < inbound->body_length));
}

static void h2_request_on_trailers(
        struct h2_stream *stream, unsigned flags, enum h2_decoded decoded, struct weir_span lines)
{
	struct weir_http_exchange *exchange = stream->exchange;
	if (decoded == H2_DECODED_MALFORMED || !(flags & H2_FLAG_END_STREAM) ||
	        flags & H2_REQUEST_DEPENDS_ON ||
	        h2_request_length_is_wrong(stream->inbound, true)) {
		h2_stream_reset(stream, H2_PROTOCOL_ERROR);
		return;
	}
	if (decoded == H2_DECODED_REFUSED && exchange && exchange->body_state != HTTP_BODY_NONE) {
		h2_stream_close_remote(stream);
		http_body_fail(exchange, WEIR_E_LIMIT, 431);
		return;
	}
	h2_stream_receive_trailers(stream, lines);
}

/* -- field blocks ------------------------------------------------------------------------------ */

/* The block cannot be decoded to its end, so the decoder's state is lost. */
static void h2_request_fail_block(struct h2_connection *connection, enum h2_decoded decoded)
{
	enum h2_error error = H2_INTERNAL_ERROR;
	if (decoded == H2_DECODED_BROKEN)
		error = H2_COMPRESSION_ERROR;
	else if (decoded == H2_DECODED_BOMB)
		error = H2_ENHANCE_YOUR_CALM;
	h2_connection_fail(connection, error);
}

static void h2_request_on_block(
        struct h2_connection *connection, uint32_t id, unsigned flags, struct weir_span block)
{
	struct h2_head *head = &connection->loop_state->head;
	struct weir_span lines = {NULL, 0};
	bool opens = flags & H2_REQUEST_OPENS;
	enum h2_decoded decoded =
	        opens ? h2_head_decode(head, &connection->hpack, block,
	                        &connection->server->loop_state->request)
	              : h2_head_decode_trailers(head, &connection->hpack, block, &lines);
	if (decoded >= H2_DECODED_BROKEN) {
		h2_request_fail_block(connection, decoded);
		return;
	}
	struct h2_stream *stream = opens ? NULL : h2_connection_find(connection, id);
	if (opens)
		h2_request_open(connection, id, flags, decoded);
	else if (stream)
		h2_request_on_trailers(stream, flags, decoded, lines);
}

/* RFC 9113 5.1 and 5.1.1: on which streams HEADERS may come. */
static enum h2_error h2_request_check_stream(
        struct h2_connection *connection, uint32_t id, bool *ret_opens)
{
	*ret_opens = id > connection->last_stream_id;
	if (id % 2 == 0)
		return H2_PROTOCOL_ERROR;
	if (*ret_opens) {
		connection->last_stream_id = id;
		return H2_NO_ERROR;
	}
	const struct h2_stream *stream = h2_connection_find(connection, id);
	if (stream)
		return stream->remote_closed ? H2_STREAM_CLOSED : H2_NO_ERROR;
	/* Frames may have been under way when the stream was reset. */
	switch (h2_connection_find_closed(connection, id)) {
	case H2_CLOSED_BY_RESET:
		return H2_NO_ERROR;
	case H2_CLOSED:
		return H2_STREAM_CLOSED;
	default:
		return H2_PROTOCOL_ERROR;
	}
}

/* Stores a part of a block that goes on in CONTINUATION frames. */
static void h2_request_save_block(struct h2_connection *connection, struct weir_span part)
{
	int error =
	        weir_buffer_append(&connection->block, part.data, part.size, WEIR_HTTP_HEAD_MAX);
	if (error == WEIR_E_LIMIT)
		h2_connection_fail(connection, H2_ENHANCE_YOUR_CALM);
	else if (error < 0)
		h2_connection_fail(connection, H2_INTERNAL_ERROR);
}

void h2_request_on_headers(struct h2_connection *connection, struct h2_frame *frame)
{
	uint32_t id = frame->stream_id, depends_on;
	unsigned flags = frame->flags & (H2_FLAG_END_STREAM | H2_FLAG_END_HEADERS);
	bool opens = false;
	enum h2_error error = h2_frame_strip(frame, &depends_on);
	if (!error)
		error = h2_request_check_stream(connection, id, &opens);
	if (error) {
		h2_connection_fail(connection, error);
		return;
	}
	flags |= opens ? H2_REQUEST_OPENS : 0;
	flags |= depends_on == id ? H2_REQUEST_DEPENDS_ON : 0;
	if (flags & H2_FLAG_END_HEADERS) {
		h2_request_on_block(connection, id, flags, frame->payload);
		return;
	}
	connection->block_stream_id = id;
	connection->block_flags = (uint8_t)flags;
	connection->block_frames = 0;
	h2_request_save_block(connection, frame->payload);
}

void h2_request_on_continuation(struct h2_connection *connection, const struct h2_frame *frame)
{
	if (++connection->block_frames > WEIR_HTTP2_CONTINUATIONS_MAX) {
		h2_connection_fail(connection, H2_ENHANCE_YOUR_CALM);
		return;
	}
	h2_request_save_block(connection, frame->payload);
	if (connection->failed || !(frame->flags & H2_FLAG_END_HEADERS))
		return;
	struct weir_buffer block = connection->block;
	connection->block = (struct weir_buffer){0};
	connection->block_stream_id = 0;
	h2_request_on_block(
	        connection, frame->stream_id, connection->block_flags, weir_buffer_span(&block));
	weir_buffer_finish(&block);
}

/* -- DATA -------------------------------------------------------------------------------------- */

/* DATA on a stream that takes none: its bytes count in the connection's window all the same. */
static void h2_request_on_stray_data(struct h2_connection *connection, const struct h2_frame *frame)
{
	uint32_t id = frame->stream_id;
	if (id > connection->last_stream_id) {
		h2_connection_fail(connection, H2_PROTOCOL_ERROR);
		return;
	}
	h2_connection_give_back(connection, frame->size);
	if (h2_connection_find_closed(connection, id) != H2_CLOSED_BY_RESET)
		h2_stream_send_reset(connection, id, H2_STREAM_CLOSED);
}

static enum h2_error h2_request_count_data(
        struct h2_stream *stream, const struct h2_frame *frame, bool end)
{
	struct h2_inbound *inbound = stream->inbound;
	if (stream->remote_closed)
		return H2_STREAM_CLOSED;
	inbound->window -= (int32_t)frame->size;
	inbound->body_bytes += (int64_t)frame->payload.size;
	if (inbound->window < 0)
		return H2_FLOW_CONTROL_ERROR;
	return h2_request_length_is_wrong(inbound, end) ? H2_PROTOCOL_ERROR : H2_NO_ERROR;
}

void h2_request_on_data(struct h2_connection *connection, struct h2_frame *frame)
{
	uint32_t depends_on;
	struct h2_stream *stream = h2_connection_find(connection, frame->stream_id);
	enum h2_error error = h2_frame_strip(frame, &depends_on);
	connection->receive_window -= (int32_t)frame->size;
	if (!error && connection->receive_window < 0)
		error = H2_FLOW_CONTROL_ERROR;
	if (error) {
		h2_connection_fail(connection, error);
		return;
	}
	if (!stream) {
		h2_request_on_stray_data(connection, frame);
		return;
	}
	bool end = frame->flags & H2_FLAG_END_STREAM;
	error = h2_request_count_data(stream, frame, end);
	if (error) {
		h2_connection_give_back(connection, frame->size);
		h2_stream_reset(stream, error);
		return;
	}
	/* Nobody takes the padding. */
	size_t padding = frame->size - frame->payload.size;
	if (padding) {
		h2_connection_give_back(connection, padding);
		h2_stream_give_back(stream, padding);
	}
	h2_stream_receive(stream, frame->payload, end);
}
