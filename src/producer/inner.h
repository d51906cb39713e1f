/*
 * What transformers share: asking a child for part of the room, and closing it with the right
 * count.
 */
#ifndef WEIR_INNER_H
#define WEIR_INNER_H

#include <weir/producer.h>

/* A transformer that must look at the bytes takes this much of them at once, whatever the room. */
#define WEIR_INNER_SIZE (64 * 1024)
#define WEIR_INNER_PIECES 64

static inline size_t producer_smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The pieces that may still be put. */
static inline unsigned output_places(const struct weir_output *out)
{
	return out->capacity - out->count;
}

/* Lets the child put at most `room` bytes straight into `out`. */
enum weir_more producer_ask_within(
        struct weir_producer *child, struct weir_output *out, size_t room);

/*
 * Asks the child until `want` bytes of it stand at `to`, or it waits or ends. Starts with what the
 * child has put into `first`, answering `more`. *ret_size bytes are at `to` in any case.
 */
enum weir_more producer_fill(struct weir_producer *child, const struct weir_output *first,
        enum weir_more more, char *to, size_t want, size_t *ret_size);

/*
 * The bytes of all pieces of a child's answer, as weir_output_bytes: bytes[i] are those of
 * pieces[i]. The number of pieces that could be read; less than inner->count is a failure of the
 * piece that follows.
 */
unsigned output_look(struct weir_output *inner, struct weir_span *bytes);

/* What weir_output_bytes of a piece are: a file's were read into scratch. */
static inline enum weir_piece_kind producer_kind_of_bytes(const struct weir_piece *piece)
{
	return piece->kind == WEIR_PIECE_FILE ? WEIR_PIECE_SCRATCH : piece->kind;
}

/*
 * Closes the child of a transformer that passes every byte on as it is: what was not taken of it is
 * known.
 */
void producer_close_passing(
        struct weir_producer *parent, struct weir_producer *child, enum weir_close_reason why);

#endif
