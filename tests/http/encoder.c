/* See the header. */
#include "encoder.h"

struct encoder encoder = {.intern = {.huffman = &encoder.huffman}};

int encoder_set_up(void **state)
{
	(void)state;
	if (!encoder.huffman.codes[0].bits)
		h2_huffman_init(&encoder.huffman);
	h2_table_init(&encoder.table);
	return 0;
}

int encoder_tear_down(void **state)
{
	(void)state;
	h2_table_finish(&encoder.table);
	h2_intern_finish(&encoder.intern);
	encoder.intern = (struct h2_intern){.huffman = &encoder.huffman};
	return 0;
}

char *encoder_put_lines(char *to, struct weir_span lines)
{
	return h2_encode_put_lines(to, &encoder.table, &encoder.intern, lines);
}
