/*
 * The parts of a form (multipart/form-data, RFC 7578) in a stream of bytes.
 *
 *   preamble CRLF --boundary CRLF header CRLF CRLF file CRLF --boundary -- epilogue
 *                 └ the cutter's delimiter          └ and here again
 *
 * Parts with a file name are files; the others are fields, and are skipped. Life cycle: init, feed
 * up to the end of the body or an error, free.
 */
#ifndef WEIR_HTTP_FORM_UPLOAD_PARTS_H
#define WEIR_HTTP_FORM_UPLOAD_PARTS_H

#include <weir/cutter.h>

#include "form.h"

#define FORM_PARTS_MAX 1000  /* files and fields of one form */
#define FORM_HEADER_MAX 8192 /* bytes of the header of one part */
#define FORM_HEADER_FIELDS_MAX 16
#define FORM_PADDING_MAX 256   /* spaces and tabs behind a boundary */
#define FORM_FILENAME_MAX 1024 /* bytes of the names in a header, as they are sent */

struct form_parts;

/* Each returns 0, or a negative error that ends the parsing: feed returns it. */
struct form_parts_type {
	/* A file begins. Its name is unchanged from the client, maybe with a path. */
	int (*begin)(struct form_parts *parts, struct weir_span filename);
	/* The next bytes of it, never none. */
	int (*bytes)(struct form_parts *parts, struct weir_span bytes);
	/* All of it has come. */
	int (*end)(struct form_parts *parts);
	/* Returns whether parsing is paused until the next feed. NULL: never. */
	bool (*held)(const struct form_parts *parts);
};

enum form_state {
	FORM_PREAMBLE,
	FORM_BOUNDARY, /* behind a boundary: another part, or the end */
	FORM_HEADER,
	FORM_FILE,
	FORM_FIELD,
	FORM_EPILOGUE, /* complete */
};

/* Embedded by the receiver of a form. The fields are the parser's own. */
struct form_parts {
	struct weir_cutter cutter;
	const struct form_parts_type *type;
	enum form_state state;
	int error; /* sticky */
	unsigned count;
	unsigned header_fields;    /* of the part, so far */
	bool disposed;             /* its Content-Disposition has come */
	struct weir_span filename; /* in names; data is NULL for a field */
	size_t delimiter_size;
	char delimiter[4 + WEIR_HTTP_BOUNDARY_MAX];
	char names[FORM_FILENAME_MAX];
};

void form_parts_init(
        struct form_parts *parts, const struct form_parts_type *type, struct weir_span boundary);

/*
 * Parses the next bytes; empty `bytes` continue after a pause. Returns 0; WEIR_E_SYNTAX if this is
 * not a form; WEIR_E_LIMIT if it exceeds one of the bounds above; -ENOMEM; or the error of a
 * callback.
 */
int form_parts_feed(struct form_parts *parts, struct weir_span bytes);

/* Returns whether the closing boundary has come. All bytes behind it are ignored. */
bool form_parts_complete(const struct form_parts *parts);

void form_parts_free(struct form_parts *parts);

#endif
