/*
 * Uploads into a file tree: PUT (RFC 9110 9.3.4) and DELETE, and forms (multipart/form-data, RFC
 * 7578) that are posted to a directory. Each file of a form is stored there under its own name.
 *
 * A file appears under its name only when it is complete and synced to the disk; the reply is then
 * 201 or 204. The files of a form appear in the form's order, after all of it has come. See
 * docs/uploads.md.
 */
#ifndef WEIR_HTTP_UPLOAD_H
#define WEIR_HTTP_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/api.h>
#include <weir/http.h>

WEIR_C_BEGIN

struct weir_tree;

/* Begin with weir_http_upload_options_init. */
struct weir_http_upload_options {
	/* Paths below it only, without slashes at its ends; "", the default, is all. Copied. */
	const char *prefix;
	uint64_t max_size; /* bytes of one body; WEIR_HTTP_UPLOAD_MAX; 0: bodies must be empty */
	mode_t mode;       /* of new files; 0, the default: 0644 less the umask (weir/upload.h) */
	bool put;          /* default false */
	bool remove;       /* DELETE; default false */
	bool forms;        /* POST of multipart/form-data; default false */
};

/* Sets every member to the default in its comment: no method is allowed. */
WEIR_API void weir_http_upload_options_init(struct weir_http_upload_options *options);

/*
 * Matches PUT, DELETE and POST below the prefix, as far as the options allow them. Takes the tree
 * in any case, and closes it with the handler. A tree without a loop is attached to the loop of the
 * first exchange. Returns NULL without memory, or for a tree of NULL. On any thread; one loop uses
 * the handler.
 */
WEIR_API struct weir_http_handler *weir_http_upload_create(
        struct weir_tree *tree, const struct weir_http_upload_options *options);

WEIR_C_END

#endif
