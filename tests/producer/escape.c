/*
 * The escape: overlaps of prefixes, matches across pieces, what is lent, what is withheld while
 * waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "decode.h"
#include "drain.h"
#include "loop_internal.h"
#include "producer_internal.h"

static struct weir_loop *loop;

static int set_up(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static void check(struct weir_span bytes, struct weir_span from, struct weir_span to,
        struct weir_span before, struct dice *dice)
{
	struct weir_buffer model = {0};
	struct probe probe = {.loop = loop,
	        .bytes = bytes,
	        .step = dice_throw(dice, 6),
	        .kind = PROBE_MIXED,
	        .seed = dice->state};
	struct drain drained = {.loop = loop, .dice = *dice};
	replace_all(bytes, from, to, before, &model);
	assert_null(drain(&drained, weir_produce_escape(probe_create(&probe), from, to, before)));
	if (!weir_span_equal(weir_buffer_span(&model), weir_buffer_span(&drained.bytes)))
		fail_msg("'%.*s': '%.*s' to '%.*s' before '%.*s' is '%.*s', not '%.*s'",
		        (int)bytes.size, bytes.data, (int)from.size, from.data, (int)to.size,
		        to.data, (int)before.size, before.data, (int)drained.bytes.size,
		        drained.bytes.data, (int)model.size, model.data);
	weir_buffer_finish(&model);
	drain_free(&drained);
}

static struct weir_span throw_letters(struct dice *dice, char *to, unsigned least, unsigned most)
{
	unsigned size = least + dice_throw(dice, most - least + 1);
	for (unsigned i = 0; i < size; i++)
		to[i] = dice_throw(dice, 4) ? 'a' : 'b';
	return weir_span(to, size);
}

/* An alphabet of two letters makes prefixes overlap as often as can be. */
static void random_strings_of_two_letters(void **state)
{
	(void)state;
	char bytes[200], from[64], to[64], before[20];
	for (uint64_t seed = 1; seed < 4000; seed++) {
		struct dice dice = {.state = seed * 99991};
		unsigned longest = seed % 10 == 0 ? 64 : 6;
		struct weir_span f = throw_letters(&dice, from, 1, longest);
		struct weir_span t = throw_letters(&dice, to, 0, longest);
		struct weir_span p = throw_letters(&dice, before, 0, 20);
		struct weir_span b = throw_letters(&dice, bytes, 0, 200);
		check(b, f, t, p, &dice);
	}
}

static void expect(const char *bytes, const char *from, const char *to, const char *before,
        const char *expected)
{
	struct drain drained = {.loop = loop, .room = 5};
	assert_null(drain(
	        &drained, weir_produce_escape(weir_produce_borrowed(bytes, strlen(bytes)),
	                          weir_span_of(from), weir_span_of(to), weir_span_of(before))));
	assert_int_equal(drained.bytes.size, strlen(expected));
	assert_memory_equal(drained.bytes.data, expected, strlen(expected));
	drain_free(&drained);
}

static void dots_are_stuffed_at_the_very_start_too(void **state)
{
	(void)state;
	expect(".\r\n..\r\na.\r\n.", "\r\n.", "\r\n..", "\r\n", "..\r\n...\r\na.\r\n..");
	expect(".", "\r\n.", "\r\n..", "", ".");
	expect("\r\n", "\r\n.", "\r\n..", "\r\n", "\r\n");
	expect("aaab", "aab", "X", "", "aX");
	expect("b", "aab", "X", "aaa", "");
	expect("c", "aab", "X", "aaa", "c");
}

static enum weir_more ask(struct weir_producer *producer, struct weir_output *out)
{
	static struct weir_piece pieces[64];
	output_init(out, loop, pieces, 64, 60000);
	return weir_producer_more(producer, out);
}

static void only_a_prefix_is_withheld_while_the_child_waits(void **state)
{
	(void)state;
	struct probe probe = {
	        .loop = loop, .bytes = WEIR_SPAN("abc\r\n"), .waits = true, .step = 5};
	struct weir_output out;
	struct weir_producer *escape = weir_produce_escape(
	        probe_create(&probe), WEIR_SPAN("\r\n."), WEIR_SPAN("\r\n.."), WEIR_SPAN(""));
	assert_int_equal(ask(escape, &out), WEIR_WAIT);
	assert_int_equal(ask(escape, &out), WEIR_DONE);
	assert_int_equal(out.size, 5);
	weir_producer_close(escape, WEIR_CLOSE_DONE);

	probe.bytes = WEIR_SPAN("abc\r\nd");
	escape = weir_produce_escape(
	        probe_create(&probe), WEIR_SPAN("\r\n."), WEIR_SPAN("\r\n.."), WEIR_SPAN(""));
	assert_int_equal(ask(escape, &out), WEIR_WAIT);
	assert_int_equal(ask(escape, &out), WEIR_WAIT);
	assert_int_equal(out.size, 3); /* what may become a match is kept, nothing else */
	weir_producer_close(escape, WEIR_CLOSE_ABORTED);
}

static void stretches_without_a_match_are_lent(void **state)
{
	(void)state;
	static char bytes[20000];
	struct weir_output out;
	memset(bytes, 'x', sizeof bytes);
	memcpy(bytes + 10000, "\r\n.", 3);
	struct weir_producer *escape =
	        weir_produce_escape(weir_produce_borrowed(bytes, sizeof bytes), WEIR_SPAN("\r\n."),
	                WEIR_SPAN("\r\n.."), WEIR_SPAN("\r\n"));
	assert_int_equal(ask(escape, &out), WEIR_DONE);
	assert_int_equal(out.count, 3);
	assert_ptr_equal(out.pieces[0].data, bytes);
	assert_int_equal(out.pieces[1].size, 4);
	assert_ptr_equal(out.pieces[2].data, bytes + 10003);
	weir_producer_close(escape, WEIR_CLOSE_DONE);
}

static void strings_out_of_bounds_are_refused(void **state)
{
	(void)state;
	char bytes[65] = {0};
	assert_null(weir_produce_escape(
	        weir_produce_copied("x", 1), weir_span("", 0), weir_span("", 0), weir_span("", 0)));
	assert_null(weir_produce_escape(weir_produce_copied("x", 1), weir_span(bytes, 65),
	        weir_span("", 0), weir_span("", 0)));
	assert_null(weir_produce_escape(weir_produce_copied("x", 1), weir_span(bytes, 1),
	        weir_span(bytes, 65), weir_span("", 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(random_strings_of_two_letters),
	        cmocka_unit_test(dots_are_stuffed_at_the_very_start_too),
	        cmocka_unit_test(only_a_prefix_is_withheld_while_the_child_waits),
	        cmocka_unit_test(stretches_without_a_match_are_lent),
	        cmocka_unit_test(strings_out_of_bounds_are_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
