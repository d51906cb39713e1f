/*
 * The field blocks of replies: the head, interim replies before it, and trailers. A block is
 * composed in the output's scratch and cut into frames there. It is put whole or not at all,
 * because the dynamic table changes as soon as it is begun.
 */
#include <string.h>

#include "h2_connection.h"
#include "helper.h"

/* More than a head needs beside its lines: updates of the table, status, date, length. */
enum {
	H2_BLOCK_HEAD_EXTRA = 256,
};

/* The room for a block of at most `most` bytes, with the headers of its frames. */
static size_t h2_block_room(size_t most)
{
	return most + H2_FRAME_HEADER_SIZE * (most / H2_FRAME_PAYLOAD_MAX + 1);
}

/* Where the fields of a block of at most `most` bytes belong: behind the headers of its frames. */
static char *h2_block_begin(
        struct h2_connection *connection, const struct h2_writer *writer, size_t most)
{
	char *to = writer->at + h2_block_room(most) - most;
	return connection->table.resized ? h2_table_put_updates(&connection->table, to) : to;
}

/* Cuts the block, whose fields end at `end`, into frames. */
static void h2_block_end(
        struct h2_writer *writer, size_t most, const char *end, uint32_t id, bool end_stream)
{
	char *to = writer->at;
	const char *from = writer->at + h2_block_room(most) - most;
	enum h2_frame_type type = H2_HEADERS;
	unsigned flags = end_stream ? H2_FLAG_END_STREAM : 0;
	if (to + H2_FRAME_HEADER_SIZE == from) {
		h2_frame_put_header(
		        to, (size_t)(end - from), type, flags | H2_FLAG_END_HEADERS, id);
		writer->at += end - to;
		return;
	}
	do {
		size_t part = min_of((size_t)(end - from), (size_t)H2_FRAME_PAYLOAD_MAX);
		bool last = from + part == end;
		/* The parts move towards the front, so that none overwrites a later one. */
		memmove(to + H2_FRAME_HEADER_SIZE, from, part);
		h2_frame_put_header(to, part, type, flags | (last ? H2_FLAG_END_HEADERS : 0), id);
		to += H2_FRAME_HEADER_SIZE + part;
		from += part;
		type = H2_CONTINUATION;
		flags = 0;
	} while (from < end);
	writer->at = to;
}

static size_t h2_block_fields_max(const struct http_handling *handling)
{
	return H2_BLOCK_HEAD_EXTRA +
	       h2_encode_lines_max(handling->lent.size + handling->fields.size);
}

size_t h2_block_head_max(const struct weir_http_exchange *exchange)
{
	return h2_block_room(h2_block_fields_max(exchange->handling));
}

/* The field of the date is encoded once a second. */
static char *h2_block_put_date(
        char *to, struct h2_connection *connection, struct weir_http_exchange *exchange)
{
	struct h2_loop *loop_state = connection->loop_state;
	const char *date = http_response_date(exchange);
	int64_t date_s = exchange->server->loop_state->date_s;
	if (!h2_encode_has_date(&loop_state->date, date_s))
		h2_encode_date(&loop_state->date, &loop_state->intern, date_s, date);
	return h2_encode_put_date(to, &connection->table, &loop_state->date);
}

static char *h2_block_put_lines(char *to, struct h2_connection *connection, struct weir_span lines)
{
	return h2_encode_put_lines(to, &connection->table, &connection->loop_state->intern, lines);
}

static char *h2_block_put_lent(
        char *to, struct h2_connection *connection, const struct http_handling *handling)
{
	struct http_encoded_lines **encoded = handling->lent_encoded;
	if (encoded && !*encoded)
		*encoded = h2_encode_lines(&connection->loop_state->intern, handling->lent);
	if (!encoded || !*encoded)
		return h2_block_put_lines(to, connection, handling->lent);
	return h2_encode_put_encoded(to, &connection->table, *encoded);
}

void h2_block_put_head(struct h2_stream *stream, struct h2_writer *writer, bool end_stream)
{
	struct weir_http_exchange *exchange = stream->exchange;
	const struct http_handling *handling = exchange->handling;
	struct h2_connection *connection = stream->connection;
	size_t most = h2_block_fields_max(handling);
	char *to = h2_block_begin(connection, writer, most);
	to = h2_encode_put_status(to, exchange->status);
	to = h2_block_put_date(to, connection, exchange);
	if (exchange->framing == HTTP_FRAMED_BY_LENGTH)
		to = h2_encode_put_length(to, (uint64_t)exchange->reply_size);
	if (handling->lent.size)
		to = h2_block_put_lent(to, connection, handling);
	if (handling->fields.size)
		to = h2_block_put_lines(to, connection, weir_buffer_span(&handling->fields));
	h2_block_end(writer, most, to, stream->id, end_stream);
	http_exchange_set_reply(exchange, HTTP_REPLY_BODY);
}

/* An interim reply. `lines` are its fields. */
static bool h2_block_put_interim(
        struct h2_stream *stream, struct h2_writer *writer, unsigned status, struct weir_span lines)
{
	size_t most = H2_BLOCK_HEAD_EXTRA + h2_encode_lines_max(lines.size);
	if (!h2_writer_reserve(writer, h2_block_room(most)))
		return false;
	char *to = h2_encode_put_status(h2_block_begin(stream->connection, writer, most), status);
	to = h2_block_put_lines(to, stream->connection, lines);
	h2_block_end(writer, most, to, stream->id, false);
	return true;
}

bool h2_block_put_interims(struct h2_stream *stream, struct h2_writer *writer)
{
	struct weir_http_exchange *exchange = stream->exchange;
	struct http_interim interim;
	struct weir_span lines;
	if (exchange->continue_state == HTTP_CONTINUE_DUE) {
		if (!h2_block_put_interim(stream, writer, 100, weir_span(NULL, 0)))
			return false;
		exchange->continue_state = HTTP_CONTINUE_NONE;
	}
	while (http_interim_first(exchange, &interim, &lines)) {
		if (!h2_block_put_interim(stream, writer, interim.status, lines))
			return false;
		http_interim_remove_first(exchange);
	}
	return true;
}

bool h2_block_put_trailers(struct h2_stream *stream, struct h2_writer *writer)
{
	const struct http_handling *handling = stream->exchange->handling;
	char text[WEIR_TRAILERS_MAX];
	size_t most = H2_TABLE_UPDATES_MAX + h2_encode_lines_max(WEIR_TRAILERS_MAX);
	size_t size = handling->trailers(handling->trailers_context, text, sizeof text);
	if (!h2_writer_reserve(writer, h2_block_room(most)))
		return false;
	char *to = h2_block_begin(stream->connection, writer, most);
	to = h2_block_put_lines(to, stream->connection, weir_span(text, size));
	h2_block_end(writer, most, to, stream->id, true);
	return true;
}
