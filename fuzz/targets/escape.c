/*
 * Search and replace against the obvious way to do it: sizes of from, to and before, then these,
 * then text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/transformers.h>

#include "../../tests/support/decode.c"
#include "../../tests/support/drain.c"
#include "../../tests/support/probe.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weir_span cut(struct weir_span *rest, size_t size)
{
	struct weir_span head = weir_span(rest->data, size < rest->size ? size : rest->size);
	*rest = weir_span_skip(*rest, head.size);
	return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_loop *loop;
	if (!loop && weir_loop_create(&loop) < 0)
		abort();
	if (size < 5 || size > 8192)
		return 0;
	struct weir_span rest = weir_span(data + 4, size - 4);
	struct weir_span from = cut(&rest, 1 + data[0] % 64);
	struct weir_span to = cut(&rest, data[1] % 65);
	struct weir_span before = cut(&rest, data[2]);
	struct probe probe = {.loop = loop, .bytes = rest, .step = data[3], .kind = PROBE_MIXED};
	struct drain drained = {.loop = loop, .dice.state = data[3]};
	struct weir_buffer model = {0};
	replace_all(rest, from, to, before, &model);
	const char *wrong =
	        drain(&drained, weir_produce_escape(probe_create(&probe), from, to, before));
	if (wrong || !weir_span_equal(weir_buffer_span(&model), weir_buffer_span(&drained.bytes))) {
		fprintf(stderr, "%s\n", wrong ? wrong : "wrong bytes");
		abort();
	}
	weir_buffer_finish(&model);
	drain_free(&drained);
	return 0;
}
