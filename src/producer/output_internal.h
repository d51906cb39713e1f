/* The outer end of an output, for who sends it; and what only the producers of this folder need. */
#ifndef WEIR_OUTPUT_INTERNAL_H
#define WEIR_OUTPUT_INTERNAL_H

#include <weir/output.h>

/* An empty output over `pieces`, with scratch of the loop. */
void output_init(struct weir_output *out, struct weir_loop *loop, struct weir_piece *pieces,
        unsigned capacity, size_t room);

/*
 * As weir_output_borrow, but copies what is small: for who puts many small things, to need fewer
 * pieces.
 */
size_t output_put(struct weir_output *out, const void *data, size_t size);

/* Copies all bytes of the pieces, out->size of them, to `to`. 0 or as weir_output_bytes. */
int output_read(const struct weir_output *out, char *to);

#endif
