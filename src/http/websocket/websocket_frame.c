/*
 * Headers, masks, UTF-8 and codes. UTF-8 is checked while it comes: a state of three bytes has
 * the bounds of the next byte, so that text may be cut anywhere, and the first wrong byte is found.
 */
#include <string.h>

#include "websocket_frame.h"

/* -- headers ----------------------------------------------------------------------------------- */

size_t websocket_header_size(const uint8_t *bytes)
{
	size_t size = bytes[1] & 0x7f;
	size = WEBSOCKET_HEADER_LEAST + (size == 126 ? 2 : size == 127 ? 8 : 0);
	return bytes[1] & WEBSOCKET_MASKED ? size + 4 : size;
}

static uint64_t websocket_frame_read_number(const uint8_t *bytes, unsigned size)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

static bool websocket_frame_opcode_is_known(unsigned opcode)
{
	return opcode <= WEBSOCKET_BINARY ||
	       (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
}

bool websocket_header_read(const uint8_t *bytes, struct websocket_header *ret)
{
	unsigned opcode = bytes[0] & 0x0f;
	unsigned length = bytes[1] & 0x7f;
	unsigned extended = length == 126 ? 2 : length == 127 ? 8 : 0;
	bool control = opcode >= WEBSOCKET_CLOSE;
	uint64_t size = extended ? websocket_frame_read_number(bytes + 2, extended) : length;
	uint64_t least = extended == 2 ? 126 : extended == 8 ? UINT16_MAX + 1ull : 0;
	if (!(bytes[1] & WEBSOCKET_MASKED) || size < least || size > INT64_MAX ||
	        !websocket_frame_opcode_is_known(opcode))
		return false;
	if (control && (size > WEBSOCKET_CONTROL_MAX || !(bytes[0] & WEBSOCKET_FIN)))
		return false;
	ret->first = bytes[0];
	ret->size = size;
	memcpy(ret->mask, bytes + 2 + extended, sizeof ret->mask);
	return true;
}

size_t websocket_header_put(char *to, unsigned first, uint64_t size)
{
	unsigned extended = size > UINT16_MAX ? 8 : size > WEBSOCKET_CONTROL_MAX ? 2 : 0;
	to[0] = (char)first;
	to[1] = (char)(extended == 8 ? 127 : extended == 2 ? 126 : size);
	for (unsigned i = 0; i < extended; i++)
		to[2 + i] = (char)(size >> 8 * (extended - 1 - i));
	return 2 + extended;
}

/* -- masks ------------------------------------------------------------------------------------- */

void websocket_unmask(char *bytes, size_t size, uint8_t mask[4])
{
	uint8_t twice[8];
	uint64_t key, word;
	size_t i = 0;
	memcpy(twice, mask, 4);
	memcpy(twice + 4, mask, 4);
	memcpy(&key, twice, sizeof key);
	for (; size - i >= sizeof word; i += sizeof word) {
		memcpy(&word, bytes + i, sizeof word);
		word ^= key;
		memcpy(bytes + i, &word, sizeof word);
	}
	for (; i < size; i++)
		bytes[i] = (char)((uint8_t)bytes[i] ^ mask[i % 4]);
	/* 8 bytes do not turn the mask: the rest does. */
	for (unsigned j = 0; j < 4; j++)
		mask[j] = twice[(size + j) % 4];
}

/* -- UTF-8 ------------------------------------------------------------------------------------- */

/* The first byte of a character: RFC 3629 4, without overlong forms and surrogates. */
static bool websocket_utf8_begin(struct websocket_utf8 *utf8, uint8_t byte)
{
	utf8->low = 0x80;
	utf8->high = 0xbf;
	if (byte < 0x80)
		return true;
	if (byte < 0xc2 || byte > 0xf4)
		return false;
	utf8->left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	if (byte == 0xe0)
		utf8->low = 0xa0;
	else if (byte == 0xed)
		utf8->high = 0x9f;
	else if (byte == 0xf0)
		utf8->low = 0x90;
	else if (byte == 0xf4)
		utf8->high = 0x8f;
	return true;
}

static bool websocket_utf8_step(struct websocket_utf8 *utf8, uint8_t byte)
{
	if (utf8->left == 0)
		return websocket_utf8_begin(utf8, byte);
	if (byte < utf8->low || byte > utf8->high)
		return false;
	utf8->left--;
	utf8->low = 0x80;
	utf8->high = 0xbf;
	return true;
}

/* How many bytes at the front are ASCII, in steps of 8. */
static size_t websocket_utf8_skip_ascii(struct weir_span bytes)
{
	size_t i = 0;
	uint64_t word;
	for (; bytes.size - i >= sizeof word; i += sizeof word) {
		memcpy(&word, bytes.data + i, sizeof word);
		if (word & 0x8080808080808080u)
			break;
	}
	return i;
}

bool websocket_utf8_feed(struct websocket_utf8 *utf8, struct weir_span bytes)
{
	while (bytes.size) {
		if (utf8->left == 0)
			bytes = weir_span_skip(bytes, websocket_utf8_skip_ascii(bytes));
		size_t steps = bytes.size < 8 ? bytes.size : 8;
		for (size_t i = 0; i < steps; i++)
			if (!websocket_utf8_step(utf8, (uint8_t)bytes.data[i]))
				return false;
		bytes = weir_span_skip(bytes, steps);
	}
	return true;
}

bool websocket_utf8_valid(struct weir_span text)
{
	struct websocket_utf8 utf8 = {0};
	return websocket_utf8_feed(&utf8, text) && utf8.left == 0;
}

/* -- codes ------------------------------------------------------------------------------------- */

/* Those of RFC 6455 and of the registry of IANA that may be sent, and those of programs. */
bool websocket_code_valid(unsigned code)
{
	if (code >= 3000)
		return code <= 4999;
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}
