/*
 * Fields of replies in HPACK (RFC 7541) without state: names and some values by the static table,
 * everything else as a literal that no table stores. So a connection has no encoder, and a field
 * costs a copy. Only text that is encoded once for many replies has Huffman coding.
 */
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "fields.h"
#include "h2_head.h"
#include "syntax.h"

/* RFC 7541 5.1: an integer behind a prefix of `bits` bits, the rest of whose byte is `high`. */
static char *h2_encode_put_integer(char *to, unsigned high, unsigned bits, size_t value)
{
	unsigned most = (1u << bits) - 1;
	if (value < most) {
		*to++ = (char)(high | value);
		return to;
	}
	*to++ = (char)(high | most);
	for (value -= most; value >= 128; value >>= 7)
		*to++ = (char)((value & 127) | 128);
	*to++ = (char)value;
	return to;
}

/* Codes that are not NULL are used where the text becomes shorter by that. */
static char *h2_encode_put_text(char *to, struct weir_span text, const struct h2_huffman *huffman)
{
	size_t coded = huffman ? h2_huffman_size(huffman, text) : text.size;
	if (coded < text.size)
		return h2_huffman_encode(huffman, text, h2_encode_put_integer(to, 0x80, 7, coded));
	to = h2_encode_put_integer(to, 0, 7, text.size);
	if (text.size)
		memcpy(to, text.data, text.size);
	return to + text.size;
}

/* A literal without indexing, whose name is in the static table (RFC 7541 6.2.2). */
static char *h2_encode_put_known(
        char *to, unsigned index, struct weir_span value, const struct h2_huffman *huffman)
{
	return h2_encode_put_text(h2_encode_put_integer(to, 0, 4, index), value, huffman);
}

char *h2_head_put_no_table(char *to)
{
	*to++ = 0x20;
	return to;
}

/* The static table's entries 8 to 14 (RFC 7541 A). */
char *h2_head_put_status(char *to, unsigned status)
{
	static const uint16_t entries[] = {200, 204, 206, 304, 400, 404, 500};
	for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++)
		if (entries[i] == status) {
			*to++ = (char)(0x80 | (8 + i));
			return to;
		}
	char digits[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
	        (char)('0' + status % 10)};
	return h2_encode_put_known(to, 8, weir_span(digits, sizeof digits), NULL);
}

char *h2_head_put_date(char *to, const char *date, const struct h2_huffman *huffman)
{
	return h2_encode_put_known(to, 33, weir_span(date, WEIR_HTTP_DATE_SIZE), huffman);
}

char *h2_head_put_length(char *to, uint64_t length)
{
	unsigned digits = 1;
	for (uint64_t rest = length; rest >= 10; rest /= 10)
		digits++;
	memcpy(to, (const char[]){15, 28 - 15, (char)digits}, 3);
	to += 3 + digits;
	for (char *at = to; digits--; length /= 10)
		*--at = (char)('0' + length % 10);
	return to;
}

/* Names of replies in the static table, by their sizes. */
static unsigned h2_encode_find_name(struct weir_span name)
{
	static const struct h2_encode_name {
		struct weir_span name;
		unsigned index;
	} names[] = {
	        {{"age", 3}, 21},
	        {{"etag", 4}, 34},
	        {{"vary", 4}, 59},
	        {{"link", 4}, 45},
	        {{"date", 4}, 33},
	        {{"allow", 5}, 22},
	        {{"server", 6}, 54},
	        {{"expires", 7}, 36},
	        {{"location", 8}, 46},
	        {{"set-cookie", 10}, 55},
	        {{"retry-after", 11}, 53},
	        {{"content-type", 12}, 31},
	        {{"last-modified", 13}, 44},
	        {{"cache-control", 13}, 24},
	        {{"accept-ranges", 13}, 18},
	        {{"content-range", 13}, 30},
	        {{"content-length", 14}, 28},
	        {{"content-encoding", 16}, 26},
	        {{"www-authenticate", 16}, 61},
	        {{"content-disposition", 19}, 25},
	        {{"strict-transport-security", 25}, 56},
	        {{"access-control-allow-origin", 27}, 20},
	};
	/* The first of each size; where there is none, one of another size. */
	static const uint8_t first[] = {[4] = 1,
	        [5] = 5,
	        [6] = 6,
	        [7] = 7,
	        [8] = 8,
	        [10] = 9,
	        [11] = 10,
	        [12] = 11,
	        [13] = 12,
	        [14] = 16,
	        [16] = 17,
	        [19] = 19,
	        [25] = 20,
	        [27] = 21};
	if (name.size >= sizeof first)
		return 0;
	for (size_t i = first[name.size]; i < sizeof names / sizeof *names; i++) {
		if (names[i].name.size != name.size)
			return 0;
		if (memcmp(names[i].name.data, name.data, name.size) == 0)
			return names[i].index;
	}
	return 0;
}

static char *h2_encode_put_field(
        char *to, struct weir_span name, struct weir_span value, const struct h2_huffman *huffman)
{
	/* The name in lower case goes where a literal needs it: behind two prefixes. */
	char lower[64], *text = name.size <= sizeof lower ? lower : to + H2_FIELD_EXTRA;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		text[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	unsigned index = h2_encode_find_name(weir_span(text, name.size));
	if (index)
		return h2_encode_put_known(to, index, value, huffman);
	*to++ = 0;
	to = h2_encode_put_integer(to, 0, 7, name.size);
	memmove(to, text, name.size);
	return h2_encode_put_text(to + name.size, value, huffman);
}

static bool h2_encode_is_of_connection(struct weir_span name)
{
	switch (name.size) {
	case 7:
		return weir_span_equal_nocase(name, WEIR_SPAN("upgrade"));
	case 10:
		return weir_span_equal_nocase(name, WEIR_SPAN("connection")) ||
		       weir_span_equal_nocase(name, WEIR_SPAN("keep-alive"));
	case 17:
		return weir_span_equal_nocase(name, WEIR_SPAN("transfer-encoding"));
	}
	return false;
}

static bool h2_encode_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A line without its LF. */
static char *h2_encode_put_line(
        char *to, const char *line, const char *end, const struct h2_huffman *huffman)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	if (!colon)
		return to;
	struct weir_span name = weir_span(line, (size_t)(colon - line));
	const char *value = colon + 1;
	while (value < end && h2_encode_is_space(*value))
		value++;
	while (value < end && h2_encode_is_space(end[-1]))
		end--;
	if (h2_encode_is_of_connection(name))
		return to;
	return h2_encode_put_field(to, name, weir_span(value, (size_t)(end - value)), huffman);
}

static char *h2_encode_put_lines(char *to, struct weir_span lines, const struct h2_huffman *huffman)
{
	const char *at = lines.data, *end = at + lines.size;
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		to = h2_encode_put_line(to, at, line_end, huffman);
		at = line_end < end ? line_end + 1 : end;
	}
	return to;
}

char *h2_head_put_lines(char *to, struct weir_span lines)
{
	return h2_encode_put_lines(to, lines, NULL);
}

struct http_encoded_lines *h2_head_encode_lines(
        struct weir_span lines, const struct h2_huffman *huffman)
{
	struct http_encoded_lines *encoded =
	        malloc(sizeof *encoded + h2_head_lines_max(lines.size));
	if (!encoded)
		return NULL;
	encoded->size =
	        (size_t)(h2_encode_put_lines(encoded->bytes, lines, huffman) - encoded->bytes);
	return encoded;
}
