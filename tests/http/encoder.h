/* An encoder of replies' fields, anew for each test. */
#ifndef WEIR_TEST_ENCODER_H
#define WEIR_TEST_ENCODER_H

#include "h2_encode.h"

extern struct encoder {
	struct h2_huffman huffman;
	struct h2_intern intern; /* of a loop */
	struct h2_table table;   /* of a connection */
} encoder;

/* For cmocka. */
int encoder_set_up(void **state);
int encoder_tear_down(void **state);

char *encoder_put_lines(char *to, struct weir_span lines);

#endif
