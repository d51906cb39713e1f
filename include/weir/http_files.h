/*
 * The file handler: GET and HEAD on a file tree. Conditional requests, ranges, an index, listings
 * of directories, MIME types, compressed siblings, compression on the fly.
 */
#ifndef WEIR_HTTP_FILES_H
#define WEIR_HTTP_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/api.h>
#include <weir/http.h>

struct weir_tree;

struct weir_http_files_options {
	const char *index; /* "index.html"; "" is none. Copied */
	bool listing;      /* directories without an index are listed; else 403 */
	bool hidden;       /* names that begin with '.' are shown; else 404 */
	bool compress;     /* gzip on the fly, for types of text */
	bool siblings;     /* "x.gz" is served for "x" to who accepts gzip */
	const char *
	        fields; /* whole lines added to every file's reply ("Cache-Control: max-age=60\r\n"), or NULL. Copied */
};

/* index.html, listing, compression and siblings on, hidden files hidden. */
WEIR_API struct weir_http_files_options weir_http_files_defaults(void);

/*
 * Takes the tree (closes it with the handler), in any case. NULL without memory. Made by any
 * thread, used by one loop.
 */
WEIR_API struct weir_http_handler *weir_http_files_create(
        struct weir_tree *tree, const struct weir_http_files_options *options);

#endif
