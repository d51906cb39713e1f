/*
 * A writer, for transformers that put many stretches, short and long, in turns. Long ones are lent,
 * short ones are gathered in scratch. The last free piece is reserved for scratch, into which all
 * later bytes are copied.
 */
#ifndef WEIR_WRITER_H
#define WEIR_WRITER_H

#include <stdbool.h>

#include <weir/output.h>

struct producer_writer {
	struct weir_output *out;
	char *run; /* scratch being filled, or NULL */
	size_t used;
	size_t most; /* bytes that may still be written */
};

/* At most `most` bytes will be written; the room of `out` must be enough for them, and not 0. */
void producer_writer_init(struct producer_writer *writer, struct weir_output *out, size_t most);

/*
 * Writes bytes of a child's piece, or, with the kind WEIR_PIECE_BORROWED, the producer's own.
 * Returns false without memory.
 */
bool producer_writer_put(
        struct producer_writer *writer, const char *data, size_t size, enum weir_piece_kind kind);

/* Ends the writing, also after a failure: puts all bytes that were written before. */
void producer_writer_finish(struct producer_writer *writer);

#endif
