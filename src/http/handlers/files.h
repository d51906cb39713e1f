/*
 * The file handler's parts:
 *
 *   files.c       which file answers a path: index, redirect, sibling, listing, or an error
 *   file_note.c   the fields of a file's replies, made once a file
 *   file_reply.c  what of the file is sent: all, ranges, nothing (304, 412, 416)
 *   listing.c     a directory as a page
 */
#ifndef WEIR_HTTP_FILES_INTERNAL_H
#define WEIR_HTTP_FILES_INTERNAL_H

#include <weir/http_files.h>
#include <weir/tree.h>

#include "etag.h"
#include "mime.h"

/* What is derived from a file once and used by all its replies. */
struct file_note {
	const struct http_mime *mime;
	int64_t modified_s;
	/* 'W/' in front, for the tag of what is compressed on the fly */
	char weak_etag[2 + WEIR_HTTP_ETAG_MAX];
	size_t etag_size; /* without the W/ */
	/*
	 * `lines`, up to: type_size, Content-Type; coded_at, ETag, Accept-Ranges and perhaps Vary,
	 * which are not those of what is compressed on the fly; plain_size, Last-Modified and the
	 * site's own fields.
	 */
	size_t type_size;
	size_t coded_at;
	size_t plain_size;
	char lines[];
};

/* Smaller bodies are not worth compressing: one packet takes them as they are. */
enum {
	FILE_COMPRESS_MIN = 256
};

/* Made at first use and kept with the file. `path` tells the type. NULL without memory. */
struct file_note *http_file_note(struct weir_file *file, struct weir_span path,
        const struct weir_http_files_options *options);

/*
 * Replies with the regular file, held by the exchange until it ends; compressed on the fly where
 * that is allowed and useful. `sibling_of` is the type of what the file ("x.gz") is the compressed
 * form of, else NULL.
 */
void http_file_reply(struct weir_http_exchange *exchange, struct weir_file *file,
        struct file_note *note, bool may_compress, const struct http_mime *sibling_of);

/* Replies that the file or directory cannot be had, by the error that says why. */
void http_file_error(struct weir_http_exchange *exchange, int error);

/* Replies, now or later, with a page that lists the directory. */
void http_listing_reply(struct weir_http_exchange *exchange, struct weir_tree *tree,
        struct weir_file *directory, bool hidden);

#endif
