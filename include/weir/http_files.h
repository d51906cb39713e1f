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

WEIR_C_BEGIN

struct weir_tree;

/*
 * A cache of compressed files, so that a file that is asked for often is not compressed each time.
 * File handlers of any loops may share one. The second reply with a file that is compressed on the
 * fly fills the cache; later replies are sent from the cache's memory, with a Content-Length.
 *
 * The key is the file's device, inode, size, and times of modification and change, and the coding
 * and level. So a file that changes is compressed anew. A compressed file takes at most an 8th of
 * the cache, and is dropped when it was not asked for in WEIR_HTTP_COMPRESSED_IDLE_MS.
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

/*
 * Adds a reference, and releases one; the last frees the cache. On any thread. NULL may be
 * released.
 */
WEIR_API struct weir_http_compressed_cache *weir_http_compressed_cache_hold(
        struct weir_http_compressed_cache *cache);
WEIR_API void weir_http_compressed_cache_release(struct weir_http_compressed_cache *cache);

/* The media type of an extension, which has no dot. */
struct weir_http_type {
	const char *extension;
	const char *type; /* for Content-Type */
};

/* Begin with weir_http_files_options_init. */
struct weir_http_files_options {
	/*
	 * The file that is sent for a directory; default "index.html"; "" or NULL: none. Of several
	 * names with '/' between them the first one that is there. Copied.
	 */
	const char *index;
	bool listing;  /* directories without an index are listed, else 403; default true */
	bool hidden;   /* names that begin with '.' are served, else 404; default false */
	bool compress; /* on the fly, for types of text, and listings; default true */
	bool zstd;     /* zstd, too, for clients that do not prefer gzip; default true */
	/* The level of both, as weir_produce_gzip_level; default WEIR_COMPRESS_LEVEL_MIN. */
	unsigned compress_level;
	/*
	 * "x.br", "x.zst" or "x.gz" is served for "x" if the client accepts it, by its weights;
	 * default true. A sibling of zstd whose window is larger than 8 MB is not (RFC 9659).
	 */
	bool siblings;
	/*
	 * For what is compressed on the fly; the handler holds it. NULL, the default: each reply is
	 * compressed anew.
	 */
	struct weir_http_compressed_cache *compressed_cache;
	/*
	 * Whole lines that are added to every file's reply ("Cache-Control: max-age=60\r\n"); NULL,
	 * the default: none. Copied.
	 */
	const char *fields;
	/* Media types of extensions, before those that are known; copied. */
	const struct weir_http_type *types;
	size_t type_count;
	/*
	 * The media types that are compressed, and whose siblings are looked for; or families of
	 * them, which end in a star. None, the default: those of text, and formats that are not
	 * compressed themselves. Borrowed.
	 */
	const char *const *compress_types;
	size_t compress_type_count;
	/*
	 * The page that lists a directory, with $path and $rows in it; NULL, the default: one that
	 * is built in. Copied.
	 */
	const char *listing_template;
};

/* Sets every member to the default in its comment. */
WEIR_API void weir_http_files_options_init(struct weir_http_files_options *options);

/*
 * Takes the tree in any case, and closes it with the handler. Returns NULL without memory. On any
 * thread; one loop uses the handler.
 */
WEIR_API struct weir_http_handler *weir_http_files_create(
        struct weir_tree *tree, const struct weir_http_files_options *options);

WEIR_C_END

#endif
