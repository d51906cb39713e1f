/*
 * Helpers of transformers. A child is never asked while its bytes are lent. Pending bytes are those
 * that did not fit; the answer that belongs to them is given when the last of them is put.
 * WEIR_WAIT is an exception: the wake may have happened meanwhile, so the child is asked again.
 *
 * While a writer writes, nothing else may reserve scratch, since a run grows at the arena's end.
 */
#include <stdlib.h>

#include "producer_internal.h"

/* -- the child --------------------------------------------------------------------------------- */

/* The bound holds for file extents too, whose room may be larger. */
enum weir_more producer_ask_within(
        struct weir_producer *child, struct weir_output *out, size_t room)
{
	size_t whole = out->room, file_whole = out->file_room;
	size_t before = out->size;
	out->room = min_of(room, whole);
	out->file_room = min_of(room, file_whole);
	enum weir_more more = weir_producer_more(child, out);
	size_t put = out->size - before;
	out->room = whole - min_of(put, whole);
	out->file_room = file_whole - min_of(put, file_whole);
	return more;
}

enum weir_more producer_fill(struct weir_producer *child, const struct weir_output *first,
        enum weir_more more, char *to, size_t want, size_t *ret_size)
{
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner = *first;
	size_t size = 0;
	while (true) {
		if (output_read(&inner, to + size) < 0) {
			more = WEIR_FAILED;
			break;
		}
		size += inner.size;
		if (more != WEIR_MORE || size == want)
			break;
		weir_output_init_inner(&inner, first, pieces, PRODUCER_INNER_PIECES, want - size);
		more = weir_producer_more(child, &inner);
	}
	*ret_size = size;
	return more;
}

unsigned output_look(struct weir_output *inner, struct weir_span *bytes)
{
	unsigned count = 0;
	while (count < inner->count &&
	        weir_output_bytes(inner, &inner->pieces[count], &bytes[count]) == 0)
		count++;
	return count;
}

void producer_close_passing(
        struct weir_producer *parent, struct weir_producer *child, enum weir_close_reason why)
{
	uint64_t unsent = parent->put - parent->taken;
	weir_producer_consumed(child, unsent);
	weir_producer_close(child, why);
}

/* -- pending bytes ----------------------------------------------------------------------------- */

enum {
	SMALL_PIECES = 32
};

void producer_pending_free(struct producer_pending *pending)
{
	free(pending->data);
	*pending = (struct producer_pending){0};
}

static bool pending_producer_put_rest(struct producer_pending *pending, struct weir_output *out)
{
	pending->at += (uint32_t)weir_output_borrow(
	        out, pending->data + pending->at, pending->size - pending->at);
	return pending->at == pending->size;
}

bool producer_pending_drain(
        struct producer_pending *pending, struct weir_output *out, enum weir_more *ret_more)
{
	if (pending->at == pending->size) {
		producer_pending_free(pending);
		return false;
	}
	bool empty = pending_producer_put_rest(pending, out);
	*ret_more = empty && pending->after != WEIR_WAIT ? pending->after : WEIR_MORE;
	return true;
}

enum weir_more producer_pending_put(struct producer_pending *pending, struct weir_output *out,
        struct weir_span scratch, enum weir_more after)
{
	struct weir_piece piece = {
	        .data = scratch.data, .size = scratch.size, .fd = -1, .kind = WEIR_PIECE_SCRATCH};
	size_t room = weir_output_room(out);
	struct weir_span rest = weir_span_skip(scratch, min_of(room, scratch.size));
	if (rest.size) {
		pending->data = malloc(rest.size);
		if (!pending->data)
			return WEIR_FAILED;
		memcpy(pending->data, rest.data, rest.size);
		pending->size = (uint32_t)rest.size;
		pending->after = after;
		after = WEIR_MORE;
	}
	weir_output_forward(out, &piece, 0, scratch.size - rest.size);
	return after;
}

static enum weir_more pending_producer_keep(
        struct producer_pending *pending, const struct weir_output *made, enum weir_more after)
{
	pending->data = malloc(made->size);
	if (!pending->data)
		return WEIR_FAILED;
	if (output_read(made, pending->data) < 0) {
		producer_pending_free(pending);
		return WEIR_FAILED;
	}
	pending->size = (uint32_t)made->size;
	pending->after = after;
	return WEIR_MORE;
}

enum weir_more producer_pending_more(struct producer_pending *pending,
        struct weir_producer *producer, struct weir_output *out, size_t room, unsigned free_pieces,
        enum weir_more (*compose)(struct weir_producer *producer, struct weir_output *out))
{
	enum weir_more more;
	if (producer_pending_drain(pending, out, &more))
		return more;
	if (weir_output_room(out) >= room && output_free_pieces(out) >= free_pieces)
		return compose(producer, out);
	struct weir_piece pieces[SMALL_PIECES];
	struct weir_output small;
	weir_output_init_inner(&small, out, pieces, SMALL_PIECES, room);
	more = compose(producer, &small);
	if (!small.size)
		return more;
	if (pending_producer_keep(pending, &small, more) == WEIR_FAILED)
		return WEIR_FAILED;
	return pending_producer_put_rest(pending, out) ? more : WEIR_MORE;
}

/* -- the writer -------------------------------------------------------------------------------- */

enum {
	LEND_ABOVE = 256
};

void producer_writer_init(struct producer_writer *writer, struct weir_output *out, size_t most)
{
	*writer = (struct producer_writer){.out = out, .most = most};
}

void producer_writer_finish(struct producer_writer *writer)
{
	if (writer->run)
		weir_output_commit(writer->out, writer->used);
	writer->run = NULL;
	writer->used = 0;
}

/* An open run needs a piece, the lent memory another, and one must be left for a run behind it. */
static bool writer_producer_may_lend(const struct producer_writer *writer, size_t size)
{
	return size > LEND_ABOVE && output_free_pieces(writer->out) >= 3;
}

bool producer_writer_put(
        struct producer_writer *writer, const char *data, size_t size, enum weir_piece_kind kind)
{
	if (!size)
		return true;
	if (writer_producer_may_lend(writer, size)) {
		producer_writer_finish(writer);
		struct weir_piece piece = {.data = data, .size = size, .fd = -1, .kind = kind};
		weir_output_forward(writer->out, &piece, 0, size);
		writer->most -= size;
		return true;
	}
	if (!writer->run) {
		size_t got;
		writer->run = weir_output_reserve(writer->out, writer->most, &got);
		if (!writer->run)
			return false;
	}
	memcpy(writer->run + writer->used, data, size);
	writer->used += size;
	writer->most -= size;
	return true;
}

enum weir_more producer_read_block(
        struct weir_producer *child, struct weir_output *out, size_t want, struct weir_span *ret)
{
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	*ret = weir_span(NULL, 0);
	weir_output_init_inner(&inner, out, pieces, PRODUCER_INNER_PIECES, want);
	enum weir_more more = weir_producer_more(child, &inner);
	if (!inner.size)
		return more;
	if (inner.count == 1 && (more != WEIR_MORE || inner.size == want))
		return weir_output_bytes(out, &pieces[0], ret) < 0 ? WEIR_FAILED : more;
	want = more == WEIR_MORE ? want : inner.size;
	char *to = weir_output_scratch(out, want);
	if (!to)
		return WEIR_FAILED;
	size_t size;
	more = producer_fill(child, &inner, more, to, want, &size);
	*ret = weir_span(to, size);
	return more;
}
