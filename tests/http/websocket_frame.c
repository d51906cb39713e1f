/*
 * Frames of WebSocket apart from a connection: headers, masks and UTF-8 beside plain models that do
 * one byte at a time, codes of Close frames, and the key of the handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "websocket_frame.h"
#include "websocket_state.h"

/* -- headers ----------------------------------------------------------------------------------- */

static const struct {
	const char *bytes;
	size_t size; /* of the header */
	bool valid;
	uint64_t payload;
} headers[] = {
        {"\x81\x80mask", 6, true, 0},
        {"\x81\xfdmask", 6, true, 125},
        {"\x81\xfe\0\x7emask", 8, true, 126},
        {"\x81\xfe\xff\xffmask", 8, true, 65535},
        {"\x81\xff\0\0\0\0\0\1\0\0mask", 14, true, 65536},
        {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14, true, INT64_MAX},
        {"\x82\xff\x80\0\0\0\0\0\0\0mask", 14, false, 0}, /* more than 63 bits */
        {"\x81\x05", 2, false, 0},                        /* not masked */
        {"\x81\xfe\0\x7dmask", 8, false, 0},              /* could be shorter */
        {"\x81\xff\0\0\0\0\0\0\xff\xffmask", 14, false, 0},
        {"\x89\xfdmask", 6, true, 125},
        {"\x89\xfe\0\x7emask", 8, false, 0}, /* a control frame that is too long */
        {"\x09\x80mask", 6, false, 0},       /* one in fragments */
        {"\x83\x80mask", 6, false, 0},
        {"\x87\x80mask", 6, false, 0},
        {"\x8b\x80mask", 6, false, 0},
        {"\x8f\x80mask", 6, false, 0},
        {"\x00\x80mask", 6, true, 0},
};

static void headers_are_read_by_their_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		struct websocket_header header;
		const uint8_t *bytes = (const uint8_t *)headers[i].bytes;
		assert_int_equal(websocket_header_size(bytes), headers[i].size);
		assert_int_equal(websocket_header_read(bytes, &header), headers[i].valid);
		if (!headers[i].valid)
			continue;
		assert_int_equal(header.size, headers[i].payload);
		assert_int_equal(header.first, bytes[0]);
		assert_memory_equal(header.mask, "mask", 4);
	}
}

static void headers_are_written_in_the_fewest_bytes(void **state)
{
	static const struct {
		uint64_t size;
		const char *bytes;
		size_t header_size;
	} cases[] = {
	        {0, "\x82\0", 2},
	        {125, "\x82\x7d", 2},
	        {126, "\x82\x7e\0\x7e", 4},
	        {65535, "\x82\x7e\xff\xff", 4},
	        {65536, "\x82\x7f\0\0\0\0\0\1\0\0", 10},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char bytes[WEBSOCKET_HEADER_SENT_MAX];
		assert_int_equal(
		        websocket_header_put(bytes, 0x82, cases[i].size), cases[i].header_size);
		assert_memory_equal(bytes, cases[i].bytes, cases[i].header_size);
	}
}

/* -- masks ------------------------------------------------------------------------------------- */

/* However the bytes are cut, the mask goes on where it was. */
static void masks_are_those_of_single_bytes(void **state)
{
	(void)state;
	srandom(1);
	for (int round = 0; round < 2000; round++) {
		char bytes[100], plain[sizeof bytes];
		uint8_t mask[4], running[4];
		size_t size = (size_t)random() % sizeof bytes;
		for (size_t i = 0; i < size; i++)
			plain[i] = (char)random();
		for (size_t i = 0; i < sizeof mask; i++)
			running[i] = mask[i] = (uint8_t)random();
		for (size_t i = 0; i < size; i++)
			bytes[i] = (char)(plain[i] ^ mask[i % 4]);
		for (size_t at = 0; at < size;) {
			size_t part = (size_t)random() % (size - at) + 1;
			websocket_unmask(bytes + at, part, running);
			at += part;
		}
		assert_memory_equal(bytes, plain, size);
	}
}

/* -- UTF-8 ------------------------------------------------------------------------------------- */

/* RFC 3629 4, by decoding. */
static bool model_is_valid(const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		unsigned count = *at < 0x80       ? 1
		                 : *at >> 5 == 6  ? 2
		                 : *at >> 4 == 14 ? 3
		                 : *at >> 3 == 30 ? 4
		                                  : 0;
		static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
		if (count == 0 || (size_t)(end - at) < count)
			return false;
		uint32_t value = count == 1 ? *at : *at & (0x7fu >> count);
		for (unsigned i = 1; i < count; i++) {
			if (at[i] >> 6 != 2)
				return false;
			value = value << 6 | (at[i] & 0x3f);
		}
		if (value < least[count] || value > 0x10ffff ||
		        (value >= 0xd800 && value <= 0xdfff))
			return false;
		at += count;
	}
	return true;
}

static bool feed_in_parts(struct weir_span text)
{
	struct websocket_utf8 utf8 = {0};
	while (text.size) {
		size_t part = (size_t)random() % text.size + 1;
		if (!websocket_utf8_feed(&utf8, weir_span(text.data, part)))
			return false;
		text = weir_span_skip(text, part);
	}
	return utf8.left == 0;
}

static void check_text(const uint8_t *bytes, size_t size)
{
	struct weir_span text = weir_span(bytes, size);
	bool valid = model_is_valid(bytes, bytes + size);
	assert_int_equal(websocket_utf8_valid(text), valid);
	assert_int_equal(feed_in_parts(text), valid);
}

static void every_character_of_up_to_three_bytes_is_judged_as_the_model_does(void **state)
{
	(void)state;
	srandom(2);
	for (unsigned i = 0; i < 1 << 16; i++)
		check_text((const uint8_t[]){(uint8_t)(i >> 8), (uint8_t)i}, 2);
	for (unsigned i = 0xe00000; i <= 0xefffff; i += 3)
		check_text((const uint8_t[]){(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}, 3);
	for (unsigned i = 0; i < 1 << 16; i++)
		check_text((const uint8_t[]){(uint8_t)(0xf0 | i >> 13), (uint8_t)(0x40 + i % 200),
		                   (uint8_t)(0x80 | (i & 0x3f)), 0x80},
		        4);
}

/* Bytes that are likely to be at the edge of a rule, within ASCII. */
static void texts_are_judged_as_the_model_does(void **state)
{
	static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2,
	        0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
	(void)state;
	srandom(3);
	for (int round = 0; round < 30000; round++) {
		uint8_t text[40];
		size_t size = (size_t)random() % sizeof text;
		for (size_t i = 0; i < size; i++)
			text[i] = random() % 3 ? 'a' : edges[(size_t)random() % sizeof edges];
		check_text(text, size);
	}
}

/* A text is refused at its first wrong byte, and not when its character would end. */
static void wrong_text_is_refused_at_once(void **state)
{
	static const char *const texts[] = {"\xed\xa0", "\xe0\x80", "\xf0\x80", "\xf4\x90", "\xf5",
	        "\xc0", "\x80", "a\xce\xba\xff", "\xce\x61"};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct websocket_utf8 utf8 = {0};
		size_t size = strlen(texts[i]);
		assert_true(websocket_utf8_feed(&utf8, weir_span(texts[i], size - 1)));
		assert_false(websocket_utf8_feed(&utf8, weir_span(texts[i] + size - 1, 1)));
	}
}

/* -- the rest ---------------------------------------------------------------------------------- */

static void codes_are_those_that_may_be_sent(void **state)
{
	static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012,
	        1013, 1014, 3000, 3999, 4000, 4999};
	static const unsigned bad[] = {
	        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(websocket_code_valid(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(websocket_code_valid(bad[i]));
}

static void the_key_has_the_answer_of_rfc_6455(void **state)
{
	char value[WEBSOCKET_ACCEPT_SIZE];
	(void)state;
	assert_true(websocket_accept_value(WEIR_SPAN("dGhlIHNhbXBsZSBub25jZQ=="), value));
	assert_memory_equal(value, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof value);
	assert_false(websocket_accept_value(WEIR_SPAN("short"), value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(headers_are_read_by_their_rules),
	        cmocka_unit_test(headers_are_written_in_the_fewest_bytes),
	        cmocka_unit_test(masks_are_those_of_single_bytes),
	        cmocka_unit_test(every_character_of_up_to_three_bytes_is_judged_as_the_model_does),
	        cmocka_unit_test(texts_are_judged_as_the_model_does),
	        cmocka_unit_test(wrong_text_is_refused_at_once),
	        cmocka_unit_test(codes_are_those_that_may_be_sent),
	        cmocka_unit_test(the_key_has_the_answer_of_rfc_6455),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
