/*
 * permessage-deflate (RFC 7692 7). Without context takeover, messages are compressed by the loop's
 * one compressor, a block at a time, and inflated by the loop's one inflater when they are
 * complete. With it, a connection has a compressor and an inflater of zlib from its first message
 * in that direction on.
 *
 * The size of a block is at most the window that was agreed on: blocks are compressed on their own,
 * so no distance is larger.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <weir/error.h>

#include "helper.h"
#include "loop_internal.h"
#include "producer_internal.h"
#include "websocket_state.h"

/* The end of a flushed block, which is not sent (RFC 7692 7.2.1). */
static const char websocket_deflate_tail[4] = {0, 0, '\xff', '\xff'};

enum {
	WEBSOCKET_INFLATE_STEP = 16 * 1024,
	WEBSOCKET_WINDOW_MAX_BITS = 15,
	WEBSOCKET_MEMORY_LEVEL = 5,
	/* Larger messages are not compressed: the loop has other connections. */
	WEBSOCKET_DEFLATE_MAX = 1024 * 1024,
};

struct websocket_inflater {
	z_stream stream;
};

/* Both are made at their first use. */
struct websocket_takeover {
	z_stream deflate, inflate;
	bool deflates, inflates;
};

/* -- the loop's state -------------------------------------------------------------------------- */

static void websocket_deflate_destroy_inflater(struct websocket_inflater *inflater)
{
	if (inflater)
		inflateEnd(&inflater->stream);
	free(inflater);
}

static void websocket_deflate_destroy_loop_state(void *object)
{
	struct websocket_loop *loop_state = object;
	websocket_deflate_destroy_inflater(loop_state->inflater);
	free(loop_state);
}

struct websocket_loop *websocket_loop_state(struct weir_loop *loop)
{
	static const struct loop_object_type type = {
	        "websocket", websocket_deflate_destroy_loop_state};
	struct websocket_loop *loop_state = loop_object(loop, &type);
	if (!loop_state && (loop_state = calloc(1, sizeof *loop_state)))
		loop_set_object(loop, &type, loop_state);
	return loop_state;
}

static z_stream *websocket_deflate_loop_inflater(struct weir_loop *loop)
{
	struct websocket_loop *loop_state = websocket_loop_state(loop);
	if (!loop_state)
		return NULL;
	if (loop_state->inflater) {
		inflateReset(&loop_state->inflater->stream);
		return &loop_state->inflater->stream;
	}
	struct websocket_inflater *inflater = calloc(1, sizeof *inflater);
	if (!inflater)
		return NULL;
	if (inflateInit2(&inflater->stream, -WEBSOCKET_WINDOW_MAX_BITS) != Z_OK) {
		free(inflater);
		return NULL;
	}
	loop_state->inflater = inflater;
	return &inflater->stream;
}

/* -- contexts ---------------------------------------------------------------------------------- */

bool websocket_takeover_begin(struct weir_websocket *websocket)
{
	struct websocket_loop *loop_state = websocket_loop_state(websocket_loop_of(websocket));
	if (!loop_state || loop_state->takeovers >= websocket->options->takeovers_max)
		return false;
	websocket->takeover = calloc(1, sizeof *websocket->takeover);
	loop_state->takeovers += websocket->takeover != NULL;
	return websocket->takeover;
}

void websocket_takeover_end(struct weir_websocket *websocket)
{
	struct websocket_takeover *takeover = websocket->takeover;
	if (!takeover)
		return;
	if (takeover->deflates)
		deflateEnd(&takeover->deflate);
	if (takeover->inflates)
		inflateEnd(&takeover->inflate);
	free(takeover);
	websocket->takeover = NULL;
	websocket_loop_state(websocket_loop_of(websocket))->takeovers--;
}

static z_stream *websocket_deflate_context(struct weir_websocket *websocket)
{
	struct websocket_takeover *takeover = websocket->takeover;
	if (!takeover->deflates)
		takeover->deflates = deflateInit2(&takeover->deflate, Z_DEFAULT_COMPRESSION,
		                             Z_DEFLATED, -(int)websocket->window_bits,
		                             WEBSOCKET_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
	return takeover->deflates ? &takeover->deflate : NULL;
}

static z_stream *websocket_inflate_context(struct weir_websocket *websocket)
{
	struct websocket_takeover *takeover = websocket->takeover;
	if (!takeover->inflates)
		takeover->inflates =
		        inflateInit2(&takeover->inflate, -WEBSOCKET_WINDOW_MAX_BITS) == Z_OK;
	return takeover->inflates ? &takeover->inflate : NULL;
}

/* -- compression ------------------------------------------------------------------------------- */

/*
 * Removes the tail, and returns the size. A block without a tail gets the first byte of an empty
 * one.
 */
static size_t websocket_deflate_cut_tail(char *bytes, size_t size)
{
	const size_t tail = sizeof websocket_deflate_tail;
	if (size >= tail && memcmp(bytes + size - tail, websocket_deflate_tail, tail) == 0)
		return size - tail;
	bytes[size] = 0;
	return size + 1;
}

/* Gives back the room that the bytes did not need. */
static struct weir_websocket_message *websocket_deflate_seal(
        struct weir_websocket_message *message, enum weir_websocket_kind kind, size_t size)
{
	struct weir_websocket_message *smaller =
	        realloc(message, sizeof *message + WEBSOCKET_HEADER_SENT_MAX + size);
	if (!smaller)
		smaller = message;
	websocket_message_seal(smaller, kind, true, size);
	return smaller;
}

/* Compresses a payload, which is not empty, on its own. Returns its size, or 0 after a failure. */
static size_t websocket_deflate_blocks(
        struct compressor *compressor, struct weir_span payload, size_t block_max, char *to)
{
	char *at = to;
	while (payload.size) {
		size_t block = min_of(payload.size, block_max);
		size_t size = compressor_block(compressor, WEIR_COMPRESS_LEVEL_MIN,
		        weir_span(payload.data, block), false, at);
		if (size == 0)
			return 0;
		at += size;
		payload = weir_span_skip(payload, block);
	}
	return websocket_deflate_cut_tail(to, (size_t)(at - to));
}

/*
 * Returns the message compressed on its own; NULL without memory, or if it did not become smaller
 * (*ret_larger).
 */
static struct weir_websocket_message *websocket_deflate_alone(struct weir_loop *loop,
        const struct weir_websocket_message *message, unsigned window_bits, bool *ret_larger)
{
	struct weir_span payload = websocket_message_payload(message);
	struct compressor *compressor = compressor_of(loop);
	size_t block = min_of((size_t)1 << window_bits, (size_t)COMPRESSOR_BLOCK_SIZE);
	size_t blocks = payload.size / block + 1;
	struct weir_websocket_message *made =
	        compressor ? websocket_message_allocate(blocks * compressor_bound(block) + 1)
	                   : NULL;
	*ret_larger = false;
	if (!made)
		return NULL;
	size_t size = websocket_deflate_blocks(
	        compressor, payload, block, made->bytes + WEBSOCKET_HEADER_SENT_MAX);
	if (size == 0 || size >= payload.size) {
		weir_websocket_message_release(made);
		*ret_larger = true;
		return NULL;
	}
	return websocket_deflate_seal(made, (enum weir_websocket_kind)message->kind, size);
}

/* Compresses with the messages before as context. NULL without memory. */
static struct weir_websocket_message *websocket_deflate_in_context(
        struct weir_websocket *websocket, const struct weir_websocket_message *message)
{
	struct weir_span payload = websocket_message_payload(message);
	z_stream *stream = websocket_deflate_context(websocket);
	size_t room = stream ? deflateBound(stream, payload.size) + 64 : 0;
	struct weir_websocket_message *made = stream ? websocket_message_allocate(room) : NULL;
	if (!made)
		return NULL;
	char *to = made->bytes + WEBSOCKET_HEADER_SENT_MAX;
	stream->next_in = (Bytef *)payload.data;
	stream->avail_in = (uInt)payload.size;
	stream->next_out = (Bytef *)to;
	stream->avail_out = (uInt)room - 1;
	if (deflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_out == 0) {
		weir_websocket_message_release(made);
		return NULL;
	}
	size_t size = websocket_deflate_cut_tail(to, room - 1 - stream->avail_out);
	return websocket_deflate_seal(made, (enum weir_websocket_kind)message->kind, size);
}

static void websocket_deflate_count(struct weir_websocket *websocket)
{
	struct websocket_loop *loop_state = websocket_loop_state(websocket_loop_of(websocket));
	if (loop_state)
		loop_state->compressed++;
}

struct weir_websocket_message *websocket_deflate_choose(
        struct weir_websocket *websocket, struct weir_websocket_message *message)
{
	struct weir_loop *loop = websocket_loop_of(websocket);
	struct weir_websocket_message *made = NULL;
	bool larger = false;
	if (!websocket->deflate || message->size == 0 || message->size > WEBSOCKET_DEFLATE_MAX)
		return weir_websocket_message_hold(message);
	if (websocket->server_takeover) {
		websocket_deflate_count(websocket);
		return websocket_deflate_in_context(websocket, message);
	}
	if (message->size < WEIR_WEBSOCKET_DEFLATE_MIN || message->incompressible)
		return weir_websocket_message_hold(message);
	if (message->compressed && websocket->window_bits == WEBSOCKET_WINDOW_MAX_BITS)
		return weir_websocket_message_hold(message->compressed);
	made = websocket_deflate_alone(loop, message, websocket->window_bits, &larger);
	websocket_deflate_count(websocket);
	if (websocket->window_bits < WEBSOCKET_WINDOW_MAX_BITS)
		return made ? made : weir_websocket_message_hold(message);
	message->compressed = made;
	message->incompressible = larger;
	return weir_websocket_message_hold(made ? made : message);
}

/* -- inflation --------------------------------------------------------------------------------- */

struct websocket_inflation {
	struct weir_websocket *websocket;
	z_stream *stream;
	uint64_t size;   /* of what was inflated */
	unsigned resets; /* final blocks, behind which others began */
	bool ended;      /* the last byte belongs to a final block */
};

/* Inflates a part of a message. Returns as websocket_inflate. */
static int websocket_inflate_part(struct websocket_inflation *inflation, struct weir_span bytes)
{
	z_stream *stream = inflation->stream;
	uint32_t limit = inflation->websocket->options->message_max;
	stream->next_in = (Bytef *)bytes.data;
	stream->avail_in = (uInt)bytes.size;
	do {
		char out[WEBSOCKET_INFLATE_STEP];
		stream->next_out = (Bytef *)out;
		stream->avail_out = sizeof out;
		int result = inflate(stream, Z_SYNC_FLUSH);
		size_t got = sizeof out - stream->avail_out;
		inflation->size += got;
		inflation->ended = result == Z_STREAM_END;
		if (result == Z_MEM_ERROR)
			return -ENOMEM;
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return WEIR_E_SYNTAX;
		if (inflation->size > limit)
			return WEIR_E_LIMIT;
		if (got && !websocket_input_pass(inflation->websocket, weir_span(out, got)))
			return WEIR_E_CLOSED;
		/* A final block may be followed by others (RFC 7692 7.2.3.4). */
		if (inflation->ended && ++inflation->resets > WEIR_WEBSOCKET_RESETS_MAX)
			return WEIR_E_SYNTAX;
		if (inflation->ended)
			inflateReset(stream);
	} while (stream->avail_in || stream->avail_out == 0);
	return 0;
}

int websocket_inflate(struct weir_websocket *websocket, struct weir_span bytes)
{
	enum {
		AT_END_OF_BLOCK = 128, /* zlib.h, on data_type */
	};
	struct websocket_inflation inflation = {.websocket = websocket};
	inflation.stream = websocket->client_takeover
	                           ? websocket_inflate_context(websocket)
	                           : websocket_deflate_loop_inflater(websocket_loop_of(websocket));
	if (!inflation.stream)
		return -ENOMEM;
	int error = websocket_inflate_part(&inflation, bytes);
	if (!error)
		error = websocket_inflate_part(&inflation,
		        weir_span(websocket_deflate_tail, sizeof websocket_deflate_tail));
	if (error)
		return error;
	return inflation.ended || inflation.stream->data_type & AT_END_OF_BLOCK ? 0 : WEIR_E_SYNTAX;
}
