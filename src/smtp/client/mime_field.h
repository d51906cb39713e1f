/*
 * Two fields of MIME (RFC 2045): Content-Type, for the structure of a body, and
 * Content-Transfer-Encoding.
 */
#ifndef WEIR_SMTP_MIME_FIELD_H
#define WEIR_SMTP_MIME_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/span.h>

enum {
	MIME_BOUNDARY_MAX = 200, /* bytes; RFC 2046 5.1.1 allows 70 */
};

enum mime_structure {
	MIME_TEXT,       /* text, or a malformed type (RFC 2045 5.2) */
	MIME_DATA,       /* a type that is not text, whose bytes any encoding may carry */
	MIME_MULTIPART,  /* parts, between lines with the boundary */
	MIME_SIGNED,     /* multipart/signed: the same, and no byte of it may change (RFC 1847) */
	MIME_DIGEST,     /* multipart/digest: the same, and a part without a type is a message */
	MIME_MESSAGE,    /* message/rfc822: a header and a body again */
	MIME_UNENCODABLE /* a message/ type that no encoding is allowed for, as message/partial */
};

struct mime_type {
	enum mime_structure structure;
	bool malformed; /* a multipart without a boundary that can be used */
	size_t boundary_size;
	char boundary[MIME_BOUNDARY_MAX];
};

/* Parses the value of Content-Type, which may have line folds and comments. */
void mime_type_parse(struct weir_span value, struct mime_type *ret);

enum mime_encoding {
	MIME_7BIT,
	MIME_8BIT, /* or binary */
	MIME_QUOTED_PRINTABLE,
	MIME_BASE64,
	MIME_UNKNOWN_ENCODING,
};

/* Parses the value of Content-Transfer-Encoding. An empty one is 7bit. */
enum mime_encoding mime_encoding_parse(struct weir_span value);

#endif
