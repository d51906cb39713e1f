/*
 * The file handler's parts:
 *
 *   files.c             path to file: index, redirect, sibling, listing, or an error
 *   file_reply.c        the reply: fields, all of the file, ranges, nothing (304, 412, 416)
 *   compressed_cache.c  the cache of compressed files
 *   compressed_fill.c   how a reply fills the cache
 *   listing.c           a directory as a page
 */
#ifndef WEIR_HTTP_FILES_INTERNAL_H
#define WEIR_HTTP_FILES_INTERNAL_H

#include <weir/http_files.h>
#include <weir/tree.h>

#include "etag.h"
#include "mime.h"

/* Data that is derived from a file once and used by all its replies. */
struct file_note {
	const struct http_mime *mime;
	int64_t modified_s;
	/*
	 * The cache of compressed files, held, or NULL; and the state of this file in it, as far as
	 * this loop knows.
	 */
	struct weir_http_compressed_cache *cache;
	const struct weir_file *file;
	bool compressed; /* a reply was compressed on the fly */
	bool filling;    /* a reply fills the cache now */
	bool cached;     /* the cache may have the compressed file */
	/* with 'W/' in front, for compressed replies */
	char weak_etag[2 + WEIR_HTTP_ETAG_MAX];
	size_t etag_size; /* without the W/ */
	/*
	 * The fields in `lines`. Up to type_size: Content-Type. Up to coded_at: ETag, Accept-Ranges
	 * and perhaps Vary, which a compressed reply replaces. Up to plain_size: Last-Modified and
	 * the site's own fields.
	 */
	size_t type_size;
	size_t coded_at;
	size_t plain_size;
	char lines[];
};

/* Smaller bodies are not compressed, since they fit one packet anyway. */
enum {
	FILE_COMPRESS_MIN = 256
};

/* Made at first use and stored with the file. The type follows from `path`. NULL without memory. */
struct file_note *http_file_note(struct weir_file *file, struct weir_span path,
        const struct weir_http_files_options *options);

/*
 * Replies with a regular file, which the exchange holds until it ends; compressed on the fly where
 * that is allowed and useful. If the file is a sibling ("x.gz"), `sibling_of` is the type of "x",
 * else NULL.
 */
void http_file_reply(struct weir_http_exchange *exchange, struct weir_file *file,
        struct file_note *note, bool may_compress, const struct http_mime *sibling_of);

/* Replies with the status for an error of the tree. */
void http_file_error(struct weir_http_exchange *exchange, int error);

/* Replies, now or later, with a page that lists the directory. */
void http_listing_reply(struct weir_http_exchange *exchange, struct weir_tree *tree,
        struct weir_file *directory, bool hidden);

#endif
