/*
 * The field blocks of replies: the head, interim replies before it, and trailers. A block is
 * composed in the output's scratch and cut into frames there, so it is put whole or not at all.
 */
#include <string.h>

#include "h2_connection.h"
#include "helper.h"

/* More than a head needs beside its lines: status, date, length and the headers of frames. */
enum {
	H2_BLOCK_HEAD_EXTRA = 256,
};

/*
 * The block of `size` bytes lies behind room for the headers of all its frames; puts each header in
 * front of its part. Returns the end.
 */
static char *h2_block_frame(char *bytes, size_t headers, size_t size, uint32_t id, bool end_stream)
{
	char *to = bytes;
	const char *from = bytes + headers;
	enum h2_frame_type type = H2_HEADERS;
	unsigned flags = end_stream ? H2_FLAG_END_STREAM : 0;
	do {
		size_t part = min_of(size, (size_t)H2_FRAME_PAYLOAD_MAX);
		size -= part;
		/* The parts move towards the front, so that none overwrites a later one. */
		memmove(to + H2_FRAME_HEADER_SIZE, from, part);
		h2_frame_put_header(to, part, type, flags | (size ? 0 : H2_FLAG_END_HEADERS), id);
		to += H2_FRAME_HEADER_SIZE + part;
		from += part;
		type = H2_CONTINUATION;
		flags = 0;
	} while (size);
	return to;
}

static char *h2_block_compose_head(struct weir_http_exchange *exchange, char *to)
{
	const struct http_handling *handling = exchange->handling;
	to = h2_head_put_status(to, exchange->status);
	to = h2_head_put_date(to, http_response_date(exchange));
	if (exchange->framing == HTTP_FRAMED_BY_LENGTH)
		to = h2_head_put_length(to, (uint64_t)exchange->reply_size);
	if (handling->lent.size)
		to = h2_head_put_cached_lines(
		        &exchange->server->loop_state->h2->lines, to, handling->lent);
	if (handling->fields.size)
		to = h2_head_put_lines(to, weir_buffer_span(&handling->fields));
	return to;
}

static size_t h2_block_headers_max(size_t block)
{
	return H2_FRAME_HEADER_SIZE * (block / H2_FRAME_PAYLOAD_MAX + 1);
}

/* A block of fields in the making: room for the headers of its frames, then the fields. */
struct h2_block {
	char *bytes;
	size_t headers; /* bytes of that room */
	char *end;      /* of the fields that were put */
};

/*
 * Reserves room for a block of at most `most` bytes. Returns false without room or memory. The
 * first block of a connection sends the size of the dynamic table.
 */
static bool h2_block_begin(struct h2_connection *connection, struct weir_output *out, size_t most,
        struct h2_block *ret)
{
	size_t size, headers = h2_block_headers_max(most);
	if (weir_output_room(out) < most + headers)
		return false;
	char *bytes = weir_output_reserve(out, most + headers, &size);
	if (!bytes || size != most + headers)
		return false;
	*ret = (struct h2_block){.bytes = bytes, .headers = headers, .end = bytes + headers};
	if (!connection->no_table_sent)
		ret->end = h2_head_put_no_table(ret->end);
	connection->no_table_sent = true;
	return true;
}

static void h2_block_end(
        const struct h2_block *block, struct weir_output *out, uint32_t id, bool end_stream)
{
	const char *fields = block->bytes + block->headers;
	const char *end = h2_block_frame(
	        block->bytes, block->headers, (size_t)(block->end - fields), id, end_stream);
	weir_output_commit(out, (size_t)(end - block->bytes));
}

bool h2_block_put_head(struct h2_stream *stream, struct weir_output *out, bool end_stream)
{
	struct weir_http_exchange *exchange = stream->exchange;
	const struct http_handling *handling = exchange->handling;
	struct h2_block block;
	if (!h2_block_begin(stream->connection, out,
	            H2_BLOCK_HEAD_EXTRA + h2_head_lines_max(handling->lent.size) +
	                    h2_head_lines_max(handling->fields.size),
	            &block))
		return false;
	block.end = h2_block_compose_head(exchange, block.end);
	h2_block_end(&block, out, stream->id, end_stream);
	http_exchange_set_reply(exchange, HTTP_REPLY_BODY);
	return true;
}

/* An interim reply. `lines` are its fields. */
static bool h2_block_put_interim(
        struct h2_stream *stream, struct weir_output *out, unsigned status, struct weir_span lines)
{
	struct h2_block block;
	if (!h2_block_begin(stream->connection, out,
	            H2_BLOCK_HEAD_EXTRA + h2_head_lines_max(lines.size), &block))
		return false;
	block.end = h2_head_put_lines(h2_head_put_status(block.end, status), lines);
	h2_block_end(&block, out, stream->id, false);
	return true;
}

bool h2_block_put_interims(struct h2_stream *stream, struct weir_output *out)
{
	struct weir_http_exchange *exchange = stream->exchange;
	struct http_interim interim;
	struct weir_span lines;
	if (exchange->continue_state == HTTP_CONTINUE_DUE) {
		if (!h2_block_put_interim(stream, out, 100, weir_span(NULL, 0)))
			return false;
		exchange->continue_state = HTTP_CONTINUE_NONE;
	}
	while (http_interim_first(exchange, &interim, &lines)) {
		if (!h2_block_put_interim(stream, out, interim.status, lines))
			return false;
		http_interim_remove_first(exchange);
	}
	return true;
}

bool h2_block_put_trailers(struct h2_stream *stream, struct weir_output *out)
{
	const struct http_handling *handling = stream->exchange->handling;
	char text[WEIR_TRAILERS_MAX];
	struct h2_block block;
	size_t size = handling->trailers(handling->trailers_context, text, sizeof text);
	if (!h2_block_begin(stream->connection, out, h2_head_lines_max(WEIR_TRAILERS_MAX), &block))
		return false;
	block.end = h2_head_put_lines(block.end, weir_span(text, size));
	h2_block_end(&block, out, stream->id, true);
	return true;
}
