/*
 * The Huffman code of HPACK (RFC 7541 5.2 and B). The code is canonical: codes of one length are
 * consecutive numbers, in the order of their symbols, and longer codes are larger. So the short
 * codes, which nearly all text consists of, are found by a table of the next eight bits, and the
 * others by the largest number of each length. Two codes at a time are found by a larger table,
 * which each loop makes for itself.
 */
#include <endian.h>
#include <string.h>

#include "h2_hpack.h"
#include "syntax.h"

enum {
	H2_HUFFMAN_LONG = 0xff, /* more bits than any code */
};

/* clang-format off */

/* By the next eight bits: symbol << 8 | number of bits. Longer codes have H2_HUFFMAN_LONG bits. */
#define CODE(bits, code, symbol) \
	[(code) << (8 - bits) ... ((code + 1) << (8 - bits)) - 1] = symbol << 8 | bits
static const uint16_t h2_huffman_short[256] = {
	CODE(5, 0x00, '0'), CODE(5, 0x01, '1'), CODE(5, 0x02, '2'), CODE(5, 0x03, 'a'),
	CODE(5, 0x04, 'c'), CODE(5, 0x05, 'e'), CODE(5, 0x06, 'i'), CODE(5, 0x07, 'o'),
	CODE(5, 0x08, 's'), CODE(5, 0x09, 't'),
	CODE(6, 0x14, ' '), CODE(6, 0x15, '%'), CODE(6, 0x16, '-'), CODE(6, 0x17, '.'),
	CODE(6, 0x18, '/'), CODE(6, 0x19, '3'), CODE(6, 0x1a, '4'), CODE(6, 0x1b, '5'),
	CODE(6, 0x1c, '6'), CODE(6, 0x1d, '7'), CODE(6, 0x1e, '8'), CODE(6, 0x1f, '9'),
	CODE(6, 0x20, '='), CODE(6, 0x21, 'A'), CODE(6, 0x22, '_'), CODE(6, 0x23, 'b'),
	CODE(6, 0x24, 'd'), CODE(6, 0x25, 'f'), CODE(6, 0x26, 'g'), CODE(6, 0x27, 'h'),
	CODE(6, 0x28, 'l'), CODE(6, 0x29, 'm'), CODE(6, 0x2a, 'n'), CODE(6, 0x2b, 'p'),
	CODE(6, 0x2c, 'r'), CODE(6, 0x2d, 'u'),
	CODE(7, 0x5c, ':'), CODE(7, 0x5d, 'B'), CODE(7, 0x5e, 'C'), CODE(7, 0x5f, 'D'),
	CODE(7, 0x60, 'E'), CODE(7, 0x61, 'F'), CODE(7, 0x62, 'G'), CODE(7, 0x63, 'H'),
	CODE(7, 0x64, 'I'), CODE(7, 0x65, 'J'), CODE(7, 0x66, 'K'), CODE(7, 0x67, 'L'),
	CODE(7, 0x68, 'M'), CODE(7, 0x69, 'N'), CODE(7, 0x6a, 'O'), CODE(7, 0x6b, 'P'),
	CODE(7, 0x6c, 'Q'), CODE(7, 0x6d, 'R'), CODE(7, 0x6e, 'S'), CODE(7, 0x6f, 'T'),
	CODE(7, 0x70, 'U'), CODE(7, 0x71, 'V'), CODE(7, 0x72, 'W'), CODE(7, 0x73, 'Y'),
	CODE(7, 0x74, 'j'), CODE(7, 0x75, 'k'), CODE(7, 0x76, 'q'), CODE(7, 0x77, 'v'),
	CODE(7, 0x78, 'w'), CODE(7, 0x79, 'x'), CODE(7, 0x7a, 'y'), CODE(7, 0x7b, 'z'),
	CODE(8, 0xf8, '&'), CODE(8, 0xf9, '*'), CODE(8, 0xfa, ','), CODE(8, 0xfb, ';'),
	CODE(8, 0xfc, 'X'), CODE(8, 0xfd, 'Z'),
	[0xfe] = H2_HUFFMAN_LONG, [0xff] = H2_HUFFMAN_LONG,
};

/* The symbols of the longer codes, in the order of the codes. */
static const uint8_t h2_huffman_symbols[] = {
	'!', '"', '(', ')', '?', '\'', '+', '|', '#', '>', 0, '$', '@', '[', ']', '~', '^', '}',
	'<', '`', '{', '\\', 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172,
	176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156, 160,
	163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1, 135,
	137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174,
	175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225,
	236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240,
	242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250,
	251, 252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25,
	26, 27, 28, 29, 30, 31, 127, 220, 249, 10, 13, 22,
};

/* The longer codes by their length. `end` is behind the last of them, moved to the left. */
static const struct h2_huffman_length {
	uint8_t bits;
	uint32_t first; /* code */
	uint32_t end;
	uint8_t at; /* the symbol of the first one in h2_huffman_symbols */
} h2_huffman_long[] = {
	{10, 0x3f8, 0xff400000u, 0}, {11, 0x7fa, 0xffa00000u, 5}, {12, 0xffa, 0xffc00000u, 8},
	{13, 0x1ff8, 0xfff00000u, 10}, {14, 0x3ffc, 0xfff80000u, 16}, {15, 0x7ffc, 0xfffe0000u, 18},
	{19, 0x7fff0, 0xfffe6000u, 21}, {20, 0xfffe6, 0xfffee000u, 24},
	{21, 0x1fffdc, 0xffff4800u, 32}, {22, 0x3fffd2, 0xffffb000u, 45},
	{23, 0x7fffd8, 0xffffea00u, 71}, {24, 0xffffea, 0xfffff600u, 100},
	{25, 0x1ffffec, 0xfffff800u, 112}, {26, 0x3ffffe0, 0xfffffbc0u, 116},
	{27, 0x7ffffde, 0xfffffe20u, 131}, {28, 0xfffffe2, 0xfffffff0u, 150},
	{30, 0x3ffffffc, 0xfffffffcu, 179}, /* without EOS */
};

/* clang-format on */

static void h2_huffman_make_codes(struct h2_huffman_code codes[256])
{
	for (unsigned front = 0; front < H2_HUFFMAN_LONG - 1; front++) {
		unsigned bits = h2_huffman_short[front] & 0xff;
		codes[h2_huffman_short[front] >> 8] =
		        (struct h2_huffman_code){front >> (8 - bits), bits};
	}
	const struct h2_huffman_length *length = h2_huffman_long;
	for (unsigned i = 0; i < sizeof h2_huffman_symbols; i++) {
		uint32_t code = length->first + i - length->at;
		if (code >= length->end >> (32 - length->bits))
			code = (++length)->first;
		codes[h2_huffman_symbols[i]] = (struct h2_huffman_code){code, length->bits};
	}
}

/* The codes at the front of H2_HUFFMAN_PAIR_BITS bits: one or two of them; none if one is long. */
static struct h2_huffman_pair h2_huffman_make_pair(unsigned front)
{
	unsigned window = front << (16 - H2_HUFFMAN_PAIR_BITS);
	struct h2_huffman_pair pair = {{0, 0}, 0, 0};
	while (pair.count < 2) {
		unsigned code = h2_huffman_short[window >> 8 & 0xff], bits = code & 0xff;
		if (pair.bits + bits > H2_HUFFMAN_PAIR_BITS)
			break;
		pair.symbols[pair.count++] = (char)(code >> 8);
		pair.bits = (uint8_t)(pair.bits + bits);
		window <<= bits;
	}
	if (!pair.count)
		pair.bits = H2_HUFFMAN_LONG;
	return pair;
}

void h2_huffman_init(struct h2_huffman *huffman)
{
	h2_huffman_make_codes(huffman->codes);
	for (unsigned front = 0; front < 1 << H2_HUFFMAN_PAIR_BITS; front++)
		huffman->pairs[front] = h2_huffman_make_pair(front);
}

size_t h2_huffman_size(const struct h2_huffman *huffman, struct weir_span text)
{
	size_t bits = 0;
	for (size_t i = 0; i < text.size; i++)
		bits += huffman->codes[(uint8_t)text.data[i]].bits;
	return (bits + 7) / 8;
}

char *h2_huffman_encode(const struct h2_huffman *huffman, struct weir_span text, char *to)
{
	uint64_t window = 0; /* the bits that are not written yet, up to the lowest */
	unsigned bits = 0;
	for (size_t i = 0; i < text.size; i++) {
		struct h2_huffman_code code = huffman->codes[(uint8_t)text.data[i]];
		window = window << code.bits | code.code;
		for (bits += code.bits; bits >= 8; bits -= 8)
			*to++ = (char)(window >> (bits - 8));
	}
	if (bits)
		*to++ = (char)(window << (8 - bits) | 0xff >> bits);
	return to;
}

/*
 * Finds the code at the front of 32 bits, which is longer than eight, and returns it as the table
 * does. EOS (RFC 7541 B) has 0 bits here.
 */
static unsigned h2_huffman_find_long(uint32_t front)
{
	for (size_t i = 0; i < sizeof h2_huffman_long / sizeof *h2_huffman_long; i++) {
		const struct h2_huffman_length *length = &h2_huffman_long[i];
		if (front >= length->end)
			continue;
		size_t nth = (front >> (32 - length->bits)) - length->first;
		return (unsigned)h2_huffman_symbols[length->at + nth] << 8 | length->bits;
	}
	return 0;
}

char *h2_huffman_decode(
        const struct h2_huffman *huffman, const uint8_t *at, const uint8_t *end, char *to)
{
	uint64_t window = 0; /* the next bits, from the highest on */
	unsigned bits = 0;   /* that are in it */
	for (;;) {
		if (end - at >= 8) {
			window |= be64toh(http_load8((const char *)at)) >> bits;
			at += (63 - bits) / 8;
			bits |= 56;
		}
		for (; bits <= 56 && at < end; bits += 8)
			window |= (uint64_t)*at++ << (56 - bits);
		struct h2_huffman_pair pair = huffman->pairs[window >> (64 - H2_HUFFMAN_PAIR_BITS)];
		while (pair.bits <= bits) {
			memcpy(to, pair.symbols, sizeof pair.symbols);
			to += pair.count;
			window <<= pair.bits & 63;
			bits -= pair.bits;
			pair = huffman->pairs[window >> (64 - H2_HUFFMAN_PAIR_BITS)];
		}
		unsigned code = h2_huffman_short[window >> 56];
		if ((code & 0xff) == H2_HUFFMAN_LONG) {
			code = h2_huffman_find_long((uint32_t)(window >> 32));
			if (code == 0)
				return NULL;
		}
		if ((code & 0xff) <= bits) {
			*to++ = (char)(code >> 8);
			window <<= code & 63;
			bits -= code & 63;
		} else if (at == end) {
			break;
		}
	}
	/* The padding is the beginning of EOS: up to seven ones. */
	if (bits > 7 || (bits && window >> (64 - bits) != (1u << bits) - 1))
		return NULL;
	return to;
}
