/*
 * The file handler's parts:
 *
 *   files.c             path to file: index, redirect, sibling, listing, or an error
 *   files_rule.c        what rules ask of it: pages for errors, files that are tried
 *   sibling.c           which siblings a client accepts, and which can be sent
 *   file_reply.c        the reply: fields, all of the file, ranges, nothing (304, 412, 416)
 *   compressed_cache.c  the cache of compressed files: a table, which is bounded
 *   compressed_fill.c   a producer that copies a compressed reply into it as it passes
 *   listing.c           a directory as a page, or as JSON; see listing_state.h
 */
#ifndef WEIR_HTTP_FILES_INTERNAL_H
#define WEIR_HTTP_FILES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/http_files.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/producer.h>
#include <weir/tree.h>

#include "fields.h"
#include "path.h"
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
	bool compressible;
	bool zstd;       /* compressed on the fly by zstd, too */
	unsigned level;  /* of compression on the fly */
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
	struct http_encoded_lines *encoded; /* all of `lines`, or NULL */
	char lines[];
};

/* Smaller bodies are not compressed, since they fit one packet anyway. */
enum {
	FILE_COMPRESS_MIN = 256
};

/* The handler; its tree is attached to the loop of its first request. */
struct files {
	struct weir_http_handler handler;
	struct weir_tree *tree;
	struct weir_loop *loop;                 /* NULL before the first request */
	struct weir_http_files_options options; /* its strings are copies; the cache is held */
	struct http_mime *types;                /* of options.types */
	struct weir_timer timer;                /* drops compressed files that are not asked for */
};

/* Attaches the tree, if that was not done. */
void http_files_attach(struct files *files, const struct weir_http_exchange *exchange);

/* The path of the request in the tree: that of the URL, without what an alias skips. */
struct weir_span http_files_path(const struct weir_http_exchange *exchange);

/* The type of a file's name: of the handler's own types, or of the table. */
const struct http_mime *http_files_mime(const struct files *files, struct weir_span name);

/* Whether files of a type are compressed, and siblings of them looked for. */
bool http_files_compresses(
        const struct weir_http_files_options *options, const struct http_mime *mime);

/*
 * Made at first use and stored with the file. `mime` is the type of the file's own name. NULL
 * without memory.
 */
struct file_note *http_file_note(struct weir_file *file, const struct http_mime *mime,
        const struct weir_http_files_options *options);

/*
 * Replies with a regular file, which the exchange holds until it ends; compressed on the fly where
 * that is allowed and useful. If the file is a sibling ("x.gz"), `sibling_of` is the type of "x" and
 * `coding` its coding, else NULL.
 */
void http_file_reply(struct weir_http_exchange *exchange, struct weir_file *file,
        struct file_note *note, bool may_compress, const struct http_mime *sibling_of,
        const char *coding);

/* Replies with the status for an error of the tree. */
void http_file_error(struct weir_http_exchange *exchange, int error);

/* Replies, now or later, with a page that lists the directory. */
void http_listing_reply(struct weir_http_exchange *exchange, const struct files *files,
        struct weir_file *directory);

/* -- sibling.c --------------------------------------------------------------------------------- */

/* A coding of a sibling, such as "x.br" of "x". */
struct file_sibling {
	const char *suffix;
	const char *coding; /* for Content-Encoding */
};

enum {
	FILE_SIBLINGS = 3
};

/* Stores the siblings that the client accepts, the best one first. Returns how many. */
unsigned http_siblings_choose(const struct weir_http_request *request,
        const struct file_sibling *ret_siblings[FILE_SIBLINGS]);

/* Whether clients must be able to decode it: a frame of zstd may have too large a window. */
bool http_sibling_can_be_sent(const struct file_sibling *sibling, const struct weir_file *file);

/* -- files_rule.c ------------------------------------------------------------------------------ */

/*
 * Replies with a file of the site and the status of an error; with a small page if the file cannot
 * be sent. `path` begins with '/'. Neither passwords nor rules are asked: the configuration names
 * the file, and the client cannot choose it.
 */
void http_files_reply_page(struct weir_http_handler *handler, struct weir_http_exchange *exchange,
        const char *path, unsigned status);

struct http_files_probe;
typedef void http_files_probed_fn(struct http_files_probe *probe, bool found);

/* Embedded by the caller; lives until `done` is called. */
struct http_files_probe {
	struct weir_lookup lookup;
	http_files_probed_fn *done;
	struct files *files;
	struct weir_span index; /* the names that are still to be looked for */
	char *directory;        /* the path of a directory, owned; or NULL */
};

/*
 * Finds out whether the handler would serve something for a path: a regular file; or, if it is a
 * directory's, its index or listing. Calls `done` once, perhaps before it returns.
 */
void http_files_probe(struct weir_http_handler *handler, struct http_files_probe *probe,
        const struct weir_http_path *path, const struct weir_http_exchange *exchange,
        http_files_probed_fn *done);

/* -- compressed_cache.c ------------------------------------------------------------------------ */

/*
 * The cache of compressed files (see weir/http_files.h). A form is one of them. The bytes of a form
 * in the table never change, and any thread may read them; all else of it is guarded by the cache's
 * lock. A reply that is sent from a form holds it until the reply's last byte has left.
 */

/* How a form is coded. */
enum compressed_coding {
	COMPRESSED_GZIP,
	COMPRESSED_ZSTD,
	COMPRESSED_CODINGS,
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

struct compressed_key compressed_key_of(
        const struct weir_file *file, enum compressed_coding coding, unsigned level);

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
 * cache, as `key`, once the child is done. The copy is given up if the client takes longer than
 * WEIR_HTTP_COMPRESSED_FILL_MS. *filling is true as long as a copy is being made. The file and
 * `filling` must outlive the transformer. Returns NULL without memory, with the child closed.
 */
struct weir_producer *compressed_fill_create(struct weir_producer *child,
        struct weir_http_compressed_cache *cache, struct weir_loop *loop, struct weir_file *file,
        const struct compressed_key *key, bool *filling);

#endif
