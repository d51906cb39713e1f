/*
 * The cache of compressed forms of files, from the inside (see weir/http_files.h):
 *
 *   compressed_cache.c  the table: found by the file's identity, bounded, given up when idle
 *   compressed_fill.c   a producer that copies a compressed reply as it passes
 *
 * The bytes of a form in the table never change, and any thread may read them; all else of it is
 * guarded by the cache's lock. A reply that is sent from a form holds it until the reply's last byte
 * has left.
 */
#ifndef WEIR_HTTP_COMPRESSED_CACHE_H
#define WEIR_HTTP_COMPRESSED_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/http_files.h>
#include <weir/list.h>
#include <weir/producer.h>
#include <weir/tree.h>

/* How a form is coded. The server makes one coding at one level today. */
enum compressed_coding {
	COMPRESSED_GZIP,
};

enum {
	COMPRESSED_LEVEL = 1
};

/* What a form belongs to. A file that changes has another key. */
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
	unsigned references; /* the table's, and one of each reply that is sent from the form */
	struct compressed_key key;
	struct compressed_form *next; /* in its bucket */
	struct weir_list used;        /* in the order of use */
	int64_t used_ms;
	size_t capacity; /* bytes that `data` has room for */
	size_t size;
	char data[];
};

struct compressed_key compressed_key_of(const struct weir_file *file);

/* The form with this key, with a reference for the caller; or NULL. */
struct compressed_form *compressed_cache_find(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key, int64_t now_ms);

/* Takes the form with this key out of the cache, if there is one. */
void compressed_cache_drop(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key);

/*
 * Takes out all forms that were not found for WEIR_HTTP_COMPRESSED_IDLE_MS. Returns whether there
 * are forms still, in the cache or being made.
 */
bool compressed_cache_expire(struct weir_http_compressed_cache *cache, int64_t now_ms);

/* Gives one reference back; the last one frees the form. The cache must be there still. */
void compressed_form_release(struct compressed_form *form);

/* -- forms that are being made ------------------------------------------------------------------ */

/*
 * Appends to a form that is being made; *form may be NULL at first and moves as it grows. Its
 * memory counts as the cache's from the beginning. Returns 0, -ENOMEM, or WEIR_E_LIMIT: it would be
 * larger than one form may be, or there is no room beside the other forms being made. After a
 * failure *form is NULL.
 */
int compressed_form_append(struct weir_http_compressed_cache *cache, struct compressed_form **form,
        struct weir_span bytes);

/* Gives up a form that is being made. NULL is allowed. */
void compressed_form_abandon(
        struct weir_http_compressed_cache *cache, struct compressed_form *form);

/* Puts a complete form in the cache, and takes it in any case. */
void compressed_cache_add(struct weir_http_compressed_cache *cache, struct compressed_form *form,
        const struct compressed_key *key, int64_t now_ms);

/* -- compressed_fill.c ------------------------------------------------------------------------- */

/*
 * A transformer that passes `child`, the compressed file, on as it is, and puts a copy in the cache
 * once the child is done. *filling is true until then, or until the copy is given up because the
 * client took longer than WEIR_HTTP_COMPRESSED_FILL_MS; the file and `filling` must outlive the
 * transformer. Returns NULL without memory; the child is closed then.
 */
struct weir_producer *compressed_fill_create(struct weir_producer *child,
        struct weir_http_compressed_cache *cache, struct weir_loop *loop, struct weir_file *file,
        bool *filling);

#endif
