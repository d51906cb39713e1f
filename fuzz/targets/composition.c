/* The input is a program: its bytes throw the dice for a composition, its rooms and its waits. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../tests/support/compose.c"
#include "../../tests/support/decode.c"
#include "../../tests/support/drain.c"
#include "../../tests/support/probe.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_loop *loop;
	struct dice dice = {.bytes = data, .size = size};
	if (!loop && weir_loop_create(&loop) < 0)
		abort();
	if (!data || size > 4096)
		return 0;
	const char *wrong = compose_and_drain(loop, &dice, 8);
	if (wrong) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}
