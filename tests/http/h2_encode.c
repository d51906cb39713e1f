/* Fields of replies as HPACK: another decoder reads the names and values that were encoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/buffer.h>

#include <nghttp2/nghttp2.h>

#include "encoder.h"

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
	h2_table_finish(&encoder.table);
	char *end = encoder_put_lines(block, span);
	assert_true((size_t)(end - block) <= h2_encode_lines_max(span.size));
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
	expect(": no name\r\nA: b\r\n:\n", "a: b\n");
	expect("Connection: close\r\nKeep-Alive: 1\r\nUpgrade: x\r\nTransfer-Encoding: y\r\nA: b\r\n",
	        "a: b\n");
}

/* Repeats a line. Both ways to encode it must keep to the bound. */
static void expect_room(const char *line, size_t times)
{
	char lines[2048], block[4096];
	size_t size = strlen(line);
	for (size_t i = 0; i < times; i++)
		memcpy(lines + i * size, line, size);
	struct weir_span span = weir_span(lines, times * size);
	struct http_encoded_lines *encoded = h2_encode_lines(&encoder.intern, span);
	assert_non_null(encoded);
	size_t literals = 0;
	for (size_t i = 0; i < encoded->count; i++)
		literals += encoded->fields[i].size;
	assert_true(literals <= h2_encode_lines_max(span.size));
	free(encoded);
	h2_table_finish(&encoder.table);
	char *end = encoder_put_lines(block, span);
	assert_true((size_t)(end - block) <= h2_encode_lines_max(span.size));
}

static void short_lines_have_room(void **state)
{
	static const char *const lines[] = {
	        "A:\n", "A:b\n", "A:\r\n", "A: b\r\n", "Ab:c\n", ":\n", "Age:1\n", "Set-Cookie:\n"};
	(void)state;
	/* Entries of a table would be shorter. */
	h2_table_set_size(&encoder.table, 0);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		for (size_t times = 1; times <= 160; times++)
			expect_room(lines[i], times);
}

static void a_date_may_be_that_of_second_0(void **state)
{
	static const char first[] = "Thu, 01 Jan 1970 00:00:00 GMT";
	struct h2_encoded_date date = {0};
	char block[128];
	(void)state;
	assert_false(h2_encode_has_date(&date, 0));
	h2_encode_date(&date, &encoder.intern, 0, first);
	assert_true(h2_encode_has_date(&date, 0) && !h2_encode_has_date(&date, 1));
	struct weir_buffer text = decode(block, h2_encode_put_date(block, &encoder.table, &date));
	assert_string_equal(text.data, "date: Thu, 01 Jan 1970 00:00:00 GMT\n");
	weir_buffer_finish(&text);
}

/* Another decoder finds the same fields, and there is nothing behind them. */
static void encoded_lines_are_the_same_fields(void **state)
{
	static const char *const lines[] = {"A: b\r\n", "ETag: \"abc-123\"\r\nX-Empty:\r\n",
	        "Content-Type: text/html; charset=utf-8\r\nX: \x01\x7f\xff\r\n",
	        "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "\r\n"};
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		char plain[2048];
		struct weir_span span = weir_span_of(lines[i]);
		char *end = encoder_put_lines(plain, span), coded[2048];
		struct http_encoded_lines *encoded = h2_encode_lines(&encoder.intern, span);
		assert_non_null(encoded);
		h2_table_finish(&encoder.table);
		char *coded_end = h2_encode_put_encoded(coded, &encoder.table, encoded);
		assert_true(coded_end - coded <= end - plain);
		struct weir_buffer expected = decode(plain, end);
		struct weir_buffer text = decode(coded, coded_end);
		assert_string_equal(text.data, expected.data);
		weir_buffer_finish(&expected);
		weir_buffer_finish(&text);
		free(encoded);
	}
}

/* All texts of two symbols, and what becomes of them. */
static void every_symbol_is_encoded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 65536; i++) {
		char text[2] = {(char)(i >> 8), (char)i}, coded[8], decoded[16];
		struct weir_span span = weir_span(text, 2);
		char *end = h2_huffman_encode(&encoder.huffman, span, coded);
		assert_int_equal(end - coded, h2_huffman_size(&encoder.huffman, span));
		char *decoded_end = h2_huffman_decode(
		        &encoder.huffman, (const uint8_t *)coded, (const uint8_t *)end, decoded);
		assert_true(decoded_end == decoded + 2);
		assert_memory_equal(decoded, text, 2);
	}
}

static void statuses_and_lengths(void **state)
{
	static const unsigned statuses[] = {100, 200, 201, 204, 206, 304, 400, 404, 499, 500, 599};
	static const uint64_t lengths[] = {0, 9, 10, 127, 12345678901234567890ull};
	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char block[64], expected[64];
		char *end = h2_encode_put_status(block, statuses[i]);
		struct weir_buffer text = decode(block, end);
		snprintf(expected, sizeof expected, ":status: %u\n", statuses[i]);
		assert_string_equal(text.data, expected);
		weir_buffer_finish(&text);
	}
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		char block[64], expected[64];
		struct weir_buffer text = decode(block, h2_encode_put_length(block, lengths[i]));
		snprintf(expected, sizeof expected, "content-length: %llu\n",
		        (unsigned long long)lengths[i]);
		assert_string_equal(text.data, expected);
		weir_buffer_finish(&text);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, encoder_set_up, encoder_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(every_name_stays_itself),
	        TEST(lines_of_any_form),
	        TEST(short_lines_have_room),
	        TEST(a_date_may_be_that_of_second_0),
	        TEST(encoded_lines_are_the_same_fields),
	        TEST(every_symbol_is_encoded),
	        TEST(statuses_and_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
