/* Fields of replies as HPACK: another decoder reads the names and values that were encoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <weir/buffer.h>

#include "h2_head.h"

/* The decoded fields as lines, with names in lower case. */
static struct weir_buffer decode(const char *block, const char *end)
{
	struct weir_buffer text = {0};
	nghttp2_hd_inflater *inflater;
	assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
	for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
		nghttp2_nv field;
		flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(
		        inflater, &field, &flags, (const uint8_t *)block, (size_t)(end - block), 1);
		assert_true(used >= 0);
		block += used;
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			weir_buffer_format(&text, SIZE_MAX, "%s: %s\n", field.name, field.value);
	}
	nghttp2_hd_inflate_del(inflater);
	weir_buffer_append(&text, "", 1, SIZE_MAX);
	return text;
}

static void expect(const char *lines, const char *expected)
{
	char block[2048];
	struct weir_span span = weir_span_of(lines);
	char *end = h2_head_put_lines(block, span);
	assert_true((size_t)(end - block) <= h2_head_lines_max(span.size));
	struct weir_buffer text = decode(block, end);
	assert_string_equal(text.data, expected);
	weir_buffer_finish(&text);
}

static void every_name_stays_itself(void **state)
{
	static const char *const names[] = {"Age", "ETag", "Vary", "Link", "Date", "Allow",
	        "Server", "Expires", "Location", "Set-Cookie", "Retry-After", "Content-Type",
	        "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Range",
	        "Content-Length", "Content-Encoding", "WWW-Authenticate", "Content-Disposition",
	        "Strict-Transport-Security", "Access-Control-Allow-Origin", "X", "Xy", "X-Sized-9",
	        "Content-Typo", "Content-Security-Policy", "Cross-Origin-Opener-Policy-More"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char line[100], expected[100];
		size_t n = 0;
		snprintf(line, sizeof line, "%s: value %zu\r\n", names[i], i);
		for (; names[i][n]; n++)
			expected[n] =
			        (char)(names[i][n] >= 'A' && names[i][n] <= 'Z' ? names[i][n] + 32
			                                                        : names[i][n]);
		snprintf(expected + n, sizeof expected - n, ": value %zu\n", i);
		expect(line, expected);
	}
}

static void lines_of_any_form(void **state)
{
	(void)state;
	expect("", "");
	expect("A: b\r\nC: d: e\r\n", "a: b\nc: d: e\n");
	expect("A:\r\nB:   \r\nC:\t x \r\n", "a: \nb: \nc: x\n");
	expect("no line\r\nA: b", "a: b\n");
	expect("Connection: close\r\nKeep-Alive: 1\r\nUpgrade: x\r\nTransfer-Encoding: y\r\nA: b\r\n",
	        "a: b\n");
}

/* A piece of memory may have other lines later, and two pieces may have equal ones. */
static void cached_lines_are_those_that_are_given(void **state)
{
	static struct h2_lines_cache cache;
	static char memory[H2_LINES_CACHED * 16 * 2 + 1024];
	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		char plain[2048], cached[2048];
		char *lines = memory + round * 48 % (sizeof memory - 1024);
		unsigned long_value = round % 7 == 0 ? H2_LINES_CACHED_MAX : round % 5;
		int size = snprintf(lines, 1000, "A: %u\r\nX-Long: %0*u\r\n", round / 9,
		        (int)long_value + 1, 7u);
		struct weir_span span = weir_span(lines, (size_t)size);
		char *plain_end = h2_head_put_lines(plain, span);
		for (unsigned again = 0; again < 2; again++) {
			char *end = h2_head_put_cached_lines(&cache, cached, span);
			assert_int_equal(end - cached, plain_end - plain);
			assert_memory_equal(cached, plain, (size_t)(end - cached));
		}
	}
}

static void statuses_and_lengths(void **state)
{
	static const unsigned statuses[] = {100, 200, 201, 204, 206, 304, 400, 404, 499, 500, 599};
	static const uint64_t lengths[] = {0, 9, 10, 127, 12345678901234567890ull};
	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char block[64], expected[64];
		char *end = h2_head_put_status(h2_head_put_no_table(block), statuses[i]);
		struct weir_buffer text = decode(block, end);
		snprintf(expected, sizeof expected, ":status: %u\n", statuses[i]);
		assert_string_equal(text.data, expected);
		weir_buffer_finish(&text);
	}
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		char block[64], expected[64];
		struct weir_buffer text = decode(block, h2_head_put_length(block, lengths[i]));
		snprintf(expected, sizeof expected, "content-length: %llu\n",
		        (unsigned long long)lengths[i]);
		assert_string_equal(text.data, expected);
		weir_buffer_finish(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_name_stays_itself),
	        cmocka_unit_test(lines_of_any_form),
	        cmocka_unit_test(cached_lines_are_those_that_are_given),
	        cmocka_unit_test(statuses_and_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
