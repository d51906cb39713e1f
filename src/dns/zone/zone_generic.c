/*
 * The mark, the number of bytes, and the bytes in hexadecimal, with blanks wherever they like.
 */
#include <string.h>

#include <weir/span.h>

#include "zone_generic.h"

static bool zone_generic_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int zone_generic_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits, with blanks wherever they like. */
static bool zone_generic_read_bytes(struct weir_span text, size_t size, uint8_t *data)
{
	size_t digits = 0;
	for (size_t i = 0; i < text.size; i++) {
		int value = zone_generic_digit(text.data[i]);
		if (zone_generic_is_blank(text.data[i]))
			continue;
		if (value < 0 || digits == 2 * size)
			return false;
		data[digits / 2] = (uint8_t)(digits % 2 ? data[digits / 2] << 4 | value : value);
		digits++;
	}
	return digits == 2 * size;
}

bool dns_generic_read(struct weir_span text, uint8_t *data, bool *ret_is, size_t *ret_size)
{
	uint64_t size;
	while (text.size && zone_generic_is_blank(text.data[0]))
		text = weir_span_skip(text, 1);
	*ret_is = text.size >= 2 && text.data[0] == '\\' && text.data[1] == '#' &&
	          (text.size == 2 || zone_generic_is_blank(text.data[2]));
	if (!*ret_is)
		return true;
	text = weir_span_skip(text, 2);
	while (text.size && zone_generic_is_blank(text.data[0]))
		text = weir_span_skip(text, 1);
	size_t digits = 0;
	while (digits < text.size && !zone_generic_is_blank(text.data[digits]))
		digits++;
	if (weir_span_number(weir_span(text.data, digits), 10, &size) < 0 || size > UINT16_MAX ||
	        !zone_generic_read_bytes(weir_span_skip(text, digits), (size_t)size, data))
		return false;
	*ret_size = (size_t)size;
	return true;
}
