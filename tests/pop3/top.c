/* The beginning of a message, against a plain search, in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocation.h"
#include "drain.h"
#include "pop3_state.h"

/* Returns where that many lines end; `size` if the message has no more. */
static size_t plain_top(const char *text, size_t size, unsigned lines, bool *ret_cut)
{
	bool body = false;
	size_t from = 0;
	for (size_t at = 0; at < size; at++) {
		if (text[at] != '\n')
			continue;
		bool empty = at == from || (at == from + 1 && text[from] == '\r');
		from = at + 1;
		if (body)
			lines--;
		body |= empty;
		if (body && lines == 0) {
			*ret_cut = true;
			return at + 1;
		}
	}
	*ret_cut = false;
	return size;
}

static void assert_top(struct weir_loop *loop, const char *text, size_t size, unsigned lines,
        size_t step, size_t room, enum probe_kind kind, bool waits)
{
	bool wanted_cut, cut = false;
	size_t wanted = plain_top(text, size, lines, &wanted_cut);
	struct probe probe = {.loop = loop,
	        .bytes = weir_span(text, size),
	        .step = step,
	        .waits = waits,
	        .kind = kind};
	struct drain drained = {.loop = loop, .room = room, .pieces = 8};
	const char *wrong = drain(&drained, pop3_top_lines(probe_create(&probe), lines, &cut));
	if (wrong)
		fail_msg("%s", wrong);
	assert_int_equal(drained.end, WEIR_DONE);
	assert_int_equal(drained.bytes.size, wanted);
	if (wanted)
		assert_memory_equal(drained.bytes.data, text, wanted);
	assert_int_equal(cut, wanted_cut);
	assert_int_equal(probes_open, 0);
	drain_free(&drained);
}

/* Every text of up to six of the characters that matter. */
static void every_short_message(void **state)
{
	static const char letters[] = "\r\nx";
	for (unsigned size = 0; size <= 6; size++) {
		unsigned count = 1;
		for (unsigned i = 0; i < size; i++)
			count *= 3;
		for (unsigned number = 0; number < count; number++) {
			char text[8] = "";
			for (unsigned i = 0, rest = number; i < size; i++, rest /= 3)
				text[i] = letters[rest % 3];
			for (unsigned lines = 0; lines < 3; lines++)
				for (unsigned step = 1; step <= 3; step++)
					assert_top(*state, text, size, lines, step, 2 + number % 3,
					        PROBE_COPY, false);
		}
	}
}

static void any_pieces(void **state)
{
	static const char text[] = "From: x\r\nTo: y\r\n\r\nfirst\r\n\r\n.third\r\nlast\r\n";
	for (size_t step = 1; step < sizeof text; step++)
		for (unsigned kind = PROBE_LEND; kind <= PROBE_MIXED; kind++)
			for (unsigned lines = 0; lines < 6; lines++)
				assert_top(*state, text, sizeof text - 1, lines, step, 1 + step % 7,
				        (enum probe_kind)kind, step % 2);
}

static void without_memory(void **state)
{
	bool cut;
	struct probe probe = {.loop = *state, .bytes = WEIR_SPAN("x")};
	struct weir_producer *child = probe_create(&probe);
	fail_allocation_after(0, false);
	assert_null(pop3_top_lines(child, 1, &cut));
	stop_failing_allocations();
	assert_null(pop3_top_lines(NULL, 1, &cut));
	assert_int_equal(probes_open, 0);
}

static int setup(void **state)
{
	return weir_loop_create((struct weir_loop **)state);
}

static int teardown(void **state)
{
	weir_loop_destroy(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_short_message),
	        cmocka_unit_test(any_pieces),
	        cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
