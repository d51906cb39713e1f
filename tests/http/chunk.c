/* Chunk lines and trailer fields: nothing is skipped that is not of the grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "head.h"

static void accepted_lines(void **state)
{
	static const struct {
		const char *line;
		uint64_t size;
	} cases[] = {
	        {"0", 0},
	        {"5", 5},
	        {"fF", 255},
	        {"0000000000000005", 5},
	        {"7fffffffffffffff", INT64_MAX},
	        {"5;a", 5},
	        {"5 ; a", 5},
	        {"5\t;\ta\t=\tb", 5},
	        {"5;a=b;c=\"d;\\\"e\";f", 5},
	        {"5;a=\"\"", 5},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t size = 99;
		if (http_chunk_parse(weir_span_of(cases[i].line), &size) != 0 ||
		        size != cases[i].size)
			fail_msg("%s", cases[i].line);
	}
}

static void refused_lines(void **state)
{
	static const struct {
		const char *what, *line;
		int error;
	} cases[] = {
	        {"nothing", "", WEIR_E_SYNTAX},
	        {"a space before the size", " 5", WEIR_E_SYNTAX},
	        {"a space behind the size", "5 ", WEIR_E_SYNTAX},
	        {"a prefix 0x", "0x5", WEIR_E_SYNTAX},
	        {"a sign", "+5", WEIR_E_SYNTAX},
	        {"a negative size", "-5", WEIR_E_SYNTAX},
	        {"no hexadecimal digit", "g", WEIR_E_SYNTAX},
	        {"junk behind the size", "5g", WEIR_E_SYNTAX},
	        {"a second number", "5 5", WEIR_E_SYNTAX},
	        {"a comma", "5,5", WEIR_E_SYNTAX},
	        {"an underscore", "5_0", WEIR_E_SYNTAX},
	        {"17 digits", "00000000000000005", WEIR_E_LIMIT},
	        {"2^63", "8000000000000000", WEIR_E_LIMIT},
	        {"2^64-1", "ffffffffffffffff", WEIR_E_LIMIT},
	        {"an empty extension", "5;", WEIR_E_SYNTAX},
	        {"two semicolons", "5;;a", WEIR_E_SYNTAX},
	        {"an extension without a value", "5;a=", WEIR_E_SYNTAX},
	        {"an extension without a name", "5;=b", WEIR_E_SYNTAX},
	        {"a value that is no token", "5;a=b c", WEIR_E_SYNTAX},
	        {"an open quote", "5;a=\"b", WEIR_E_SYNTAX},
	        {"a quote that ends in a backslash", "5;a=\"b\\", WEIR_E_SYNTAX},
	        {"an escaped quote at the end", "5;a=\"b\\\"", WEIR_E_SYNTAX},
	        {"LF in an extension", "5;a\nb", WEIR_E_SYNTAX},
	        {"CR in a quoted value", "5;a=\"\r\"", WEIR_E_SYNTAX},
	        {"LF behind a backslash", "5;a=\"\\\n\"", WEIR_E_SYNTAX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t size = 99;
		int error = http_chunk_parse(weir_span_of(cases[i].line), &size);
		if (error != cases[i].error || size != 99)
			fail_msg("%s: %d", cases[i].what, error);
	}
}

static void long_line(void **state)
{
	char line[WEIR_HTTP_CHUNK_LINE_MAX + 1];
	uint64_t size;
	(void)state;
	memset(line, 'a', sizeof line);
	memcpy(line, "1;", 2);
	assert_int_equal(http_chunk_parse(weir_span(line, WEIR_HTTP_CHUNK_LINE_MAX), &size), 0);
	assert_int_equal(http_chunk_parse(weir_span(line, sizeof line), &size), WEIR_E_LIMIT);
}

static void trailers(void **state)
{
	static const char *const refused[] = {"", "a", "a : b", ": b", " a: b", "a: b\r", "a: \x01",
	        "a: b\n", "a\tb: c", "a: \x7f"};
	struct weir_http_field field;
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_int_equal(
		        http_trailer_parse(weir_span_of(refused[i]), &field), WEIR_E_SYNTAX);
	assert_int_equal(http_trailer_parse(weir_span("a: b\0c", 6), &field), WEIR_E_SYNTAX);
	assert_int_equal(http_trailer_parse(WEIR_SPAN("A-b:\t c d "), &field), 0);
	assert_true(weir_span_equal(field.name, WEIR_SPAN("A-b")));
	assert_true(weir_span_equal(field.value, WEIR_SPAN("c d")));
	assert_int_equal(http_trailer_parse(WEIR_SPAN("A:"), &field), 0);
	assert_int_equal(field.value.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(accepted_lines),
	        cmocka_unit_test(refused_lines),
	        cmocka_unit_test(long_line),
	        cmocka_unit_test(trailers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
