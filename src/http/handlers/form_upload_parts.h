/*
 * Forms with files (multipart/form-data, RFC 7578) in a stream of bytes.
 *
 *   preamble CRLF --boundary CRLF header CRLF CRLF file CRLF --boundary -- epilogue
 *                 └ the cutter's delimiter          └ and here again
 *
 * Parts with a file name are files; the others are fields, and are skipped. Life cycle: init, feed
 * up to the end of the body or an error, free.
 */
#ifndef WEIR_HTTP_FORM_UPLOAD_PARTS_H
#define WEIR_HTTP_FORM_UPLOAD_PARTS_H

#include <stdbool.h>

#include <weir/cutter.h>
#include <weir/span.h>

/* -- the boundary, and the names in a header --------------------------------------------------- */

#define WEIR_HTTP_BOUNDARY_MAX 70

/*
 * Finds the boundary of a multipart/… Content-Type (RFC 2046 5.1.1): 1 to 70 characters, the last
 * no space. *ret_boundary is in `buffer`. Returns 0, or WEIR_E_SYNTAX if the type is not multipart,
 * or has no such boundary, or two.
 */
int http_boundary_parse(struct weir_span content_type, char buffer[WEIR_HTTP_BOUNDARY_MAX],
        struct weir_span *ret_boundary);

struct http_disposition {
	struct weir_span name;
	struct weir_span filename; /* as sent, maybe with a path; data is NULL if not given */
};

/*
 * Parses Content-Disposition: form-data; name="…"; filename="…". Both spans are in `buffer`. A
 * backslash escapes only '"' and itself, since browsers do not escape others. filename* is ignored
 * (RFC 7578 4.2). Returns 0; WEIR_E_SYNTAX if the field is malformed, has no name, or repeats one;
 * or WEIR_E_LIMIT if it does not fit.
 */
int http_disposition_parse(struct weir_span value, char *buffer, size_t capacity,
        struct http_disposition *ret_disposition);

/* Returns the part behind the last '/' or '\'; nothing for the names "", "." and "..". */
struct weir_span http_filename_base(struct weir_span filename);

/* -- the parts --------------------------------------------------------------------------------- */

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
