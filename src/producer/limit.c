/*
 * The limit: a range of the child's bytes. Skipped bytes are produced too, but take no room, so
 * that the first bytes of the range leave in the same output. The producer is done as soon as
 * `left` is 0, whatever the child would answer then.
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "inner.h"

struct limit {
	struct weir_producer base;
	struct weir_producer *child;
	uint64_t skip; /* still to be skipped */
	uint64_t left; /* still to be passed on */
};

static enum weir_more limit_producer_skip_some(struct limit *limit, struct weir_output *out)
{
	struct weir_piece pieces[WEIR_INNER_PIECES];
	struct weir_output inner;
	uint64_t room = weir_output_room(out);
	room = room < limit->left ? room : limit->left;
	room += limit->skip < WEIR_INNER_SIZE ? limit->skip : WEIR_INNER_SIZE;
	unsigned free_pieces = min_of(output_free_pieces(out), WEIR_INNER_PIECES);
	weir_output_init_inner(&inner, out, pieces, free_pieces, (size_t)room);
	enum weir_more more = weir_producer_more(limit->child, &inner);
	for (unsigned i = 0; i < inner.count; i++) {
		size_t size = pieces[i].size;
		size_t skipped = limit->skip < size ? (size_t)limit->skip : size;
		limit->skip -= skipped;
		limit->left -= weir_output_forward(out, &pieces[i], skipped, size - skipped);
	}
	return more;
}

static enum weir_more limit_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct limit *limit = (struct limit *)producer;
	enum weir_more more;
	if (!limit->left)
		return WEIR_DONE;
	if (limit->skip) {
		more = limit_producer_skip_some(limit, out);
	} else {
		size_t before = out->size;
		more = producer_ask_within(
		        limit->child, out, limit->left < SIZE_MAX ? (size_t)limit->left : SIZE_MAX);
		limit->left -= out->size - before;
	}
	return limit->left ? more : WEIR_DONE;
}

static void limit_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	producer_close_passing(producer, ((struct limit *)producer)->child, why);
	free(producer);
}

static int64_t limit_producer_size(const struct weir_producer *producer)
{
	const struct limit *limit = (const struct limit *)producer;
	int64_t size = weir_producer_size(limit->child);
	if (size < 0)
		return -1;
	uint64_t rest = (uint64_t)size > limit->skip ? (uint64_t)size - limit->skip : 0;
	return (int64_t)(rest < limit->left ? rest : limit->left);
}

static const struct weir_producer_type limit_type = {
        .name = "limit",
        .more = limit_producer_more,
        .close = limit_producer_close,
        .size = limit_producer_size,
};

struct weir_producer *weir_produce_limit(struct weir_producer *child, uint64_t skip, uint64_t size)
{
	struct limit *limit = child ? malloc(sizeof *limit) : NULL;
	if (!limit) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&limit->base, &limit_type);
	limit->child = child;
	limit->skip = skip;
	limit->left = size;
	weir_producer_adopt(&limit->base, child);
	return &limit->base;
}
