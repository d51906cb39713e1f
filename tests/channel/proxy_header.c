/* The PROXY header, read from a growing input: every prefix of a header is incomplete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The bytes of a literal, without its NUL. */
#define BYTES(text) weir_span(text, sizeof text - 1)

/* Reads every prefix, in memory of just its size; then the whole, with more input behind it. */
static ssize_t read_by_bytes(struct weir_span whole, struct proxy_header *ret)
{
	for (size_t size = 0; size < whole.size; size++) {
		char *copy = malloc(size ? size : 1);
		assert_non_null(copy);
		memcpy(copy, whole.data, size);
		ssize_t got = proxy_header_read(weir_span(copy, size), ret);
		free(copy);
		if (got < 0)
			return got;
		assert_int_equal(got, 0);
	}
	char *longer = malloc(whole.size + 1);
	assert_non_null(longer);
	memcpy(longer, whole.data, whole.size);
	longer[whole.size] = 'x';
	ssize_t got = proxy_header_read(weir_span(longer, whole.size + 1), ret);
	free(longer);
	return got;
}

static void assert_source(const struct proxy_header *header, const char *source, const char *to)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	assert_true(header->known);
	weir_address_format(&header->source, text);
	assert_string_equal(text, source);
	weir_address_format(&header->destination, text);
	assert_string_equal(text, to);
}

static void version_1_names_the_client(void **state)
{
	(void)state;
	static const struct {
		const char *line, *source, *to;
	} cases[] = {
	        {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1:56324",
	                "198.51.100.2:443"},
	        {"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255:65535",
	                "0.0.0.0:0"},
	        {"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1", "[::1]:2"},
	        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct proxy_header header;
		struct weir_span line = weir_span_of(cases[i].line);
		assert_int_equal(read_by_bytes(line, &header), line.size);
		assert_source(&header, cases[i].source, cases[i].to);
	}
}

static void unknown_clients_have_no_address(void **state)
{
	(void)state;
	static const char *const lines[] = {
	        "PROXY UNKNOWN\r\n",
	        "PROXY UNKNOWN ffff::1 whatever it is\r\n",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct proxy_header header = {.known = true};
		struct weir_span line = weir_span_of(lines[i]);
		assert_int_equal(read_by_bytes(line, &header), line.size);
		assert_false(header.known);
	}
}

static void version_1_has_one_form(void **state)
{
	(void)state;
	static const char *const lines[] = {
	        "GET / HTTP/1.1\r\n",
	        "PROXY\r\n",
	        "PROXY \r\n",
	        "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r2\r\n",
	        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
	        "PROXY TCP4 192.0.2.1 192.0.2.2 1 000002\r\n",
	        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
	        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
	        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
	        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
	        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
	        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
	        "PROXY UNKNOWNS\r\n",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct proxy_header header;
		assert_int_equal(read_by_bytes(weir_span_of(lines[i]), &header), WEIR_E_SYNTAX);
	}
	struct proxy_header header;
	assert_int_equal(read_by_bytes(BYTES("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), &header),
	        WEIR_E_SYNTAX);
}

static void a_line_has_107_bytes_at_most(void **state)
{
	(void)state;
	char line[108] = "PROXY UNKNOWN ";
	struct proxy_header header;
	memset(line + 14, 'x', sizeof line - 14);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(proxy_header_read(weir_span(line, 107), &header), 107);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(proxy_header_read(weir_span(line, 106), &header), 0);
	assert_int_equal(proxy_header_read(weir_span(line, 107), &header), WEIR_E_SYNTAX);
	assert_int_equal(proxy_header_read(weir_span(line, 108), &header), WEIR_E_SYNTAX);
}

static void version_2_names_the_client(void **state)
{
	(void)state;
	struct proxy_header header;
	struct weir_span inet =
	        BYTES(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb");
	assert_int_equal(read_by_bytes(inet, &header), 28);
	assert_source(&header, "192.0.2.1:56324", "198.51.100.2:443");
	struct weir_span inet6 =
	        BYTES(SIGNATURE "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	                        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\0\2");
	assert_int_equal(read_by_bytes(inet6, &header), 52);
	assert_source(&header, "[2001:db8::1]:1", "[2001:db8::2]:2");
}

static void some_commands_and_families_name_nobody(void **state)
{
	(void)state;
	char unix_socket[16 + 216] = SIGNATURE "\x21\x31\0\xd8";
	const struct weir_span cases[] = {
	        BYTES(SIGNATURE "\x20\0\0\0"),
	        BYTES(SIGNATURE "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	        BYTES(SIGNATURE "\x20\xff\0\2xx"),
	        BYTES(SIGNATURE "\x21\0\0\0"),
	        BYTES(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"),
	        weir_span(unix_socket, sizeof unix_socket),
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct proxy_header header = {.known = true};
		assert_int_equal(read_by_bytes(cases[i], &header), cases[i].size);
		assert_false(header.known);
	}
}

static void version_2_is_strict(void **state)
{
	(void)state;
#define INET "\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"
	const struct weir_span cases[] = {
	        BYTES("\r\n\r\n\1\r\nQUIT\n\x21\x11\0\x0c" INET),
	        BYTES(SIGNATURE "\x11\x11\0\x0c" INET), /* the version */
	        BYTES(SIGNATURE "\x22\x11\0\x0c" INET), /* the command */
	        BYTES(SIGNATURE "\x21\x41\0\x0c" INET), /* the family */
	        BYTES(SIGNATURE "\x21\x13\0\x0c" INET), /* the transport */
	        BYTES(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1"),
	        BYTES(SIGNATURE "\x21\x21\0\x0c" INET),
	        BYTES(SIGNATURE "\x21\x11\0\x0e" INET "\4\0"),    /* half a TLV */
	        BYTES(SIGNATURE "\x21\x11\0\x0f" INET "\4\0\1"),  /* a TLV that is cut off */
	        BYTES(SIGNATURE "\x21\x11\0\x10" INET "\3\0\1x"), /* a checksum of one byte */
	        BYTES(SIGNATURE "\x21\x11\0\x13" INET "\3\0\4abcd"),
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct proxy_header header;
		assert_int_equal(read_by_bytes(cases[i], &header), WEIR_E_SYNTAX);
	}
}

static void tlvs_are_skipped_and_the_checksum_counts(void **state)
{
	(void)state;
	struct proxy_header header;
	struct weir_span none = BYTES(SIGNATURE "\x21\x11\0\x12" INET "\4\0\0\xe0\0\0");
	assert_int_equal(read_by_bytes(none, &header), none.size);
	assert_true(header.known);
	/* The CRC-32C of the header with zeros in its place. */
	char with[16 + 12 + 7] = SIGNATURE "\x21\x11\0\x13" INET "\3\0\4";
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < sizeof with; i++)
		for (int bit = 0; bit < 8; bit++) {
			bool one = (crc ^ (uint8_t)with[i] >> bit) & 1;
			crc = crc >> 1 ^ (one ? 0x82f63b78U : 0);
		}
	for (int i = 0; i < 4; i++)
		with[sizeof with - 4 + i] = (char)(~crc >> (24 - 8 * i));
	assert_int_equal(read_by_bytes(weir_span(with, sizeof with), &header), sizeof with);
	/* Behind the command, except for the type of the checksum: TLVs of others are skipped. */
	for (size_t i = 13; i < sizeof with; i++) {
		if (i == 28)
			continue;
		with[i] ^= 1;
		assert_int_not_equal(
		        read_by_bytes(weir_span(with, sizeof with), &header), sizeof with);
		with[i] ^= 1;
	}
}

static void a_large_header_is_refused_early(void **state)
{
	(void)state;
	struct proxy_header header;
	assert_int_equal(proxy_header_read(BYTES(SIGNATURE "\x21\x11\x0f\xf0"), &header), 0);
	assert_int_equal(
	        proxy_header_read(BYTES(SIGNATURE "\x21\x11\x0f\xf1"), &header), WEIR_E_LIMIT);
	assert_int_equal(
	        proxy_header_read(BYTES(SIGNATURE "\x20\0\xff\xff"), &header), WEIR_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(version_1_names_the_client),
	        cmocka_unit_test(unknown_clients_have_no_address),
	        cmocka_unit_test(version_1_has_one_form),
	        cmocka_unit_test(a_line_has_107_bytes_at_most),
	        cmocka_unit_test(version_2_names_the_client),
	        cmocka_unit_test(some_commands_and_families_name_nobody),
	        cmocka_unit_test(version_2_is_strict),
	        cmocka_unit_test(tlvs_are_skipped_and_the_checksum_counts),
	        cmocka_unit_test(a_large_header_is_refused_early),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
