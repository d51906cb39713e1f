/*
 * The table of compressed forms, shared by the file handlers of all loops. One lock guards the
 * table, the order of use and the counts; the bytes of a form are read without it.
 *
 * Invariant: `bytes` is the memory of all forms: in the table, being made, and removed but still
 * being sent. It never exceeds bytes_max. The form used longest ago is evicted, unless it is being
 * sent, since its memory would not be free then.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "files.h"
#include "helper.h"

struct weir_http_compressed_cache {
	struct refcount references;
	pthread_mutex_t lock;
	size_t bytes_max;
	unsigned entries_max;
	uint64_t seed;
	size_t bytes;
	size_t making; /* bytes of these, of forms that are being made */
	unsigned entries;
	struct weir_list used; /* the form used longest ago first */
	size_t mask;
	struct compressed_form *buckets[];
};

enum {
	FORM_FIRST = 16 * 1024, /* bytes of memory for a form that begins */
	MAKING_PART = 4,        /* forms being made take at most this part of the cache, a 4th */
	TRIM_MIN = 1024 * 1024, /* so many bytes that expire at once are returned to the system */
};

int weir_http_compressed_cache_create(
        size_t bytes_max, unsigned entries_max, struct weir_http_compressed_cache **ret)
{
	entries_max = or_default(entries_max, WEIR_HTTP_COMPRESSED_ENTRIES);
	size_t buckets = 16;
	while (buckets < entries_max)
		buckets *= 2;
	struct weir_http_compressed_cache *cache =
	        calloc(1, sizeof *cache + buckets * sizeof cache->buckets[0]);
	if (!cache)
		return -ENOMEM;
	if (getrandom(&cache->seed, sizeof cache->seed, 0) != sizeof cache->seed) {
		free(cache);
		return -EIO;
	}
	refcount_init(&cache->references);
	pthread_mutex_init(&cache->lock, NULL);
	cache->bytes_max = or_default(bytes_max, WEIR_HTTP_COMPRESSED_BYTES);
	cache->entries_max = entries_max;
	cache->mask = buckets - 1;
	weir_list_init(&cache->used);
	*ret = cache;
	return 0;
}

struct weir_http_compressed_cache *weir_http_compressed_cache_hold(
        struct weir_http_compressed_cache *cache)
{
	refcount_hold(&cache->references);
	return cache;
}

/* -- keys -------------------------------------------------------------------------------------- */

struct compressed_key compressed_key_of(
        const struct weir_file *file, enum compressed_coding coding, unsigned level)
{
	return (struct compressed_key){
	        .device = file->device,
	        .inode = file->inode,
	        .size = file->size,
	        .mtime_s = file->mtime.tv_sec,
	        .ctime_s = file->ctime.tv_sec,
	        .mtime_ns = (uint32_t)file->mtime.tv_nsec,
	        .ctime_ns = (uint32_t)file->ctime.tv_nsec,
	        .coding = coding,
	        .level = level,
	};
}

_Static_assert(sizeof(struct compressed_key) == 5 * 8 + 4 * 4, "keys are compared as bytes");

static struct compressed_form **compressed_cache_bucket(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key)
{
	uint64_t words[sizeof *key / sizeof(uint64_t)];
	uint64_t hash = cache->seed;
	memcpy(words, key, sizeof words);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		unsigned __int128 product =
		        (unsigned __int128)(hash ^ words[i]) * 0x9e3779b97f4a7c15U;
		hash = (uint64_t)product ^ (uint64_t)(product >> 64);
	}
	return &cache->buckets[hash & cache->mask];
}

/* Returns the link that points to the form with this key, or to NULL. */
static struct compressed_form **compressed_cache_link(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key)
{
	struct compressed_form **link = compressed_cache_bucket(cache, key);
	while (*link && memcmp(&(*link)->key, key, sizeof *key) != 0)
		link = &(*link)->next;
	return link;
}

/* -- forms in the table ------------------------------------------------------------------------ */

/* Releases a reference. The caller holds the lock. */
static void compressed_form_unref(struct compressed_form *form)
{
	if (!local_refcount_release(&form->references))
		return;
	form->cache->bytes -= form->capacity;
	free(form);
}

void compressed_form_release(struct compressed_form *form)
{
	struct weir_http_compressed_cache *cache = form->cache;
	pthread_mutex_lock(&cache->lock);
	compressed_form_unref(form);
	pthread_mutex_unlock(&cache->lock);
}

/* Removes a form from the table. Its memory counts until no reply is sent from it. */
static void compressed_cache_remove(
        struct weir_http_compressed_cache *cache, struct compressed_form *form)
{
	*compressed_cache_link(cache, &form->key) = form->next;
	weir_list_remove(&form->used);
	cache->entries--;
	compressed_form_unref(form);
}

static struct compressed_form *compressed_cache_oldest(struct weir_http_compressed_cache *cache)
{
	return weir_list_empty(&cache->used)
	               ? NULL
	               : WEIR_CONTAINER(cache->used.next, struct compressed_form, used);
}

static bool compressed_cache_has_room(
        const struct weir_http_compressed_cache *cache, size_t bytes, unsigned entries)
{
	return cache->bytes + bytes <= cache->bytes_max &&
	       cache->entries + entries <= cache->entries_max;
}

/* Makes room for `bytes` more, and for `entries` more. Returns whether there is room now. */
static bool compressed_cache_make_room(
        struct weir_http_compressed_cache *cache, size_t bytes, unsigned entries)
{
	WEIR_LIST_EACH_SAFE (struct compressed_form, form, next, &cache->used, used) {
		if (compressed_cache_has_room(cache, bytes, entries))
			return true;
		if (local_refcount_unique(&form->references))
			compressed_cache_remove(cache, form);
	}
	return compressed_cache_has_room(cache, bytes, entries);
}

void weir_http_compressed_cache_release(struct weir_http_compressed_cache *cache)
{
	struct compressed_form *form;
	if (!cache || !refcount_release(&cache->references))
		return;
	while ((form = compressed_cache_oldest(cache)))
		compressed_cache_remove(cache, form);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

struct compressed_form *compressed_cache_find(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key, int64_t now_ms)
{
	pthread_mutex_lock(&cache->lock);
	struct compressed_form *form = *compressed_cache_link(cache, key);
	if (form) {
		local_refcount_hold(&form->references);
		form->used_ms = now_ms;
		weir_list_remove(&form->used);
		weir_list_append(&cache->used, &form->used);
	}
	pthread_mutex_unlock(&cache->lock);
	return form;
}

void compressed_cache_drop(
        struct weir_http_compressed_cache *cache, const struct compressed_key *key)
{
	pthread_mutex_lock(&cache->lock);
	struct compressed_form *form = *compressed_cache_link(cache, key);
	if (form)
		compressed_cache_remove(cache, form);
	pthread_mutex_unlock(&cache->lock);
}

bool compressed_cache_expire(struct weir_http_compressed_cache *cache, int64_t now_ms)
{
	struct compressed_form *oldest;
	pthread_mutex_lock(&cache->lock);
	size_t before = cache->bytes;
	while ((oldest = compressed_cache_oldest(cache)) &&
	        now_ms - oldest->used_ms >= WEIR_HTTP_COMPRESSED_IDLE_MS)
		compressed_cache_remove(cache, oldest);
	size_t left = cache->bytes;
	pthread_mutex_unlock(&cache->lock);
	/*
	 * The heap keeps freed memory between other allocations, unless it is asked to return it.
	 */
	if (before - left >= TRIM_MIN)
		malloc_trim(0);
	return left > 0;
}

/* -- forms that are being made ----------------------------------------------------------------- */

/* Reserves memory for a form that is being made, and evicts others for it. */
static bool compressed_cache_reserve(struct weir_http_compressed_cache *cache, size_t bytes)
{
	pthread_mutex_lock(&cache->lock);
	bool fits = cache->making + bytes <= cache->bytes_max / MAKING_PART &&
	            compressed_cache_make_room(cache, bytes, 0);
	if (fits) {
		cache->making += bytes;
		cache->bytes += bytes;
	}
	pthread_mutex_unlock(&cache->lock);
	return fits;
}

static void compressed_cache_unreserve(struct weir_http_compressed_cache *cache, size_t bytes)
{
	pthread_mutex_lock(&cache->lock);
	cache->making -= bytes;
	cache->bytes -= bytes;
	pthread_mutex_unlock(&cache->lock);
}

void compressed_form_abandon(struct weir_http_compressed_cache *cache, struct compressed_form *form)
{
	if (!form)
		return;
	compressed_cache_unreserve(cache, form->capacity);
	free(form);
}

/* Makes room for `size` bytes in all. Returns 0, -ENOMEM or WEIR_E_LIMIT. */
static int compressed_form_grow(
        struct weir_http_compressed_cache *cache, struct compressed_form **form, size_t size)
{
	size_t most = cache->bytes_max / WEIR_HTTP_COMPRESSED_PART;
	size_t old = *form ? (*form)->capacity : 0;
	size_t capacity = old ? old * 2 : FORM_FIRST;
	while (capacity < size)
		capacity *= 2;
	capacity = min_of(capacity, most);
	if (size > capacity || !compressed_cache_reserve(cache, capacity - old))
		return WEIR_E_LIMIT;
	struct compressed_form *grown = realloc(*form, sizeof *grown + capacity);
	if (!grown) {
		compressed_cache_unreserve(cache, capacity - old);
		return -ENOMEM;
	}
	if (!*form)
		*grown = (struct compressed_form){.size = 0};
	grown->capacity = capacity;
	*form = grown;
	return 0;
}

int compressed_form_append(struct weir_http_compressed_cache *cache, struct compressed_form **form,
        struct weir_span bytes)
{
	size_t size = (*form ? (*form)->size : 0) + bytes.size;
	int error =
	        *form && size <= (*form)->capacity ? 0 : compressed_form_grow(cache, form, size);
	if (error < 0) {
		compressed_form_abandon(cache, *form);
		*form = NULL;
		return error;
	}
	memcpy((*form)->data + (*form)->size, bytes.data, bytes.size);
	(*form)->size = size;
	return 0;
}

/* Frees the memory that a complete form does not need. */
static struct compressed_form *compressed_form_fit(
        struct weir_http_compressed_cache *cache, struct compressed_form *form)
{
	size_t spare = form->capacity - form->size;
	struct compressed_form *fitted = realloc(form, sizeof *form + form->size);
	if (!fitted)
		return form;
	fitted->capacity = fitted->size;
	compressed_cache_unreserve(cache, spare);
	return fitted;
}

void compressed_cache_add(struct weir_http_compressed_cache *cache, struct compressed_form *form,
        const struct compressed_key *key, int64_t now_ms)
{
	form = compressed_form_fit(cache, form);
	local_refcount_init(&form->references);
	form->cache = cache;
	form->key = *key;
	form->used_ms = now_ms;
	form->next = NULL;
	pthread_mutex_lock(&cache->lock);
	cache->making -= form->capacity;
	/* Another loop may have been faster. */
	if (*compressed_cache_link(cache, key) || !compressed_cache_make_room(cache, 0, 1)) {
		compressed_form_unref(form);
	} else {
		*compressed_cache_link(cache, key) = form;
		cache->entries++;
		weir_list_append(&cache->used, &form->used);
	}
	pthread_mutex_unlock(&cache->lock);
}
