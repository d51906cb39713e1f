/*
 * The decoder of HPACK beside that of libnghttp2, which is the model: both get the same blocks, and
 * must find the same fields and the same faults. The fuzz target uses this, too, so it does not use
 * cmocka.
 */
#ifndef WEIR_TEST_HPACK_MODEL_H
#define WEIR_TEST_HPACK_MODEL_H

#include <nghttp2/nghttp2.h>
#include <weir/buffer.h>

#include "h2_hpack.h"

enum {
	HPACK_BLOCK_MAX = 16384,
};

struct hpack_pair {
	struct h2_hpack ours;
	nghttp2_hd_inflater *model;
	struct weir_buffer fields, model_fields; /* of the last block: sizes, names, values */
	bool broken;                             /* the last block was malformed */
};

void hpack_pair_begin(struct hpack_pair *pair);
void hpack_pair_end(struct hpack_pair *pair);

/* Decodes a block with both. Returns NULL, or in what they differ. */
const char *hpack_pair_decode(struct hpack_pair *pair, struct weir_span block);

#endif
