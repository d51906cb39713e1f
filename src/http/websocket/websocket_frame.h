/*
 * Frames of WebSocket (RFC 6455 5): their headers, masks, the text and the codes in them. Nothing
 * here has a connection.
 *
 *   | FIN RSV1-3 opcode 4 | MASK length 7 | length 16 or 64 | mask 32 | payload … |
 */
#ifndef WEIR_HTTP_WEBSOCKET_FRAME_H
#define WEIR_HTTP_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8, /* this and above: control frames */
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
};

enum {
	WEBSOCKET_FIN = 0x80,
	WEBSOCKET_RSV1 = 0x40, /* the message is compressed (RFC 7692 6) */
	WEBSOCKET_RSV23 = 0x30,
	WEBSOCKET_MASKED = 0x80,
	WEBSOCKET_HEADER_LEAST = 2,
	WEBSOCKET_HEADER_MAX = 14, /* of a client's */
	WEBSOCKET_HEADER_SENT_MAX = 10,
	WEBSOCKET_CONTROL_MAX = 125, /* bytes of the payload of a control frame */
	WEBSOCKET_REASON_MAX = WEBSOCKET_CONTROL_MAX - 2,
	WEBSOCKET_BAD_GATEWAY = 1014, /* a code of IANA's registry that only servers send */
};

/* The header of a client's frame. */
struct websocket_header {
	uint8_t first; /* FIN, RSV1-3 and opcode, as they were sent */
	uint8_t mask[4];
	uint64_t size; /* of the payload */
};

/* Returns the size of the header whose first WEBSOCKET_HEADER_LEAST bytes are there. */
size_t websocket_header_size(const uint8_t *bytes);

/*
 * Reads a whole header. Returns false if it breaks a rule that holds for every frame of a client:
 * it must be masked, its length be written in the fewest bytes, its opcode be known, and control
 * frames be short and whole.
 */
bool websocket_header_read(const uint8_t *bytes, struct websocket_header *ret);

/* Writes the header of a server's frame, and returns its size. */
size_t websocket_header_put(char *to, unsigned first, uint64_t size);

/*
 * Applies the mask to the bytes in place, 8 at a time. `mask` is then as it applies to the byte
 * behind them.
 */
void websocket_unmask(char *bytes, size_t size, uint8_t mask[4]);

/* The state between two bytes of UTF-8 (RFC 3629). All zero: between two characters. */
struct websocket_utf8 {
	uint8_t left;      /* bytes that the character still has */
	uint8_t low, high; /* bounds of the next one */
};

/* Returns false at the first byte that no continuation can make valid. */
bool websocket_utf8_feed(struct websocket_utf8 *utf8, struct weir_span bytes);

/* Whether all of it is UTF-8. */
bool websocket_utf8_valid(struct weir_span text);

/* Whether a Close frame may have this code (RFC 6455 7.4). */
bool websocket_code_valid(unsigned code);

#endif
