/*
 * Records of FastCGI (FastCGI Specification 1.0, 3.3), in which the streams of a request and of its
 * reply are cut:
 *
 *   version 1, type, id (2 bytes), size of the content (2), size of the padding, reserved
 *   content
 *   padding
 *
 * A connection has one request at a time, whose id is 1. A stream ends with a record without
 * content.
 */
#ifndef HTTP_FASTCGI_RECORD_H
#define HTTP_FASTCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/producer.h>
#include <weir/span.h>

enum fastcgi_type {
	FASTCGI_BEGIN_REQUEST = 1,
	FASTCGI_END_REQUEST = 3,
	FASTCGI_PARAMS = 4,
	FASTCGI_STDIN = 5,
	FASTCGI_STDOUT = 6,
	FASTCGI_STDERR = 7,
};

enum {
	FASTCGI_HEADER_SIZE = 8,
	FASTCGI_CONTENT_MAX = 65535,
	FASTCGI_PADDING_MAX = 255,
	FASTCGI_END_SIZE = 8, /* of the content of END_REQUEST */
};

/* The protocolStatus of END_REQUEST. */
enum fastcgi_status {
	FASTCGI_COMPLETE,
	FASTCGI_CANT_MULTIPLEX,
	FASTCGI_OVERLOADED,
	FASTCGI_UNKNOWN_ROLE,
};

struct fastcgi_header {
	enum fastcgi_type type;
	uint16_t size;
	uint8_t padding;
};

/*
 * Parses the header of a record of a reply. Returns 0, or WEIR_E_FASTCGI_RECORD for another version
 * or id, or for a type that an application must not send unasked.
 */
int fastcgi_header_parse(const uint8_t bytes[FASTCGI_HEADER_SIZE], struct fastcgi_header *ret);

/* Appends BEGIN_REQUEST for a responder; `keep`: the connection stays open. 0 or -ENOMEM. */
int fastcgi_put_begin(struct weir_buffer *to, bool keep);

/* Appends a name and its value as they are in PARAMS. Returns as weir_buffer_append. */
int fastcgi_put_pair(
        struct weir_buffer *to, struct weir_span name, struct weir_span value, size_t limit);

/* Appends a stream of records with these bytes, and its end. Returns 0 or -ENOMEM. */
int fastcgi_put_stream(struct weir_buffer *to, enum fastcgi_type type, struct weir_span bytes);

/* Makes records of STDIN of the child's bytes, and the end of the stream. */
struct weir_producer *fastcgi_produce_stdin(struct weir_producer *child);

#endif
