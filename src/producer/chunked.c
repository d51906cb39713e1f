/*
 * Framing, and the chunked transfer coding, RFC 9112 7.1. Each answer of the child becomes one
 * frame: its pieces are lent unchanged, between the head and the tail. An answer without bytes
 * becomes no frame, since a chunk of size 0 is the last one. The last frame and the trailers are in
 * the same output if they fit.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weir/transformers.h>

#include "producer_internal.h"

struct framed {
	struct weir_producer base;
	struct weir_producer *child;
	const struct producer_framing *framing;
	weir_trailers_fn *trailers;
	void *context;
	struct producer_pending pending;
	bool ended; /* the child is done, the last frame is not put yet */
};

#define LAST_CHUNK "0\r\n"
#define CHUNK_END "\r\n"

enum {
	END_SIZE = 2,  /* CR, LF */
	LAST_SIZE = 5, /* the last chunk without trailers */
	LAST_MAX = LAST_SIZE + WEIR_TRAILERS_MAX,
	ENDS_MAX = 16, /* a tail, and a last frame */
	LEAST_ROOM = 256,
	LEAST_PIECES = 4, /* head, a piece of the child, tail, last frame */
};

static bool framed_producer_put_frame(
        const struct framed *framed, struct weir_output *out, const struct weir_output *inner)
{
	char head[PRODUCER_FRAME_HEAD_MAX + 1];
	struct weir_span tail = framed->framing->tail;
	size_t size = framed->framing->put_head(head, inner->size);
	if (weir_output_copy(out, head, size) != size)
		return false;
	for (unsigned i = 0; i < inner->count; i++)
		weir_output_forward(out, &inner->pieces[i], 0, inner->pieces[i].size);
	/* A large extent leaves no room, but the ends are in memory, and were accounted for. */
	out->room = max_of(out->room, (size_t)ENDS_MAX);
	if (tail.size)
		weir_output_borrow(out, tail.data, tail.size);
	return true;
}

static enum weir_more framed_producer_put_last(struct framed *framed, struct weir_output *out)
{
	struct weir_span last = framed->framing->last;
	if (!framed->trailers) {
		weir_output_borrow(out, last.data, last.size);
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
	size += framed->trailers(framed->context, text + size, WEIR_TRAILERS_MAX);
	memcpy(text + size, CHUNK_END, END_SIZE);
	weir_output_commit(out, size + END_SIZE);
	return WEIR_DONE;
}

static enum weir_more framed_producer_compose(
        struct weir_producer *producer, struct weir_output *out)
{
	struct framed *framed = (struct framed *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	if (framed->ended)
		return framed_producer_put_last(framed, out);
	const size_t overhead = PRODUCER_FRAME_HEAD_MAX + ENDS_MAX;
	size_t room = weir_output_room(out) - overhead;
	unsigned free_pieces = output_free_pieces(out) - (LEAST_PIECES - 1);
	free_pieces = min_of(free_pieces, PRODUCER_INNER_PIECES);
	weir_output_init_inner(
	        &inner, out, pieces, free_pieces, min_of(room, framed->framing->frame_max));
	/* The content of a pipe needs no memory. */
	inner.takes_pipes = out->takes_pipes;
	if (out->takes_pipes && out->file_room > overhead)
		inner.file_room = min_of(out->file_room - overhead, framed->framing->frame_max);
	enum weir_more more = weir_producer_more(framed->child, &inner);
	if (inner.size && !framed_producer_put_frame(framed, out, &inner))
		return WEIR_FAILED;
	if (more != WEIR_DONE)
		return more;
	framed->ended = true;
	return framed_producer_put_last(framed, out);
}

static enum weir_more framed_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct framed *framed = (struct framed *)producer;
	size_t room = framed->ended && framed->trailers ? LAST_MAX : LEAST_ROOM;
	return producer_pending_more(
	        &framed->pending, producer, out, room, LEAST_PIECES, framed_producer_compose);
}

static void framed_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct framed *framed = (struct framed *)producer;
	weir_producer_close(framed->child, why);
	producer_pending_free(&framed->pending);
	free(framed);
}

struct weir_producer *producer_frame(struct weir_producer *child,
        const struct producer_framing *framing, weir_trailers_fn *trailers, void *context)
{
	static const struct weir_producer_type type = {
	        .name = "framed", .more = framed_producer_more, .close = framed_producer_close};
	struct framed *framed = child ? calloc(1, sizeof *framed) : NULL;
	if (!framed) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&framed->base, &type);
	framed->child = child;
	framed->framing = framing;
	framed->trailers = trailers;
	framed->context = context;
	weir_producer_adopt(&framed->base, child);
	return &framed->base;
}

/* -- chunks ------------------------------------------------------------------------------------ */

static size_t chunked_put_head(char to[PRODUCER_FRAME_HEAD_MAX + 1], size_t size)
{
	return (size_t)snprintf(to, PRODUCER_FRAME_HEAD_MAX + 1, "%zx\r\n", size);
}

struct weir_producer *weir_produce_chunked(
        struct weir_producer *child, weir_trailers_fn *trailers, void *context)
{
	static const struct producer_framing chunks = {
	        .put_head = chunked_put_head,
	        .tail = {CHUNK_END, END_SIZE},
	        .last = {LAST_CHUNK CHUNK_END, LAST_SIZE},
	        .frame_max = SIZE_MAX,
	};
	return producer_frame(child, &chunks, trailers, context);
}
