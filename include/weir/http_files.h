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

/*
 * A cache of compressed files, so that a file that is asked for often is not compressed each time.
 * File handlers of any loops and threads may share one. A form of a file is found by the file's
 * device, inode, size, times of modification and change, coding and level, so that a file that
 * changes has none. The second reply with a file that is compressed on the fly fills the cache; the
 * replies after it are sent from the cache's memory, with a Content-Length.
 *
 * Life cycle: create, give it to handlers, each of which holds it, release.
 */
struct weir_http_compressed_cache;

/*
 * `bytes_max` bounds all memory of the compressed files, `entries_max` their number; 0 is the
 * default of weir/limits.h. Returns 0, -ENOMEM, or an errno of getrandom.
 */
WEIR_API int weir_http_compressed_cache_create(
        size_t bytes_max, unsigned entries_max, struct weir_http_compressed_cache **ret);

/* One reference more, and one less: the last one frees the cache. On any thread. NULL may be released. */
WEIR_API struct weir_http_compressed_cache *weir_http_compressed_cache_hold(
        struct weir_http_compressed_cache *cache);
WEIR_API void weir_http_compressed_cache_release(struct weir_http_compressed_cache *cache);

struct weir_http_files_options {
	const char *index; /* "index.html"; "" is none. Copied */
	bool listing;      /* directories without an index are listed; else 403 */
	bool hidden;       /* names that begin with '.' are shown; else 404 */
	bool compress;     /* gzip on the fly, for types of text */
	bool siblings;     /* "x.gz" is served for "x" to a client that accepts gzip */
	/* For what is compressed on the fly; the handler holds it. NULL: each reply is compressed anew. */
	struct weir_http_compressed_cache *compressed_cache;
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
