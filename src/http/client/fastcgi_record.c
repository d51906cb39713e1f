/* Records of FastCGI as they are written, and the headers of those that are read. */
#include <string.h>

#include <weir/error.h>

#include "fastcgi_record.h"
#include "helper.h"
#include "producer_internal.h"

enum {
	FASTCGI_VERSION = 1,
	FASTCGI_REQUEST_ID = 1,
	FASTCGI_RESPONDER = 1,
	FASTCGI_KEEP_CONN = 1,
	FASTCGI_SHORT_MAX = 127, /* a size up to this has one byte in a pair, a larger one four */
};

static void fastcgi_header_write(uint8_t *to, enum fastcgi_type type, size_t size)
{
	to[0] = FASTCGI_VERSION;
	to[1] = (uint8_t)type;
	to[2] = 0;
	to[3] = FASTCGI_REQUEST_ID;
	to[4] = (uint8_t)(size >> 8);
	to[5] = (uint8_t)size;
	to[6] = to[7] = 0;
}

int fastcgi_header_parse(const uint8_t bytes[FASTCGI_HEADER_SIZE], struct fastcgi_header *ret)
{
	bool replies = bytes[1] == FASTCGI_STDOUT || bytes[1] == FASTCGI_STDERR ||
	               bytes[1] == FASTCGI_END_REQUEST;
	if (bytes[0] != FASTCGI_VERSION || !replies || bytes[2] != 0 ||
	        bytes[3] != FASTCGI_REQUEST_ID)
		return WEIR_E_FASTCGI_RECORD;
	ret->type = (enum fastcgi_type)bytes[1];
	ret->size = (uint16_t)(bytes[4] << 8 | bytes[5]);
	ret->padding = bytes[6];
	return 0;
}

/* -- requests ---------------------------------------------------------------------------------- */

static int fastcgi_put_record(
        struct weir_buffer *to, enum fastcgi_type type, struct weir_span bytes)
{
	uint8_t header[FASTCGI_HEADER_SIZE];
	fastcgi_header_write(header, type, bytes.size);
	const struct weir_span record[] = {weir_span(header, sizeof header), bytes};
	return buffer_append_spans(to, record, 2, SIZE_MAX);
}

int fastcgi_put_begin(struct weir_buffer *to, bool keep)
{
	const char body[] = {0, FASTCGI_RESPONDER, keep ? FASTCGI_KEEP_CONN : 0, 0, 0, 0, 0, 0};
	return fastcgi_put_record(to, FASTCGI_BEGIN_REQUEST, weir_span(body, sizeof body));
}

static size_t fastcgi_size_write(uint8_t *to, size_t size)
{
	if (size <= FASTCGI_SHORT_MAX) {
		to[0] = (uint8_t)size;
		return 1;
	}
	to[0] = (uint8_t)(size >> 24 | 0x80);
	to[1] = (uint8_t)(size >> 16);
	to[2] = (uint8_t)(size >> 8);
	to[3] = (uint8_t)size;
	return 4;
}

int fastcgi_put_pair(
        struct weir_buffer *to, struct weir_span name, struct weir_span value, size_t limit)
{
	uint8_t sizes[8];
	size_t used = fastcgi_size_write(sizes, name.size);
	used += fastcgi_size_write(sizes + used, value.size);
	const struct weir_span pair[] = {weir_span(sizes, used), name, value};
	return buffer_append_spans(to, pair, 3, limit);
}

int fastcgi_put_stream(struct weir_buffer *to, enum fastcgi_type type, struct weir_span bytes)
{
	int error = 0;
	while (bytes.size && !error) {
		size_t size = min_of(bytes.size, (size_t)FASTCGI_CONTENT_MAX);
		error = fastcgi_put_record(to, type, weir_span(bytes.data, size));
		bytes = weir_span_skip(bytes, size);
	}
	return error ? error : fastcgi_put_record(to, type, bytes);
}

/* -- STDIN ------------------------------------------------------------------------------------- */

static size_t fastcgi_stdin_put_head(char to[PRODUCER_FRAME_HEAD_MAX + 1], size_t size)
{
	fastcgi_header_write((uint8_t *)to, FASTCGI_STDIN, size);
	return FASTCGI_HEADER_SIZE;
}

struct weir_producer *fastcgi_produce_stdin(struct weir_producer *child)
{
	static const struct producer_framing records = {
	        .put_head = fastcgi_stdin_put_head,
	        .last = {"\1\5\0\1\0\0\0", FASTCGI_HEADER_SIZE},
	        .frame_max = FASTCGI_CONTENT_MAX,
	};
	return producer_frame(child, &records, NULL, NULL);
}
