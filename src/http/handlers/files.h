/*
 * The file handler's parts:
 *
 *   files.c             path to file: index, redirect, sibling, listing, or an error
 *   file_reply.c        the reply: fields, all of the file, ranges, nothing (304, 412, 416)
 *   compressed_cache.c  the cache of compressed files: a table, which is bounded
 *   compressed_fill.c   a producer that copies a compressed reply into it as it passes
 *   listing.c           a directory as a page
 */
#ifndef WEIR_HTTP_FILES_INTERNAL_H
#define WEIR_HTTP_FILES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/http_files.h>
#include <weir/list.h>
#include <weir/producer.h>
#include <weir/tree.h>

#include "fields.h"
#include "refcount.h"

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

/* -- compressed_cache.c ------------------------------------------------------------------------ */

/*
 * The cache of compressed files (see weir/http_files.h). A form is one of them. The bytes of a form
 * in the table never change, and any thread may read them; all else of it is guarded by the cache's
 * lock. A reply that is sent from a form holds it until the reply's last byte has left.
 */

/* How a form is coded. The server makes one coding at one level today. */
enum compressed_coding {
	COMPRESSED_GZIP,
};

enum {
	COMPRESSED_LEVEL = 1
};

/* The identity of a form. A file that changes has another key. */
struct compressed_key {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	int64_t mtime_s;
	int64_t ctime_s;
	uint32_t mtime_ns;
	uint32_t ctime_ns;
	uint32_t coding; /* enum compressed_coding */
	uint32_t level;
};

struct compressed_form {
	struct weir_http_compressed_cache *cache;
	struct local_refcount references; /* the table's, and one of each reply sent from it */
	struct compressed_key key;
	struct compressed_form *next; /* in its bucket */
	struct weir_list used;        /* in the order of use */
	int64_t used_ms;
	size_t capacity; /* bytes that `data` has room for */
	size_t size;
	char data[];
};

struct compressed_key compressed_key_of(const struct weir_file *file);

/* Returns the form with this key, with a reference for the caller; or NULL. */
struct compressed_form *compressed_cache_find(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key, int64_t now_ms);

/* Removes the form with this key from the cache, if there is one. */
void compressed_cache_drop(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key);

/*
 * Removes all forms that were not found for WEIR_HTTP_COMPRESSED_IDLE_MS. Returns whether there
 * are forms still, in the cache or being made.
 */
bool compressed_cache_expire(struct weir_http_compressed_cache *cache, int64_t now_ms);

/* Releases one reference; the last frees the form. The cache must still exist. */
void compressed_form_release(struct compressed_form *form);

/* -- forms that are being made ----------------------------------------------------------------- */

/*
 * Appends to a form that is being made. *form is NULL at first, and moves as it grows. Its memory
 * counts as the cache's from the beginning. Returns 0; WEIR_E_LIMIT if the form would be larger
 * than one may be, or does not fit beside other forms being made; or -ENOMEM. After an error *form
 * is NULL.
 */
int compressed_form_append(struct weir_http_compressed_cache *cache, struct compressed_form **form,
        struct weir_span bytes);

/* Gives up a form that is being made. NULL is allowed. */
void compressed_form_abandon(
        struct weir_http_compressed_cache *cache, struct compressed_form *form);

/* Puts a complete form in the cache. The form is taken in any case. */
void compressed_cache_add(struct weir_http_compressed_cache *cache, struct compressed_form *form,
        const struct compressed_key *key, int64_t now_ms);

/* -- compressed_fill.c ------------------------------------------------------------------------- */

/*
 * A transformer that passes on the bytes of `child`, the compressed file, and puts a copy in the
 * cache once the child is done. The copy is given up if the client takes longer than
 * WEIR_HTTP_COMPRESSED_FILL_MS. *filling is true as long as a copy is being made. The file and
 * `filling` must outlive the transformer. Returns NULL without memory, with the child closed.
 */
struct weir_producer *compressed_fill_create(struct weir_producer *child,
        struct weir_http_compressed_cache *cache, struct weir_loop *loop, struct weir_file *file,
        bool *filling);

#endif
