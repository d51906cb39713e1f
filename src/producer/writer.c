/* The writer. Nothing else may reserve scratch meanwhile, since a run grows at the arena's end. */
#include "inner.h"
#include "writer.h"

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
