/*
 * Basic credentials. Of several encodings of the same bytes only the canonical one is taken, so
 * that * a failed attempt looks the same to whatever counts attempts by the header.
 */
#include <weir/error.h>

#include "basic.h"

/* 0 to 63, or -1. */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict base64 (RFC 4648 4) of whole groups of four. 0, WEIR_E_SYNTAX or WEIR_E_LIMIT. */
static int decode(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size)
{
	size_t padding = 0, size = 0;
	unsigned bits = 0, held = 0;
	if (text.size == 0 || text.size % 4)
		return WEIR_E_SYNTAX;
	while (padding < 2 && text.data[text.size - 1] == '=') {
		text.size--;
		padding++;
	}
	for (size_t i = 0; i < text.size; i++) {
		int value = sextet(text.data[i]);
		if (value < 0)
			return WEIR_E_SYNTAX;
		held = (held << 6 | (unsigned)value) & 0xfff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (size == capacity)
			return WEIR_E_LIMIT;
		buffer[size++] = (char)(held >> bits);
	}
	if (held & ((1u << bits) - 1))
		return WEIR_E_SYNTAX;
	*ret_size = size;
	return 0;
}

int weir_http_basic_parse(struct weir_span authorization, char buffer[WEIR_HTTP_BASIC_MAX],
        struct weir_http_basic *ret_basic)
{
	struct weir_span scheme, user, rest = authorization;
	size_t size;
	if (!weir_span_cut(&rest, ' ', &scheme) ||
	        !weir_span_equal_nocase(scheme, WEIR_SPAN("Basic")))
		return WEIR_E_SYNTAX;
	while (rest.size && *rest.data == ' ')
		rest = weir_span_skip(rest, 1);
	int error = decode(rest, buffer, WEIR_HTTP_BASIC_MAX, &size);
	if (error < 0)
		return error;
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)buffer[i] < 0x20 || buffer[i] == 0x7f)
			return WEIR_E_SYNTAX;
	rest = weir_span(buffer, size);
	if (!weir_span_cut(&rest, ':', &user))
		return WEIR_E_SYNTAX;
	*ret_basic = (struct weir_http_basic){.user = user, .password = rest};
	return 0;
}
