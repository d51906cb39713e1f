/*
 * Base64, strict. Invariant: decode accepts exactly what encode writes. Leaves out line breaks.
 */
#include <stdint.h>

#include <weir/base64.h>
#include <weir/error.h>

/* RFC 4648 4 and 5. */
static const char base64_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes with padding. */
static size_t base64_encode(struct weir_span bytes, char *text, const char *digits)
{
	const unsigned char *from = (const unsigned char *)bytes.data;
	char *to = text;
	for (size_t left = bytes.size; left; from += 3) {
		size_t size = left < 3 ? left : 3;
		uint32_t group = (uint32_t)from[0] << 16;
		group |= size > 1 ? (uint32_t)from[1] << 8 : 0;
		group |= size > 2 ? from[2] : 0;
		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = size > 1 ? digits[group >> 6 & 63] : '=';
		*to++ = size > 2 ? digits[group & 63] : '=';
		left -= size;
	}
	return (size_t)(to - text);
}

size_t weir_base64_encode(struct weir_span bytes, char *text)
{
	return base64_encode(bytes, text, base64_digits);
}

size_t weir_base64url_encode(struct weir_span bytes, char *text)
{
	size_t size = base64_encode(bytes, text, base64_url_digits);
	while (size && text[size - 1] == '=')
		size--;
	return size;
}

/* 0 to 63, or -1. */
static int base64_sextet(char c, const char *digits)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == digits[62] ? 62 : c == digits[63] ? 63 : -1;
}

/* The text has no padding any more, and not one character behind the last group. */
static int base64_decode(
        struct weir_span text, const char *digits, char *bytes, size_t capacity, size_t *ret_size)
{
	size_t size = 0;
	unsigned bits = 0, held = 0;
	for (size_t i = 0; i < text.size; i++) {
		int value = base64_sextet(text.data[i], digits);
		if (value < 0)
			return WEIR_E_SYNTAX;
		held = (held << 6 | (unsigned)value) & 0xfff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (size == capacity)
			return WEIR_E_LIMIT;
		bytes[size++] = (char)(held >> bits);
	}
	if (held & ((1u << bits) - 1))
		return WEIR_E_SYNTAX;
	*ret_size = size;
	return 0;
}

int weir_base64_decode(struct weir_span text, char *bytes, size_t capacity, size_t *ret_size)
{
	if (text.size % 4)
		return WEIR_E_SYNTAX;
	for (int padding = 0; padding < 2 && text.size && text.data[text.size - 1] == '=';
	        padding++)
		text.size--;
	return base64_decode(text, base64_digits, bytes, capacity, ret_size);
}

int weir_base64url_decode(struct weir_span text, char *bytes, size_t capacity, size_t *ret_size)
{
	if (text.size % 4 == 1)
		return WEIR_E_SYNTAX;
	return base64_decode(text, base64_url_digits, bytes, capacity, ret_size);
}
