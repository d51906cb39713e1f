/*
 * Pending bytes. The answer that belongs to them is given when the last of them is put. WEIR_WAIT
 * is an exception: the wake may have happened meanwhile, so the child is asked again.
 */
#include <stdlib.h>

#include "inner.h"
#include "output_internal.h"
#include "pending.h"

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
