/*
 * Fields of replies in HPACK (RFC 7541) without state: names and some values by the static table,
 * everything else as a literal that no table stores, without Huffman coding. So a connection has no
 * encoder, and a field costs a copy.
 */
#include <string.h>

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

static char *h2_encode_put_text(char *to, struct weir_span text)
{
	to = h2_encode_put_integer(to, 0, 7, text.size);
	if (text.size)
		memcpy(to, text.data, text.size);
	return to + text.size;
}

/* A literal without indexing, whose name is in the static table (RFC 7541 6.2.2). */
static char *h2_encode_put_known(char *to, unsigned index, struct weir_span value)
{
	return h2_encode_put_text(h2_encode_put_integer(to, 0, 4, index), value);
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
	return h2_encode_put_known(to, 8, weir_span(digits, sizeof digits));
}

char *h2_head_put_date(char *to, const char *date)
{
	return h2_encode_put_known(to, 33, weir_span(date, WEIR_HTTP_DATE_SIZE));
}

char *h2_head_put_length(char *to, uint64_t length)
{
	char digits[20];
	unsigned n = sizeof digits;
	do {
		digits[--n] = (char)('0' + length % 10);
		length /= 10;
	} while (length);
	return h2_encode_put_known(to, 28, weir_span(digits + n, sizeof digits - n));
}

/* Names of replies in the static table. */
static unsigned h2_encode_find_name(struct weir_span name)
{
	static const struct h2_encode_name {
		struct weir_span name;
		unsigned index;
	} names[] = {
	        {{"content-type", 12}, 31},
	        {{"last-modified", 13}, 44},
	        {{"etag", 4}, 34},
	        {{"cache-control", 13}, 24},
	        {{"accept-ranges", 13}, 18},
	        {{"vary", 4}, 59},
	        {{"content-encoding", 16}, 26},
	        {{"content-range", 13}, 30},
	        {{"location", 8}, 46},
	        {{"allow", 5}, 22},
	        {{"set-cookie", 10}, 55},
	        {{"expires", 7}, 36},
	        {{"content-length", 14}, 28},
	        {{"content-disposition", 19}, 25},
	        {{"server", 6}, 54},
	        {{"www-authenticate", 16}, 61},
	        {{"retry-after", 11}, 53},
	        {{"strict-transport-security", 25}, 56},
	        {{"access-control-allow-origin", 27}, 20},
	        {{"age", 3}, 21},
	        {{"link", 4}, 45},
	        {{"date", 4}, 33},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (weir_span_equal(names[i].name, name))
			return names[i].index;
	return 0;
}

static char *h2_encode_put_field(char *to, struct weir_span name, struct weir_span value)
{
	/* The name in lower case goes where a literal needs it: behind two prefixes. */
	char lower[64], *text = name.size <= sizeof lower ? lower : to + H2_FIELD_EXTRA;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		text[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	unsigned index = h2_encode_find_name(weir_span(text, name.size));
	if (index)
		return h2_encode_put_known(to, index, value);
	*to++ = 0;
	to = h2_encode_put_integer(to, 0, 7, name.size);
	memmove(to, text, name.size);
	return h2_encode_put_text(to + name.size, value);
}

/* A line has four bytes beside name and value: a field needs more only if it is long. */
size_t h2_head_lines_max(size_t size)
{
	return size + size / 16 + 2 * (size_t)H2_FIELD_EXTRA;
}

static bool h2_encode_is_of_connection(struct weir_span name)
{
	return weir_span_equal_nocase(name, WEIR_SPAN("connection")) ||
	       weir_span_equal_nocase(name, WEIR_SPAN("transfer-encoding")) ||
	       weir_span_equal_nocase(name, WEIR_SPAN("keep-alive")) ||
	       weir_span_equal_nocase(name, WEIR_SPAN("upgrade"));
}

char *h2_head_put_lines(char *to, struct weir_span lines)
{
	while (lines.size) {
		struct weir_span line, name;
		weir_span_cut(&lines, '\n', &line);
		if (!weir_span_cut(&line, ':', &name))
			continue;
		struct weir_span value = weir_span_trim(line);
		if (value.size && value.data[value.size - 1] == '\r')
			value = weir_span_trim(weir_span(value.data, value.size - 1));
		if (!h2_encode_is_of_connection(name))
			to = h2_encode_put_field(to, name, value);
	}
	return to;
}
