/*
 * Frames of HTTP/2 (RFC 9113 4 and 6): their header, the rules on their sizes and stream
 * identifiers, their padding. Nothing here has state.
 *
 *   | length 24 | type 8 | flags 8 | R 1, stream identifier 31 | payload … |
 */
#ifndef WEIR_HTTP_H2_FRAME_H
#define WEIR_HTTP_H2_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>
#include <weir/terminator.h>

enum {
	H2_FRAME_HEADER_SIZE = 9,
	H2_FRAME_PAYLOAD_MAX = 16384, /* SETTINGS_MAX_FRAME_SIZE: of both sides */
	H2_WINDOW_INITIAL = 65535,    /* RFC 9113 6.9.2 */
	H2_WINDOW_MAX = 0x7fffffff,
	H2_STREAM_ID_MAX = 0x7fffffff,
};

enum h2_frame_type {
	H2_DATA = 0,
	H2_HEADERS = 1,
	H2_PRIORITY = 2,
	H2_RST_STREAM = 3,
	H2_SETTINGS = 4,
	H2_PUSH_PROMISE = 5,
	H2_PING = 6,
	H2_GOAWAY = 7,
	H2_WINDOW_UPDATE = 8,
	H2_CONTINUATION = 9,
	H2_PRIORITY_UPDATE = 0x10, /* RFC 9218 7.1 */
};

enum h2_flag {
	H2_FLAG_ACK = 1,
	H2_FLAG_END_STREAM = 1,
	H2_FLAG_END_HEADERS = 4,
	H2_FLAG_PADDED = 8,
	H2_FLAG_PRIORITY = 0x20,
};

enum h2_setting {
	H2_SETTINGS_HEADER_TABLE_SIZE = 1,
	H2_SETTINGS_ENABLE_PUSH = 2,
	H2_SETTINGS_MAX_CONCURRENT_STREAMS = 3,
	H2_SETTINGS_INITIAL_WINDOW_SIZE = 4,
	H2_SETTINGS_MAX_FRAME_SIZE = 5,
	H2_SETTINGS_MAX_HEADER_LIST_SIZE = 6,
	H2_SETTINGS_ENABLE_CONNECT_PROTOCOL = 8, /* RFC 8441 3 */
	H2_SETTINGS_NO_RFC7540_PRIORITIES = 9,   /* RFC 9218 2.1 */
};

/* RFC 9113 7. */
enum h2_error {
	H2_NO_ERROR = 0,
	H2_PROTOCOL_ERROR = 1,
	H2_INTERNAL_ERROR = 2,
	H2_FLOW_CONTROL_ERROR = 3,
	H2_STREAM_CLOSED = 5,
	H2_FRAME_SIZE_ERROR = 6,
	H2_REFUSED_STREAM = 7,
	H2_CANCEL = 8,
	H2_COMPRESSION_ERROR = 9,
	H2_ENHANCE_YOUR_CALM = 11,
};

struct h2_frame {
	uint8_t type; /* enum h2_frame_type, or one that is not known */
	uint8_t flags;
	uint32_t stream_id;
	uint32_t size; /* of the payload as it was sent, with its padding */
	struct weir_span payload;
};

static inline uint32_t h2_frame_get32(const char *from)
{
	const uint8_t *bytes = (const uint8_t *)from;
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static inline char *h2_frame_put32(char *to, uint32_t value)
{
	to[0] = (char)(value >> 24);
	to[1] = (char)(value >> 16);
	to[2] = (char)(value >> 8);
	to[3] = (char)value;
	return to + 4;
}

/* Writes the header of a frame, and returns where its payload belongs. */
static inline char *h2_frame_put_header(
        char *to, size_t size, enum h2_frame_type type, unsigned flags, uint32_t stream_id)
{
	to[0] = (char)(size >> 16);
	to[1] = (char)(size >> 8);
	to[2] = (char)size;
	to[3] = (char)type;
	to[4] = (char)flags;
	return h2_frame_put32(to + 5, stream_id);
}

/*
 * Finds the end of a frame, as the `scan` of a terminator. A frame whose payload is larger than
 * H2_FRAME_PAYLOAD_MAX is refused.
 */
enum weir_scan h2_frame_scan(struct weir_span data, struct weir_cut *ret);

/* Reads a whole frame, as h2_frame_scan has cut it. The payload lies in `bytes`. */
static inline struct h2_frame h2_frame_read(struct weir_span bytes)
{
	struct weir_span payload = weir_span_skip(bytes, H2_FRAME_HEADER_SIZE);
	return (struct h2_frame){
	        .type = (uint8_t)bytes.data[3],
	        .flags = (uint8_t)bytes.data[4],
	        .stream_id = h2_frame_get32(bytes.data + 5) & H2_WINDOW_MAX,
	        .size = (uint32_t)payload.size,
	        .payload = payload,
	};
}

/*
 * Checks the size and the stream identifier as far as the type alone prescribes them. Returns
 * H2_NO_ERROR, or the code of the connection error. A type that is not known has no rules.
 */
enum h2_error h2_frame_check(const struct h2_frame *frame);

/*
 * Takes the padding, and of HEADERS the fields of the deprecated priority, off the payload. Returns
 * H2_NO_ERROR, or the code of the connection error. *ret_depends_on is the stream that a priority
 * names, or 0.
 */
enum h2_error h2_frame_strip(struct h2_frame *frame, uint32_t *ret_depends_on);

#endif
