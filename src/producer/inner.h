/*
 * Helpers of transformers: to ask a child for part of the room, and to close it with the right
 * count.
 */
#ifndef WEIR_INNER_H
#define WEIR_INNER_H

#include <weir/producer.h>

#include "helper.h"

/* A transformer that reads the bytes asks for at most so many at once, whatever the room. */
#define WEIR_INNER_SIZE (64u * 1024)
#define WEIR_INNER_PIECES 64u

/* Returns how many pieces may still be put. */
static inline unsigned output_free_pieces(const struct weir_output *out)
{
	return out->capacity - out->count;
}

/* Lets the child put at most `room` bytes directly into `out`. */
enum weir_more producer_ask_within(
        struct weir_producer *child, struct weir_output *out, size_t room);

/*
 * Asks the child until `want` bytes are at `to`, or until it waits or ends. The bytes that the
 * child has put in `first`, with the answer `more`, come first. *ret_size bytes are at `to` in any
 * case.
 */
enum weir_more producer_fill(struct weir_producer *child, const struct weir_output *first,
        enum weir_more more, char *to, size_t want, size_t *ret_size);

/*
 * Gives access to the bytes of all pieces of a child's answer, as weir_output_bytes: bytes[i] are
 * those of pieces[i]. Returns how many pieces could be read. If fewer than inner->count, the next
 * one failed.
 */
unsigned output_look(struct weir_output *inner, struct weir_span *bytes);

/* The kind of the bytes of weir_output_bytes: those of a file were read into scratch. */
static inline enum weir_piece_kind producer_kind_of_bytes(const struct weir_piece *piece)
{
	return piece->kind == WEIR_PIECE_FILE ? WEIR_PIECE_SCRATCH : piece->kind;
}

/*
 * Closes the child of a transformer that passes every byte on unchanged, so that the number of
 * bytes taken is the same for both.
 */
void producer_close_passing(
        struct weir_producer *parent, struct weir_producer *child, enum weir_close_reason why);

#endif
