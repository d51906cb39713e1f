/*
 * The chunked transfer coding, RFC 9112 7.1. Each answer of the child becomes one chunk: its pieces
 * are lent unchanged, between the size and CRLF. An answer without bytes becomes no chunk, since a
 * chunk of size 0 is the last one. The last chunk and the trailers are in the same output if they
 * fit.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/transformers.h>

#include "producer_internal.h"

struct chunked {
	struct weir_producer base;
	struct weir_producer *child;
	weir_trailers_fn *trailers;
	void *context;
	struct producer_pending pending;
	bool ended; /* the child is done, the last chunk is not put yet */
};

#define LAST_CHUNK "0\r\n"

enum {
	HEAD_MAX = 18, /* 16 digits, CR, LF */
	END_SIZE = 2,  /* CR, LF */
	LAST_SIZE = 5, /* the last chunk without trailers */
	LAST_MAX = LAST_SIZE + WEIR_TRAILERS_MAX,
	LEAST_ROOM = 256,
	LEAST_PIECES = 4, /* head, a piece of the child, end, last chunk */
};

static bool chunked_producer_put_chunk(struct weir_output *out, const struct weir_output *inner)
{
	char head[HEAD_MAX + 1];
	size_t size = (size_t)snprintf(head, sizeof head, "%zx\r\n", inner->size);
	if (weir_output_copy(out, head, size) != size)
		return false;
	for (unsigned i = 0; i < inner->count; i++)
		weir_output_forward(out, &inner->pieces[i], 0, inner->pieces[i].size);
	weir_output_borrow(out, "\r\n", END_SIZE);
	return true;
}

static enum weir_more chunked_producer_put_last(struct chunked *chunked, struct weir_output *out)
{
	if (!chunked->trailers) {
		weir_output_borrow(out, LAST_CHUNK "\r\n", LAST_SIZE);
		return WEIR_DONE;
	}
	if (weir_output_room(out) < LAST_MAX)
		return WEIR_MORE;
	size_t size;
	char *text = weir_output_reserve(out, LAST_MAX, &size);
	if (!text)
		return WEIR_FAILED;
	memcpy(text, LAST_CHUNK, LAST_SIZE - END_SIZE);
	size = LAST_SIZE - END_SIZE;
	size += chunked->trailers(chunked->context, text + size, WEIR_TRAILERS_MAX);
	memcpy(text + size, "\r\n", END_SIZE);
	weir_output_commit(out, size + END_SIZE);
	return WEIR_DONE;
}

static enum weir_more chunked_producer_compose(
        struct weir_producer *producer, struct weir_output *out)
{
	struct chunked *chunked = (struct chunked *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	if (chunked->ended)
		return chunked_producer_put_last(chunked, out);
	size_t room = weir_output_room(out) - HEAD_MAX - END_SIZE - LAST_SIZE;
	unsigned free_pieces = output_free_pieces(out) - (LEAST_PIECES - 1);
	free_pieces = min_of(free_pieces, PRODUCER_INNER_PIECES);
	weir_output_init_inner(&inner, out, pieces, free_pieces, room);
	enum weir_more more = weir_producer_more(chunked->child, &inner);
	if (inner.size && !chunked_producer_put_chunk(out, &inner))
		return WEIR_FAILED;
	if (more != WEIR_DONE)
		return more;
	chunked->ended = true;
	return chunked_producer_put_last(chunked, out);
}

static enum weir_more chunked_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct chunked *chunked = (struct chunked *)producer;
	size_t room = chunked->ended && chunked->trailers ? LAST_MAX : LEAST_ROOM;
	return producer_pending_more(
	        &chunked->pending, producer, out, room, LEAST_PIECES, chunked_producer_compose);
}

static void chunked_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct chunked *chunked = (struct chunked *)producer;
	weir_producer_close(chunked->child, why);
	producer_pending_free(&chunked->pending);
	free(chunked);
}

static const struct weir_producer_type chunked_type = {
        .name = "chunked",
        .more = chunked_producer_more,
        .close = chunked_producer_close,
};

struct weir_producer *weir_produce_chunked(
        struct weir_producer *child, weir_trailers_fn *trailers, void *context)
{
	struct chunked *chunked = child ? calloc(1, sizeof *chunked) : NULL;
	if (!chunked) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&chunked->base, &chunked_type);
	chunked->child = child;
	chunked->trailers = trailers;
	chunked->context = context;
	weir_producer_adopt(&chunked->base, child);
	return &chunked->base;
}
