/* Outputs for the flush, which sends them, and for the producers of this folder. */
#ifndef WEIR_OUTPUT_INTERNAL_H
#define WEIR_OUTPUT_INTERNAL_H

#include <weir/output.h>

/* Prepares an empty output over `pieces`, with scratch of the loop. */
void output_init(struct weir_output *out, struct weir_loop *loop, struct weir_piece *pieces,
        unsigned capacity, size_t room);

/*
 * Like weir_output_borrow, but copies small memory, so that many small items need few pieces.
 */
size_t output_put(struct weir_output *out, const void *data, size_t size);

/* Copies all bytes of the output to `to`. Returns 0 or an error of weir_output_bytes. */
int output_read(const struct weir_output *out, char *to);

#endif
