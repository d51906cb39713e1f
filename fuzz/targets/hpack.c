/*
 * Blocks of a connection, each behind two bytes with its size: the decoder of HPACK and its model
 * find the same fields and the same faults.
 */
#include <stdlib.h>

#include "../../tests/http/hpack_model.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span rest = weir_span(data, size);
	struct hpack_pair pair;
	hpack_pair_begin(&pair);
	while (!pair.broken && rest.size >= 2) {
		const uint8_t *bytes = (const uint8_t *)rest.data;
		size_t part = (size_t)bytes[0] << 8 | bytes[1];
		rest = weir_span_skip(rest, 2);
		if (part > rest.size)
			part = rest.size;
		if (part > HPACK_BLOCK_MAX)
			break;
		if (hpack_pair_decode(&pair, weir_span(rest.data, part)))
			abort();
		rest = weir_span_skip(rest, part);
	}
	hpack_pair_end(&pair);
	return 0;
}
