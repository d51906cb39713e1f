/*
 * The cache of compressed files from the inside (see weir/http_files.h). A form is one of them.
 *
 *   compressed_cache.c  the table, which is bounded
 *   compressed_fill.c   a producer that copies a compressed reply as it passes
 *
 * The bytes of a form in the table never change, and any thread may read them; all else of it is
 * guarded by the cache's lock. A reply that is sent from a form holds it until the reply's last
 * byte has left.
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

/* Returns the form with this key, with a reference for the caller; or NULL. */
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

/* Gives one reference back; the last frees the form. The cache must still exist. */
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
