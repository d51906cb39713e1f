/*
 * Random compositions of producers, each with the bytes that it must yield. The bytes of gzip and
 * chunked depend on the rooms, so a composition has a list of decoders to apply to its output.
 */
#ifndef WEIR_TEST_COMPOSE_H
#define WEIR_TEST_COMPOSE_H

#include "drain.h"

enum {
	LAYERS_MAX = 8
};

enum decoder {
	DECODE_GZIP,
	DECODE_DEFLATE,
	DECODE_CHUNKED,
	DECODE_ZSTD
};

struct composed {
	struct weir_producer *producer;
	struct weir_buffer expected; /* after decoding */
	enum decoder decoders[LAYERS_MAX];
	unsigned decoders_count; /* the last one is the outermost */
};

/* Throws dice for a composition at most `depth` deep and drains it. NULL, or what was wrong. */
const char *compose_and_drain(struct weir_loop *loop, struct dice *dice, unsigned depth);

#endif
