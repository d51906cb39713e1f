/* Spans: comparison, cutting, and numbers to their very limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/span.h>

static void compare(void **state)
{
	struct weir_span none = weir_span(NULL, 0);
	(void)state;
	assert_true(weir_span_equal(none, WEIR_SPAN("")));
	assert_true(weir_span_equal(weir_span("a\0b", 3), WEIR_SPAN("a\0b")));
	assert_false(weir_span_equal(WEIR_SPAN("a"), WEIR_SPAN("ab")));
	assert_true(weir_span_starts(WEIR_SPAN("ab"), WEIR_SPAN("a")));
	assert_true(weir_span_starts(none, none));
	assert_false(weir_span_starts(WEIR_SPAN("a"), WEIR_SPAN("ab")));
	assert_true(weir_span_equal_nocase(WEIR_SPAN("aZ-9"), WEIR_SPAN("Az-9")));
	assert_true(weir_span_equal_nocase(none, none));
	assert_false(weir_span_equal_nocase(WEIR_SPAN("a"), WEIR_SPAN("ab")));
	/* Neighbours of the letters are not letters. */
	assert_false(weir_span_equal_nocase(WEIR_SPAN("@[`{"), WEIR_SPAN("`{@[")));
	assert_false(weir_span_equal_nocase(WEIR_SPAN("\xc4"), WEIR_SPAN("\xe4")));
}

static void trim_and_skip(void **state)
{
	(void)state;
	assert_true(weir_span_equal(weir_span_trim(WEIR_SPAN(" \ta b\t ")), WEIR_SPAN("a b")));
	assert_true(weir_span_equal(weir_span_trim(WEIR_SPAN("\na\n")), WEIR_SPAN("\na\n")));
	assert_int_equal(weir_span_trim(WEIR_SPAN(" \t ")).size, 0);
	assert_int_equal(weir_span_trim(weir_span(NULL, 0)).size, 0);
	assert_null(weir_span_skip(weir_span(NULL, 0), 0).data);
	assert_true(weir_span_equal(weir_span_skip(WEIR_SPAN("abc"), 2), WEIR_SPAN("c")));
}

static void cut(void **state)
{
	struct weir_span rest = WEIR_SPAN("a,,b"), head;
	(void)state;
	assert_true(weir_span_cut(&rest, ',', &head));
	assert_true(weir_span_equal(head, WEIR_SPAN("a")));
	assert_true(weir_span_cut(&rest, ',', &head));
	assert_int_equal(head.size, 0);
	assert_false(weir_span_cut(&rest, ',', &head));
	assert_true(weir_span_equal(head, WEIR_SPAN("b")));
	assert_int_equal(rest.size, 0);
	assert_false(weir_span_cut(&rest, ',', &head));
	assert_int_equal(head.size, 0);
	rest = weir_span(NULL, 0);
	assert_false(weir_span_cut(&rest, ',', &head));
	rest = WEIR_SPAN("a,");
	assert_true(weir_span_cut(&rest, ',', &head));
	assert_int_equal(rest.size, 0);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		unsigned base;
		int error;
		uint64_t value;
	} cases[] = {
	        {"0", 10, 0, 0},
	        {"007", 10, 0, 7},
	        {"18446744073709551615", 10, 0, UINT64_MAX},
	        {"000000000000000000000018446744073709551615", 10, 0, UINT64_MAX},
	        {"18446744073709551616", 10, WEIR_E_LIMIT, 0},
	        {"18446744073709551620", 10, WEIR_E_LIMIT, 0},
	        {"184467440737095516150", 10, WEIR_E_LIMIT, 0},
	        {"fFfFfFfFfFfFfFfF", 16, 0, UINT64_MAX},
	        {"10000000000000000", 16, WEIR_E_LIMIT, 0},
	        {"", 10, WEIR_E_SYNTAX, 0},
	        {"a", 10, WEIR_E_SYNTAX, 0},
	        {"g", 16, WEIR_E_SYNTAX, 0},
	        {"0x1", 16, WEIR_E_SYNTAX, 0},
	        {"+1", 10, WEIR_E_SYNTAX, 0},
	        {"-1", 10, WEIR_E_SYNTAX, 0},
	        {" 1", 10, WEIR_E_SYNTAX, 0},
	        {"1 ", 10, WEIR_E_SYNTAX, 0},
	        {"1_0", 10, WEIR_E_SYNTAX, 0},
	        {"\xb2", 10, WEIR_E_SYNTAX, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t value = 99;
		int error = weir_span_number(weir_span_of(cases[i].text), cases[i].base, &value);
		if (error != cases[i].error || value != (error ? 99 : cases[i].value))
			fail_msg("%s: %d", cases[i].text, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(compare),
	        cmocka_unit_test(trim_and_skip),
	        cmocka_unit_test(cut),
	        cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
