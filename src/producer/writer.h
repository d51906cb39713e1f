/*
 * A writer: for transformers that put many stretches, short and long, in turns. Long ones are lent,
 * short ones are gathered in scratch; the last place for a piece is kept for a piece of scratch
 * that takes whatever still comes.
 */
#ifndef WEIR_WRITER_H
#define WEIR_WRITER_H

#include <stdbool.h>

#include <weir/output.h>

struct producer_writer {
	struct weir_output *out;
	char *run; /* scratch being filled, or NULL */
	size_t used;
	size_t most; /* bytes that may still come, all in all */
};

/* At most `most` bytes will be written; the room of `out` must be enough for them, and not 0. */
void producer_writer_init(struct producer_writer *writer, struct weir_output *out, size_t most);

/*
 * Writes bytes of a child's piece, or (with a kind of WEIR_PIECE_BORROWED) the producer's own.
 * False: no memory.
 */
bool producer_writer_put(
        struct producer_writer *writer, const char *data, size_t size, enum weir_piece_kind kind);

/* To be called in the end, also after a failure: what was written before is put. */
void producer_writer_finish(struct producer_writer *writer);

#endif
