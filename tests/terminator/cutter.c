/* The cutter's callbacks may change everything; its memory is bounded; its work is linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/cutter.h>
#include <weir/error.h>
#include <weir/list.h>

#include "allocation.h"

struct test {
	struct weir_cutter cutter;
	char text[512];
	size_t size;
	bool held;
	unsigned count;
	int overflow;
	void (*on_request)(struct test *test, struct weir_span request);
	void (*on_piece)(struct test *test, struct weir_span bytes);
};

static void add(struct test *test, const char *kind, struct weir_span bytes)
{
	size_t size = strlen(kind);
	assert_true(test->size + size + bytes.size + 1 < sizeof test->text);
	memcpy(test->text + test->size, kind, size);
	if (bytes.size)
		memcpy(test->text + test->size + size, bytes.data, bytes.size);
	test->size += size + bytes.size;
	test->text[test->size++] = ';';
}

static struct test *test_of(const struct weir_cutter *cutter)
{
	return WEIR_CONTAINER(cutter, struct test, cutter);
}

static void on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct test *test = test_of(cutter);
	test->count++;
	if (test->on_request)
		test->on_request(test, request);
	else
		add(test, "r:", request);
}

static void on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct test *test = test_of(cutter);
	assert_true(bytes.size > 0);
	if (test->on_piece)
		test->on_piece(test, bytes);
	else
		add(test, "p:", bytes);
}

static void on_overflow(struct weir_cutter *cutter, int error)
{
	struct test *test = test_of(cutter);
	test->overflow = error;
	add(test, error == WEIR_E_LIMIT ? "limit" : "syntax", weir_span("", 0));
}

static bool on_held(const struct weir_cutter *cutter)
{
	return test_of(cutter)->held;
}

static const struct weir_cutter_type type = {on_request, on_piece, on_overflow, on_held};

static int feed(struct test *test, const char *text)
{
	return weir_cutter_feed(&test->cutter, &type, weir_span_of(text));
}

static void expect(struct test *test, const char *text)
{
	test->text[test->size] = 0;
	assert_string_equal(test->text, text);
	weir_cutter_finish(&test->cutter);
}

/* -- changes in the callbacks ------------------------------------------------------------------ */

static void length_then_line(struct test *test, struct weir_span request)
{
	add(test, "r:", request);
	if (test->count % 2)
		weir_cutter_await(&test->cutter, weir_length((uint64_t)(request.data[0] - '0')));
	else
		weir_cutter_await(&test->cutter, weir_until_line_end());
}

static void a_terminator_set_in_request_is_for_the_next_byte(void **state)
{
	(void)state;
	const char *input = "3\r\nabc0\r\n2\r\n\r\nxy\r\n";
	const char *expected = "r:3;r:abc;r:0;r:;r:2;r:\r\n;r:xy;";
	for (size_t cut = 0; cut <= strlen(input); cut++) {
		struct test test = {.on_request = length_then_line};
		char first[64] = {0};
		memcpy(first, input, cut);
		weir_cutter_init(&test.cutter, weir_until_line_end(), 100);
		assert_int_equal(feed(&test, first), 0);
		assert_int_equal(feed(&test, input + cut), 0);
		/* "xy" is the seventh, so a length: of the letter, which is much. */
		expect(&test, expected);
	}
}

static void stream_ends_then_line(struct test *test, struct weir_span bytes)
{
	add(test, "p:", bytes);
	test->on_piece = NULL;
	weir_cutter_await(&test->cutter, weir_until_line_end());
}

/*
 * It is given up: its end is not told, since it would be taken for a request of the new terminator.
 */
static void a_stream_may_be_given_up_in_a_piece(void **state)
{
	(void)state;
	struct test test = {.on_piece = stream_ends_then_line};
	weir_cutter_init(&test.cutter, weir_until_line_end(), 100);
	weir_cutter_stream(&test.cutter, weir_length(3));
	assert_int_equal(feed(&test, "abcdef\r\n"), 0);
	expect(&test, "p:abc;r:def;");

	test = (struct test){.on_piece = stream_ends_then_line};
	weir_cutter_stream(&test.cutter, weir_length(30));
	test.cutter.request_max = 100;
	assert_int_equal(feed(&test, "abc"), 0);
	assert_int_equal(feed(&test, "def\r\n"), 0);
	expect(&test, "p:abc;r:def;");
}

static void hold_now(struct test *test, struct weir_span request)
{
	add(test, "r:", request);
	test->held = true;
}

static void a_hold_in_request_keeps_what_follows(void **state)
{
	(void)state;
	struct test test = {.on_request = hold_now};
	weir_cutter_init(&test.cutter, weir_until_line_end(), 100);
	assert_int_equal(feed(&test, "a\r\nb\r\nc\r\nd"), 0);
	assert_int_equal(test.count, 1);
	for (unsigned count = 2; count <= 3; count++) {
		test.held = false;
		assert_int_equal(feed(&test, ""), 0);
		assert_int_equal(test.count, count);
	}
	assert_true(weir_cutter_partial(&test.cutter));
	expect(&test, "r:a;r:b;r:c;");
}

/* -- bounds ------------------------------------------------------------------------------------ */

static void the_bound_is_exact_and_told_once(void **state)
{
	(void)state;
	struct test test = {0};
	weir_cutter_init(&test.cutter, weir_until_line_end(), 4);
	assert_int_equal(feed(&test, "abcd\r\nabcde\r\nx\r\n"), 0);
	for (const char *at = "abcd\r\nabcdefghij\r\ny\r\n"; *at; at++) {
		char byte[2] = {*at};
		assert_int_equal(feed(&test, byte), 0);
	}
	assert_false(weir_cutter_partial(&test.cutter));
	expect(&test, "r:abcd;limit;r:x;r:abcd;limit;r:y;");
}

static enum weir_scan scan_bad(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)seen, (void)before;
	const char *at = memchr(data.data, ';', data.size);
	if (memchr(data.data, '!', data.size))
		return WEIR_SCAN_BAD;
	if (!at)
		return WEIR_SCAN_MORE;
	*ret = (struct weir_cut){.end = (size_t)(at - data.data) + 1, .strip = 1};
	return WEIR_SCAN_FOUND;
}

/* Whoever goes on feeding costs no memory. */
static void what_is_refused_is_not_kept(void **state)
{
	(void)state;
	static const struct weir_terminator_type bad = {"bad", scan_bad};
	struct test test = {0};
	weir_cutter_init(&test.cutter, (struct weir_terminator){.type = &bad}, 100);
	assert_int_equal(feed(&test, "a;b"), 0);
	assert_int_equal(feed(&test, "c!;d;"), 0);
	assert_int_equal(test.overflow, WEIR_E_SYNTAX);
	assert_null(test.cutter.kept);
	for (int i = 0; i < 100; i++)
		assert_int_equal(feed(&test, "e;f;"), 0);
	assert_null(test.cutter.kept);
	expect(&test, "r:a;syntax;");
}

static void between_requests_there_is_no_memory(void **state)
{
	(void)state;
	struct test test = {0};
	weir_cutter_init(&test.cutter, weir_until_line_end(), 100);
	assert_int_equal(feed(&test, "ab"), 0);
	assert_non_null(test.cutter.kept);
	assert_true(weir_cutter_partial(&test.cutter));
	assert_int_equal(feed(&test, "c\r\n"), 0);
	assert_null(test.cutter.kept);
	assert_false(weir_cutter_partial(&test.cutter));
	expect(&test, "r:abc;");
}

/* -- no memory --------------------------------------------------------------------------------- */

static void without_memory_it_says_so_and_can_be_freed(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		struct test test = {0};
		int error = 0;
		weir_cutter_init(&test.cutter, weir_until_line_end(), 1000);
		fail_allocation_after(good, false);
		for (int i = 0; i < 20 && error == 0; i++)
			error = feed(&test, i % 5 == 4 ? "ab\r\ncd" : "0123456789");
		bool failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_cutter_finish(&test.cutter);
		if (!failed)
			break;
	}
}

/* -- linear work ------------------------------------------------------------------------------- */

static struct {
	size_t fresh; /* bytes offered as not seen before */
	size_t seen;  /* of the last call */
	unsigned calls;
} looked;

static enum weir_scan scan_counting(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)before;
	looked.calls++;
	assert_true(seen >= looked.seen && seen < data.size);
	looked.fresh += data.size - seen;
	looked.seen = data.size;
	const char *at = memchr(data.data + seen, ';', data.size - seen);
	if (!at)
		return WEIR_SCAN_MORE;
	looked.seen = 0;
	looked.fresh -= data.size - (size_t)(at + 1 - data.data);
	*ret = (struct weir_cut){.end = (size_t)(at - data.data) + 1, .strip = 1};
	return WEIR_SCAN_FOUND;
}

static void count_request(struct test *test, struct weir_span request)
{
	(void)test, (void)request;
}

/* A byte is offered as fresh once, however the input comes. */
static void no_byte_is_looked_at_twice(void **state)
{
	(void)state;
	static const struct weir_terminator_type counting = {"counting", scan_counting};
	static char input[200000];
	memset(input, 'x', sizeof input);
	for (size_t at = 70000; at < sizeof input; at += 997)
		input[at] = ';';
	input[sizeof input - 1] = ';';
	for (size_t step = 1; step < sizeof input; step = step * 3 + 1) {
		struct test test = {.on_request = count_request};
		memset(&looked, 0, sizeof looked);
		weir_cutter_init(
		        &test.cutter, (struct weir_terminator){.type = &counting}, sizeof input);
		for (size_t at = 0; at < sizeof input; at += step) {
			size_t size = sizeof input - at < step ? sizeof input - at : step;
			assert_int_equal(
			        weir_cutter_feed(&test.cutter, &type, weir_span(input + at, size)),
			        0);
		}
		assert_int_equal(looked.fresh, sizeof input);
		assert_null(test.cutter.kept);
	}
}

/* The worst of delimiters, byte by byte and in one: it must end in a moment. */
static void equal_bytes_cost_no_square(void **state)
{
	(void)state;
	static char delimiter[256], input[1 << 20];
	memset(delimiter, 'a', sizeof delimiter);
	delimiter[255] = 'b';
	memset(input, 'a', sizeof input);
	for (int streamed = 0; streamed <= 1; streamed++) {
		struct test test = {.on_request = count_request, .on_piece = count_request};
		struct weir_terminator until = weir_until(weir_span(delimiter, sizeof delimiter));
		weir_cutter_init(&test.cutter, until, sizeof input);
		if (streamed)
			weir_cutter_stream(&test.cutter, until);
		for (size_t at = 0; at < sizeof input; at += 64)
			weir_cutter_feed(&test.cutter, &type, weir_span(input + at, 64));
		assert_int_equal(feed(&test, "b"), 0);
		assert_int_equal(test.count, 1);
		weir_cutter_finish(&test.cutter);
	}
}

static void a_terabyte_is_streamed_by_count(void **state)
{
	(void)state;
	struct test test = {.on_piece = count_request};
	uint64_t length = (uint64_t)1 << 40;
	weir_cutter_init(&test.cutter, weir_until_line_end(), 10);
	weir_cutter_stream(&test.cutter, weir_length(length));
	assert_int_equal(feed(&test, "ab"), 0);
	assert_int_equal(test.cutter.before, 2);
	test.cutter.before = length - 2;
	assert_int_equal(feed(&test, "a"), 0);
	assert_int_equal(test.count, 0);
	assert_int_equal(feed(&test, "bcd"), 0);
	assert_int_equal(test.count, 1);
	assert_int_equal(test.cutter.before, 2);
	weir_cutter_finish(&test.cutter);
}

static void a_length_of_nothing_is_not_met_for_ever(void **state)
{
	(void)state;
	struct test test = {0};
	weir_cutter_init(&test.cutter, weir_length(0), 10);
	assert_int_equal(feed(&test, "abc"), 0);
	assert_int_equal(test.count, 1);
	assert_int_equal(test.overflow, WEIR_E_SYNTAX);
	weir_cutter_finish(&test.cutter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_terminator_set_in_request_is_for_the_next_byte),
	        cmocka_unit_test(a_stream_may_be_given_up_in_a_piece),
	        cmocka_unit_test(a_hold_in_request_keeps_what_follows),
	        cmocka_unit_test(the_bound_is_exact_and_told_once),
	        cmocka_unit_test(what_is_refused_is_not_kept),
	        cmocka_unit_test(between_requests_there_is_no_memory),
	        cmocka_unit_test(without_memory_it_says_so_and_can_be_freed),
	        cmocka_unit_test(no_byte_is_looked_at_twice),
	        cmocka_unit_test(equal_bytes_cost_no_square),
	        cmocka_unit_test(a_terabyte_is_streamed_by_count),
	        cmocka_unit_test(a_length_of_nothing_is_not_met_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
