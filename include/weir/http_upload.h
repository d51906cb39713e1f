/*
 * Uploads into a file tree: PUT (RFC 9110 9.3.4) and DELETE, and forms (multipart/form-data, RFC
 * 7578) that are posted to a directory, each file of which is stored under its own name there.
 *
 * A file appears under its name only when it is whole and on the disk; 201 or 204 say that it is.
 * The files of a form appear in its order, when all of it has come. See docs/uploads.md.
 */
#ifndef WEIR_HTTP_UPLOAD_H
#define WEIR_HTTP_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/api.h>
#include <weir/http.h>

struct weir_tree;

struct weir_http_upload_options {
	const char
	        *prefix; /* paths below it only ("" is all), without slashes at its ends. Copied */
	uint64_t max_size; /* bytes of one body; 0: WEIR_HTTP_UPLOAD_MAX */
	mode_t mode;       /* of new files; 0: 0644 less the umask (weir/upload.h) */
	bool put;
	bool remove; /* DELETE */
	bool forms;  /* POST of multipart/form-data */
};

/*
 * Matches PUT, DELETE and POST below the prefix, as far as they are allowed. Takes the tree (closes
 * it with the handler) in any case; a tree without a loop is attached to that of the first
 * exchange. NULL without memory, or given NULL. Made by any thread, used by one loop.
 */
WEIR_API struct weir_http_handler *weir_http_upload_create(
        struct weir_tree *tree, const struct weir_http_upload_options *options);

#endif
