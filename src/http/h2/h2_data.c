/*
 * The bodies of replies. A body that is lent and small is copied behind the head; one that fits a
 * frame and the windows is lent to the output; any other is asked for by the windows, and what its
 * producer puts is cut into DATA frames.
 */
#include <string.h>

#include "h2_connection.h"
#include "helper.h"
#include "producer_internal.h"

enum {
	/* Kept free in an output: headers of DATA frames, RST_STREAM, pieces for both. */
	H2_DATA_SPARE = 5 * H2_FRAME_HEADER_SIZE + H2_FRAME_HEADER_SIZE + 4,
	H2_DATA_SPARE_TRAILERS = 2 * WEIR_TRAILERS_MAX,
	H2_DATA_SPARE_PIECES = 16,
	H2_DATA_SMALL_WINDOW = 2048,
};

void h2_data_end(struct h2_stream *stream)
{
	h2_stream_close_local(stream);
	weir_list_remove(&stream->ready_link);
	weir_list_append(&stream->connection->sent, &stream->ready_link);
}

/* The bytes that its producer has lent belong to this output. */
static void h2_data_note_asked(struct h2_stream *stream)
{
	stream->output_number = stream->connection->output_number;
	stream->blocked = stream->woken = false;
}

static void h2_data_count(struct h2_stream *stream, size_t size)
{
	stream->send_window -= (int32_t)size;
	stream->connection->send_window -= (int32_t)size;
	stream->connection->payload_bytes += size;
}

/* One DATA frame of `size` bytes, which begin *at bytes into the piece *next. */
static bool h2_data_put_frame(struct weir_output *out, const struct weir_piece **next, size_t *at,
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

static bool h2_data_put(struct h2_stream *stream, struct weir_output *out,
        const struct weir_output *inner, bool end_stream)
{
	const struct weir_piece *next = inner->pieces;
	size_t at = 0, left = inner->size;
	while (left || (end_stream && !inner->size)) {
		size_t size = min_of(left, (size_t)H2_FRAME_PAYLOAD_MAX);
		left -= size;
		if (!h2_data_put_frame(out, &next, &at, size, stream->id, end_stream && !left))
			return false;
		if (!inner->size)
			break;
	}
	h2_data_count(stream, inner->size);
	return true;
}

/*
 * Over TLS, reads the extents of files into scratch: their bytes then share records with the
 * headers of the frames. Returns false if a file has become shorter, or without memory.
 */
static bool h2_data_read_files(const struct weir_output *out, struct weir_output *inner)
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
static int64_t h2_data_left(const struct weir_http_exchange *exchange)
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
static size_t h2_data_window(const struct h2_stream *stream)
{
	const struct h2_connection *connection = stream->connection;
	int64_t window = min_of(stream->send_window, connection->send_window);
	int64_t least = min_of((int64_t)H2_DATA_SMALL_WINDOW, connection->initial_window / 4);
	int64_t left = h2_data_left(stream->exchange);
	if (window <= 0 || (window < left && window < least))
		return 0;
	return (size_t)min_of(window, (int64_t)WEIR_OUTPUT_ROOM);
}

static bool h2_data_fail(struct h2_stream *stream, struct weir_output *out)
{
	char frame[H2_FRAME_HEADER_SIZE + 4];
	h2_frame_put32(
	        h2_frame_put_header(frame, 4, H2_RST_STREAM, 0, stream->id), H2_INTERNAL_ERROR);
	stream->failed = true;
	h2_stream_close_remote(stream);
	h2_data_end(stream);
	return weir_output_copy(out, frame, sizeof frame) == sizeof frame;
}

static bool h2_data_has_trailers(const struct weir_http_exchange *exchange)
{
	return exchange->handling && exchange->handling->trailers;
}

static bool h2_data_note_answer(
        struct h2_stream *stream, struct h2_writer *writer, enum weir_more answer)
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
		if (h2_data_has_trailers(stream->exchange) &&
		        !h2_block_put_trailers(stream, writer))
			return false;
		h2_data_end(stream);
		break;
	case WEIR_FAILED:
		return h2_data_fail(stream, writer->out);
	}
	return true;
}

enum h2_served h2_data_serve(struct h2_stream *stream, struct h2_writer *writer)
{
	struct weir_http_exchange *exchange = stream->exchange;
	struct weir_piece pieces[WEIR_OUTPUT_PIECES];
	struct weir_output inner, *out = writer->out;
	h2_writer_commit(writer);
	size_t window = h2_data_window(stream);
	bool trailers = h2_data_has_trailers(exchange);
	size_t spare = H2_DATA_SPARE + (trailers ? H2_DATA_SPARE_TRAILERS : 0);
	size_t room = weir_output_room(out);
	unsigned free_pieces = output_free_pieces(out);
	if (window == 0 && h2_data_left(exchange) > 0) {
		http_exchange_end_handling(exchange);
		h2_stream_block(stream);
		return H2_SERVED;
	}
	if (room < spare + H2_DATA_SMALL_WINDOW || free_pieces < 2 * H2_DATA_SPARE_PIECES)
		return H2_SERVED_NO_ROOM;
	/* At the end of the body the producer needs no room, but it is not asked without any. */
	window = max_of(window, (size_t)1);
	output_init(&inner, out->loop, pieces, free_pieces - H2_DATA_SPARE_PIECES,
	        min_of(room - spare, window));
	h2_data_note_asked(stream);
	enum weir_more answer = weir_producer_more(&exchange->producer, &inner);
	if (!h2_data_read_files(out, &inner)) {
		inner.count = 0;
		inner.size = 0;
		answer = WEIR_FAILED;
	}
	bool ends = answer == WEIR_DONE && !trailers;
	if ((inner.size || ends) && !h2_data_put(stream, out, &inner, ends))
		return H2_SERVED_FAILED;
	return h2_data_note_answer(stream, writer, answer) ? H2_SERVED : H2_SERVED_FAILED;
}

/* -- bodies that are lent whole ---------------------------------------------------------------- */

size_t h2_data_lent_size(
        const struct h2_stream *stream, const struct h2_writer *writer, size_t head)
{
	const struct weir_http_exchange *exchange = stream->exchange;
	if (!exchange->body_is_lent || exchange->reply_size > H2_FRAME_PAYLOAD_MAX ||
	        exchange->reply_size > stream->send_window ||
	        exchange->reply_size > stream->connection->send_window ||
	        exchange->handling->trailers)
		return 0;
	size_t size = (size_t)exchange->reply_size;
	size_t written = (size_t)(writer->at - writer->begin);
	if (size > H2_DATA_COPY_MAX && (weir_output_room(writer->out) < written + head + size ||
	                                       output_free_pieces(writer->out) < 3))
		return 0;
	return size;
}

void h2_data_put_lent(struct h2_stream *stream, struct h2_writer *writer, size_t size)
{
	struct weir_http_exchange *exchange = stream->exchange;
	char *to = h2_frame_put_header(writer->at, size, H2_DATA, H2_FLAG_END_STREAM, stream->id);
	if (size <= H2_DATA_COPY_MAX) {
		memcpy(to, exchange->lent_body, size);
		writer->at = to + size;
	} else {
		writer->at = to;
		h2_writer_commit(writer);
		weir_output_borrow(writer->out, exchange->lent_body, size);
	}
	exchange->reply_size = 0;
	exchange->producer.put += size;
	h2_data_note_asked(stream);
	h2_data_count(stream, size);
	h2_data_end(stream);
}
