/* Each terminator by itself: what it finds, what it holds back, how far it looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/limits.h>
#include <weir/terminator.h>

static enum weir_scan scan(
        struct weir_terminator *terminator, const char *data, size_t seen, struct weir_cut *ret)
{
	*ret = (struct weir_cut){0};
	return terminator->type->scan(terminator, weir_span_of(data), seen, 0, ret);
}

static void a_delimiter_is_found_and_stripped(void **state)
{
	(void)state;
	static const struct {
		const char *delimiter, *data;
		size_t end;
	} cases[] = {
	        {"\n", "\n", 1},
	        {"\n", "abc\nd\n", 4},
	        {"aab", "aaaab", 5},
	        {"aab", "aabaab", 3},
	        {"\r\n.\r\n", "a\r\n.\r\r\n.\r\n", 10},
	        {"abab", "abaabab", 7},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_terminator until = weir_until(weir_span_of(cases[i].delimiter));
		struct weir_cut cut;
		assert_int_equal(scan(&until, cases[i].data, 0, &cut), WEIR_SCAN_FOUND);
		assert_int_equal(cut.end, cases[i].end);
		assert_int_equal(cut.strip, strlen(cases[i].delimiter));
	}
}

static void the_longest_beginning_is_held(void **state)
{
	(void)state;
	static const struct {
		const char *delimiter, *data;
		size_t hold;
	} cases[] = {
	        {"\n", "abc", 0},
	        {"\r\n", "abc\r", 1},
	        {"aab", "aaaa", 2},
	        {"aab", "a", 1},
	        {"aab", "ba", 1},
	        {"\r\n.\r\n", "\r\n.\r", 4},
	        {"\r\n.\r\n", "\r\n.\r\r", 1},
	        {"abac", "ababa", 3},
	        {"abac", "abab", 2},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_terminator until = weir_until(weir_span_of(cases[i].delimiter));
		struct weir_cut cut;
		assert_int_equal(scan(&until, cases[i].data, 0, &cut), WEIR_SCAN_MORE);
		assert_int_equal(cut.hold, cases[i].hold);
	}
}

/* Of equal bytes every start is a candidate. */
static void the_longest_delimiter_works(void **state)
{
	(void)state;
	char delimiter[WEIR_DELIMITER_MAX], data[600];
	memset(delimiter, 'a', sizeof delimiter);
	memset(data, 'a', sizeof data);
	struct weir_terminator until = weir_until(weir_span(delimiter, sizeof delimiter));
	for (size_t size = 0; size < sizeof delimiter; size++) {
		struct weir_cut cut = {0};
		assert_int_equal(until.type->scan(&until, weir_span(data, size), 0, 0, &cut),
		        WEIR_SCAN_MORE);
		assert_int_equal(cut.hold, size);
	}
	for (size_t lead = 0; lead < 300; lead++) {
		struct weir_cut cut = {0};
		memset(data, 'a', sizeof data);
		if (lead)
			data[lead - 1] = 'b';
		assert_int_equal(
		        until.type->scan(&until, weir_span(data, lead + 256), lead, 0, &cut),
		        WEIR_SCAN_FOUND);
		assert_true(cut.end <= lead + 256 && cut.end >= 256);
	}
}

/* Bytes that were seen without a match are looked at again only where a match may straddle. */
static void what_was_seen_is_not_searched_again(void **state)
{
	(void)state;
	struct weir_terminator until = weir_until(WEIR_SPAN("\r\n"));
	struct weir_cut cut;
	assert_int_equal(scan(&until, "a\r\nbc", 5, &cut), WEIR_SCAN_MORE);
	assert_int_equal(scan(&until, "abc\r\n", 4, &cut), WEIR_SCAN_FOUND);
	assert_int_equal(cut.end, 5);
}

static void a_line_ends_in_lf_or_crlf(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		size_t seen, end, strip, hold;
	} cases[] = {
	        {"\n", 0, 1, 1, 0},
	        {"\r\n", 0, 2, 2, 0},
	        {"\r\n", 1, 2, 2, 0},
	        {"a\nb\r\n", 0, 2, 1, 0},
	        {"a\rb\r\nc", 0, 5, 2, 0},
	        {"a\r\r\n", 3, 4, 2, 0},
	        {"", 0, 0, 0, 0},
	        {"ab", 0, 0, 0, 0},
	        {"ab\r", 0, 0, 0, 1},
	        {"a\r\r", 2, 0, 0, 1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct weir_terminator line = weir_until_any_line_end();
		struct weir_cut cut;
		assert_int_equal(scan(&line, cases[i].data, cases[i].seen, &cut),
		        cases[i].end ? WEIR_SCAN_FOUND : WEIR_SCAN_MORE);
		assert_int_equal(cut.end, cases[i].end);
		assert_int_equal(cut.strip, cases[i].strip);
		assert_int_equal(cut.hold, cases[i].hold);
	}
}

static void a_length_counts_what_went_before(void **state)
{
	(void)state;
	const uint64_t sizes[] = {0, 1, 2, 3, (uint64_t)1 << 40, UINT64_MAX};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct weir_terminator length = weir_length(sizes[i]);
		uint64_t before = sizes[i] > 2 ? sizes[i] - 2 : 0;
		size_t left = (size_t)(sizes[i] - before);
		for (size_t size = 0; size <= 4; size++) {
			struct weir_cut cut = {0};
			enum weir_scan found = length.type->scan(
			        &length, weir_span("abcd", size), 0, before, &cut);
			assert_int_equal(found, size < left ? WEIR_SCAN_MORE : WEIR_SCAN_FOUND);
			assert_int_equal(cut.end, size < left ? 0 : left);
			assert_int_equal(cut.strip, 0);
			assert_int_equal(cut.hold, 0);
		}
	}
}

static void everything_never_ends(void **state)
{
	(void)state;
	struct weir_terminator everything = weir_everything();
	struct weir_cut cut;
	assert_int_equal(scan(&everything, "", 0, &cut), WEIR_SCAN_MORE);
	assert_int_equal(scan(&everything, "\r\n.\r\n", 0, &cut), WEIR_SCAN_MORE);
	assert_int_equal(cut.hold, 0);
}

static void a_delimiter_of_no_size_or_too_long_refuses_all_input(void **state)
{
	(void)state;
	static char bytes[WEIR_DELIMITER_MAX + 1];
	static const size_t sizes[] = {0, WEIR_DELIMITER_MAX + 1};
	for (unsigned i = 0; i < 2; i++) {
		struct weir_terminator terminator = weir_until(weir_span(bytes, sizes[i]));
		struct weir_cut cut = {0};
		assert_int_equal(terminator.type->scan(&terminator, WEIR_SPAN("abc"), 0, 0, &cut),
		        WEIR_SCAN_BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_delimiter_is_found_and_stripped),
	        cmocka_unit_test(the_longest_beginning_is_held),
	        cmocka_unit_test(the_longest_delimiter_works),
	        cmocka_unit_test(a_delimiter_of_no_size_or_too_long_refuses_all_input),
	        cmocka_unit_test(what_was_seen_is_not_searched_again),
	        cmocka_unit_test(a_line_ends_in_lf_or_crlf),
	        cmocka_unit_test(a_length_counts_what_went_before),
	        cmocka_unit_test(everything_never_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
