/*
 * The table of character classes. Bytes that are not in it are of no class: controls, DEL. The
 * ranges do not overlap, so that all classes of a byte are in one row.
 */
#include "syntax.h"

enum {
	T = WEIR_HTTP_TCHAR,
	P = WEIR_HTTP_PCHAR,
	H = WEIR_HTTP_HCHAR,
	X = WEIR_HTTP_XDIGIT,
	B = WEIR_HTTP_BCHAR,
	V = WEIR_HTTP_VCHAR,
	U = WEIR_HTTP_UCHAR,
};

const uint8_t http_classes[256] = {
        ['\t'] = V,
        [' '] = V,
        ['!'] = T | P | H | V,
        ['"'] = P | V,
        ['#'] = T | V,
        ['$'] = T | P | H | V,
        ['%'] = T | P | V,
        ['&'] = T | P | H | V,
        ['\''] = T | P | H | B | V,
        ['('] = P | H | B | V,
        [')'] = P | H | B | V,
        ['*'] = T | P | H | V,
        ['+'] = T | P | H | B | V,
        [','] = P | H | B | V,
        ['-'] = T | P | H | B | V | U,
        ['.'] = T | P | H | B | V | U,
        ['/'] = P | B | V,
        ['0' ... '9'] = T | P | H | X | B | V | U,
        [':'] = P | B | V,
        [';'] = P | H | V,
        ['<'] = P | V,
        ['='] = P | H | B | V,
        ['>'] = P | V,
        ['?'] = B | V,
        ['@'] = P | V,
        ['A' ... 'F'] = T | P | H | X | B | V | U,
        ['G' ... 'Z'] = T | P | H | B | V | U,
        ['[' ... ']'] = P | V,
        ['^'] = T | P | V,
        ['_'] = T | P | H | B | V | U,
        ['`'] = T | P | V,
        ['a' ... 'f'] = T | P | H | X | B | V | U,
        ['g' ... 'z'] = T | P | H | B | V | U,
        ['{'] = P | V,
        ['|'] = T | P | V,
        ['}'] = P | V,
        ['~'] = T | P | H | V | U,
        [0x80 ... 0xff] = V,
};

size_t http_quoted(struct weir_span text)
{
	size_t at = 1;
	if (text.size < 2 || text.data[0] != '"')
		return 0;
	for (; at < text.size && text.data[at] != '"'; at++) {
		if (text.data[at] == '\\' && ++at == text.size)
			return 0;
		if (!http_is(text.data[at], WEIR_HTTP_VCHAR))
			return 0;
	}
	return at < text.size ? at + 1 : 0;
}
