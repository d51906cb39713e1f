/*
 * Blocks of replies, whose fields, table sizes and connections the input chooses: two decoders find
 * the fields that were meant, and their tables have what the encoder believes.
 */
#include <stdlib.h>

#include "../../tests/http/encode_model.c"
#include "../../tests/http/hpack_model.c"
#include "../../tests/support/drain.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct encode_model model;
	struct dice dice = {.bytes = data, .size = size};
	encode_model_begin(&model);
	while (dice.size) {
		encode_model_plan(&model, &dice);
		encode_model_encode(&model);
		if (encode_model_check(&model))
			abort();
	}
	encode_model_end(&model);
	return 0;
}
