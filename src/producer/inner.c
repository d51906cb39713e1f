/*
 * Asks a child on behalf of a transformer, never while bytes of the child are lent.
 */
#include "inner.h"
#include "output_internal.h"

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
	struct weir_piece pieces[WEIR_INNER_PIECES];
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
		weir_output_init_inner(&inner, first, pieces, WEIR_INNER_PIECES, want - size);
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
