/*
 * The glob: answers of exactly `size` bytes. If the child fills an answer at once, its pieces are
 * lent unchanged; otherwise they are gathered in scratch. When the child waits, all bytes are put,
 * so that no state is left between two answers.
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "inner.h"

struct glob {
	struct weir_producer base;
	struct weir_producer *child;
	size_t size;
};

static void glob_producer_forward_all(struct weir_output *out, const struct weir_output *inner)
{
	for (unsigned i = 0; i < inner->count; i++)
		weir_output_forward(out, &inner->pieces[i], 0, inner->pieces[i].size);
}

static enum weir_more glob_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct glob *glob = (struct glob *)producer;
	struct weir_piece pieces[WEIR_INNER_PIECES];
	struct weir_output inner;
	size_t want = min_of(glob->size, weir_output_room(out));
	unsigned free_pieces = min_of(output_free_pieces(out), WEIR_INNER_PIECES);
	weir_output_init_inner(&inner, out, pieces, free_pieces, want);
	enum weir_more more = weir_producer_more(glob->child, &inner);
	size_t size;
	char *to = NULL;
	if (more == WEIR_MORE && inner.size < want)
		to = weir_output_reserve(out, want, &size);
	if (!to) { /* complete, or, without memory, as many as there are */
		glob_producer_forward_all(out, &inner);
		return more;
	}
	more = producer_fill(glob->child, &inner, more, to, want, &size);
	weir_output_commit(out, size);
	return more;
}

static void glob_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	producer_close_passing(producer, ((struct glob *)producer)->child, why);
	free(producer);
}

static int64_t glob_producer_size(const struct weir_producer *producer)
{
	return weir_producer_size(((const struct glob *)producer)->child);
}

static const struct weir_producer_type glob_type = {
        .name = "glob",
        .more = glob_producer_more,
        .close = glob_producer_close,
        .size = glob_producer_size,
};

struct weir_producer *weir_produce_glob(struct weir_producer *child, size_t size)
{
	struct glob *glob = child ? malloc(sizeof *glob) : NULL;
	if (!glob) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&glob->base, &glob_type);
	glob->child = child;
	glob->size = size ? size : 1;
	weir_producer_adopt(&glob->base, child);
	return &glob->base;
}
