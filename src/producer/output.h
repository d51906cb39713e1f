/* The outer end of an output: for who sends it. */
#ifndef WEIR_OUTPUT_INTERNAL_H
#define WEIR_OUTPUT_INTERNAL_H

#include <weir/output.h>

/* An empty output over `pieces`, with scratch of the loop. */
void weir_output_init(struct weir_output *out, struct weir_loop *loop, struct weir_piece *pieces,
	unsigned capacity, size_t room);

#endif
