/*
 * The connection as a producer in the channel's reply queue. Each time it is asked, it puts the
 * frames that wait in `control`, and then those of the ready streams, in the order of the list, as
 * long as there is room. So the frames of all streams leave in one call.
 *
 *   control │ HEADERS 1 │ DATA 1 … │ HEADERS 3 │ DATA 3 …
 *
 * A stream's producer is asked once for each output, with room for its windows and the output. When
 * the connection is asked again, all bytes were taken: streams that are complete end then, and the
 * answer is WEIR_DONE only when no stream is left.
 */
#include <string.h>

#include "h2_connection.h"
#include "helper.h"
#include "producer_internal.h"

/* -- DATA -------------------------------------------------------------------------------------- */

enum {
	/* Kept free in an output: headers of DATA frames, RST_STREAM, pieces for both. */
	H2_OUTPUT_SPARE = 5 * H2_FRAME_HEADER_SIZE + H2_FRAME_HEADER_SIZE + 4,
	H2_OUTPUT_SPARE_TRAILERS = 2 * WEIR_TRAILERS_MAX,
	H2_OUTPUT_SPARE_PIECES = 16,
	H2_OUTPUT_SMALL_WINDOW = 2048,
};

/* One DATA frame of `size` bytes, which begin *at bytes into the piece *next. */
static bool h2_output_put_frame(struct weir_output *out, const struct weir_piece **next, size_t *at,
        size_t size, uint32_t id, bool end_stream)
{
	char header[H2_FRAME_HEADER_SIZE];
	h2_frame_put_header(header, size, H2_DATA, end_stream ? H2_FLAG_END_STREAM : 0, id);
	if (weir_output_copy(out, header, sizeof header) != sizeof header)
		return false;
	while (size) {
		const struct weir_piece *piece = *next;
		size_t part = min_of(size, piece->size - *at);
		if (weir_output_forward(out, piece, *at, part) != part)
			return false;
		size -= part;
		*at += part;
		if (*at == piece->size) {
			*at = 0;
			++*next;
		}
	}
	return true;
}

static bool h2_output_put_data(struct h2_stream *stream, struct weir_output *out,
        const struct weir_output *inner, bool end_stream)
{
	const struct weir_piece *next = inner->pieces;
	size_t at = 0, left = inner->size;
	while (left || (end_stream && !inner->size)) {
		size_t size = min_of(left, (size_t)H2_FRAME_PAYLOAD_MAX);
		left -= size;
		if (!h2_output_put_frame(out, &next, &at, size, stream->id, end_stream && !left))
			return false;
		if (!inner->size)
			break;
	}
	stream->send_window -= (int32_t)inner->size;
	stream->connection->send_window -= (int32_t)inner->size;
	stream->connection->payload_bytes += inner->size;
	return true;
}

/*
 * Over TLS, reads the extents of files into scratch: their bytes then share records with the
 * headers of the frames. Returns false if a file has become shorter, or without memory.
 */
static bool h2_output_read_files(const struct weir_output *out, struct weir_output *inner)
{
	if (out->file_room)
		return true;
	for (unsigned i = 0; i < inner->count; i++) {
		struct weir_piece *piece = &inner->pieces[i];
		struct weir_span bytes;
		if (piece->kind != WEIR_PIECE_FILE)
			continue;
		if (weir_output_bytes(inner, piece, &bytes) < 0)
			return false;
		*piece = (struct weir_piece){.data = bytes.data,
		        .size = bytes.size,
		        .fd = -1,
		        .kind = WEIR_PIECE_SCRATCH};
	}
	return true;
}

/* How many bytes of the body are left; INT64_MAX if that is not known. */
static int64_t h2_output_left(const struct weir_http_exchange *exchange)
{
	if (exchange->framing != HTTP_FRAMED_BY_LENGTH)
		return INT64_MAX;
	if (exchange->body_is_lent)
		return exchange->reply_size;
	return exchange->reply_size - (int64_t)exchange->producer.put;
}

/*
 * How much of the body may be put now; 0 if a window is too small: many small frames would cost
 * more than a little patience (the silly window syndrome).
 */
static size_t h2_output_window(const struct h2_stream *stream)
{
	const struct h2_connection *connection = stream->connection;
	int64_t window = min_of(stream->send_window, connection->send_window);
	int64_t least = min_of((int64_t)H2_OUTPUT_SMALL_WINDOW, connection->initial_window / 4);
	int64_t left = h2_output_left(stream->exchange);
	if (window <= 0 || (window < left && window < least))
		return 0;
	return (size_t)min_of(window, (int64_t)WEIR_OUTPUT_ROOM);
}

/* The stream has put all: it ends when the bytes have left. */
static void h2_output_end(struct h2_stream *stream)
{
	h2_stream_close_local(stream);
	weir_list_remove(&stream->ready_link);
	weir_list_append(&stream->connection->sent, &stream->ready_link);
}

static bool h2_output_fail(struct h2_stream *stream, struct weir_output *out)
{
	char frame[H2_FRAME_HEADER_SIZE + 4];
	h2_frame_put32(
	        h2_frame_put_header(frame, 4, H2_RST_STREAM, 0, stream->id), H2_INTERNAL_ERROR);
	stream->failed = true;
	h2_stream_close_remote(stream);
	h2_output_end(stream);
	return weir_output_copy(out, frame, sizeof frame) == sizeof frame;
}

static bool h2_output_has_trailers(const struct weir_http_exchange *exchange)
{
	return exchange->handling && exchange->handling->trailers;
}

static bool h2_output_note_answer(
        struct h2_stream *stream, struct weir_output *out, enum weir_more answer)
{
	switch (answer) {
	case WEIR_MORE:
		if (stream->priority.given && !stream->priority.incremental)
			break;
		/* Behind its equals. */
		weir_list_remove(&stream->ready_link);
		h2_stream_make_ready(stream);
		break;
	case WEIR_WAIT:
		if (!stream->woken)
			weir_list_remove(&stream->ready_link);
		break;
	case WEIR_DONE:
		if (h2_output_has_trailers(stream->exchange) && !h2_block_put_trailers(stream, out))
			return false;
		h2_output_end(stream);
		break;
	case WEIR_FAILED:
		return h2_output_fail(stream, out);
	}
	return true;
}

enum h2_served {
	H2_SERVED,
	H2_SERVED_NO_ROOM, /* the rest is for the next output */
	H2_SERVED_FAILED,  /* no memory: the connection ends */
};

static enum h2_served h2_output_serve_body(struct h2_stream *stream, struct weir_output *out)
{
	struct weir_http_exchange *exchange = stream->exchange;
	struct weir_piece pieces[WEIR_OUTPUT_PIECES];
	struct weir_output inner;
	size_t window = h2_output_window(stream);
	bool trailers = h2_output_has_trailers(exchange);
	size_t spare = H2_OUTPUT_SPARE + (trailers ? H2_OUTPUT_SPARE_TRAILERS : 0);
	size_t room = weir_output_room(out);
	unsigned free_pieces = output_free_pieces(out);
	if (window == 0 && h2_output_left(exchange) > 0) {
		http_exchange_end_handling(exchange);
		h2_stream_block(stream);
		return H2_SERVED;
	}
	if (room < spare + H2_OUTPUT_SMALL_WINDOW || free_pieces < 2 * H2_OUTPUT_SPARE_PIECES)
		return H2_SERVED_NO_ROOM;
	/* At the end of the body the producer needs no room, but it is not asked without any. */
	window = max_of(window, (size_t)1);
	output_init(&inner, out->loop, pieces, free_pieces - H2_OUTPUT_SPARE_PIECES,
	        min_of(room - spare, window));
	stream->output_number = stream->connection->output_number;
	stream->blocked = stream->woken = false;
	enum weir_more answer = weir_producer_more(&exchange->producer, &inner);
	if (!h2_output_read_files(out, &inner)) {
		inner.count = 0;
		inner.size = 0;
		answer = WEIR_FAILED;
	}
	bool ends = answer == WEIR_DONE && !trailers;
	if ((inner.size || ends) && !h2_output_put_data(stream, out, &inner, ends))
		return H2_SERVED_FAILED;
	return h2_output_note_answer(stream, out, answer) ? H2_SERVED : H2_SERVED_FAILED;
}

static enum h2_served h2_output_serve(struct h2_stream *stream, struct weir_output *out)
{
	struct weir_http_exchange *exchange = stream->exchange;
	bool fresh = out->size == 0;
	/* Bytes lent to this output must not change before the output has been taken. */
	if (stream->output_number == stream->connection->output_number)
		return H2_SERVED;
	if (exchange->reply_state < HTTP_REPLY_BODY && !h2_block_put_interims(stream, out))
		return fresh ? H2_SERVED_FAILED : H2_SERVED_NO_ROOM;
	if (exchange->reply_state == HTTP_REPLY_AWAITED) {
		weir_list_remove(&stream->ready_link);
		return H2_SERVED;
	}
	if (exchange->reply_state == HTTP_REPLY_HEAD) {
		bool ends = !exchange->body;
		if (!h2_block_put_head(stream, out, ends))
			return fresh ? H2_SERVED_FAILED : H2_SERVED_NO_ROOM;
		if (ends) {
			h2_output_end(stream);
			return H2_SERVED;
		}
	}
	return h2_output_serve_body(stream, out);
}

/* -- the producer ------------------------------------------------------------------------------ */

static void h2_output_finish_sent(struct h2_connection *connection)
{
	while (!weir_list_empty(&connection->sent))
		h2_stream_finish(
		        WEIR_CONTAINER(connection->sent.next, struct h2_stream, ready_link));
}

/* Returns false without memory. */
static bool h2_output_put_control(struct h2_connection *connection, struct weir_output *out)
{
	struct weir_buffer *control = &connection->control;
	if (control->size) {
		size_t put = weir_output_copy(out, control->data, control->size);
		if (put == 0)
			return false;
		if (put == control->size)
			weir_buffer_finish(control);
		else
			weir_buffer_consume(control, put);
	} else if (connection->input_held) {
		/* All of it was taken. */
		connection->input_held = false;
		weir_channel_resume(connection->channel);
	}
	return true;
}

static enum h2_served h2_output_serve_all(struct h2_connection *connection, struct weir_output *out)
{
	WEIR_LIST_EACH_SAFE (
	        struct h2_stream, stream, next_stream, &connection->ready, ready_link) {
		enum h2_served served = h2_output_serve(stream, out);
		if (served != H2_SERVED)
			return served;
	}
	return H2_SERVED;
}

enum weir_more h2_output_more(struct weir_producer *producer, struct weir_output *out)
{
	struct h2_connection *connection = WEIR_CONTAINER(producer, struct h2_connection, producer);
	size_t before = out->size;
	connection->output_open = false;
	h2_output_finish_sent(connection);
	connection->output_number++;
	if (!h2_output_put_control(connection, out))
		return WEIR_FAILED;
	if (!connection->failed && h2_output_serve_all(connection, out) == H2_SERVED_FAILED)
		return WEIR_FAILED;
	connection->output_open = out->size > before;
	if (connection->output_open)
		return WEIR_MORE;
	if (!weir_list_empty(&connection->streams)) {
		if (!weir_list_empty(&connection->ready))
			weir_wake(producer);
		return WEIR_WAIT;
	}
	if (connection->goaway_sent)
		weir_channel_close(connection->channel);
	return WEIR_DONE;
}

void h2_output_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct h2_connection *connection = WEIR_CONTAINER(producer, struct h2_connection, producer);
	connection->queued = false;
	if (why == WEIR_CLOSE_DONE || producer->taken == producer->put)
		h2_output_finish_sent(connection);
}
