/*
 * Fills the cache of compressed files from a reply that is compressed anyway: the bytes pass
 * unchanged, and a copy grows beside them. The copy enters the cache when the child is done,
 * whether or not the client takes the last bytes. If the client goes away before, the copy is
 * freed.
 *
 * Invariant: a form is made of one state of the file. A file in memory cannot change; any other
 * file is compared with its key once all of it has been read.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include <weir/limits.h>
#include <weir/loop.h>

#include "files.h"
#include "producer_internal.h"

struct compressed_fill {
	struct weir_producer base;
	struct weir_producer *child;
	struct weir_http_compressed_cache *cache; /* the file's note holds it */
	struct weir_loop *loop;
	struct weir_file *file;
	struct compressed_key key;
	bool *filling;                /* NULL once the copy has ended */
	struct compressed_form *form; /* the copy so far, or NULL */
	struct weir_timer timer;      /* gives up the copy for a slow client */
};

static void compressed_fill_end(struct compressed_fill *fill)
{
	weir_timer_stop(&fill->timer);
	if (fill->filling)
		*fill->filling = false;
	fill->filling = NULL;
	fill->form = NULL;
}

/* Gives up the copy. The bytes go on passing. */
static void compressed_fill_abandon(struct compressed_fill *fill)
{
	compressed_form_abandon(fill->cache, fill->form);
	compressed_fill_end(fill);
}

static void compressed_fill_on_time(struct weir_timer *timer)
{
	compressed_fill_abandon(WEIR_CONTAINER(timer, struct compressed_fill, timer));
}

static bool compressed_fill_file_unchanged(
        const struct weir_file *file, const struct compressed_key *key)
{
	struct stat status;
	if (file->content.data)
		return true;
	return fstat(file->fd, &status) == 0 && (uint64_t)status.st_size == key->size &&
	       status.st_mtim.tv_sec == key->mtime_s && status.st_mtim.tv_nsec == key->mtime_ns &&
	       status.st_ctim.tv_sec == key->ctime_s && status.st_ctim.tv_nsec == key->ctime_ns;
}

static void compressed_fill_complete(struct compressed_fill *fill)
{
	/* A form that has not become smaller was stored without compression. */
	if (!fill->form || fill->form->size >= fill->file->size ||
	        !compressed_fill_file_unchanged(fill->file, &fill->key)) {
		compressed_fill_abandon(fill);
		return;
	}
	compressed_cache_add(fill->cache, fill->form, &fill->key, weir_loop_now_ms(fill->loop));
	compressed_fill_end(fill);
}

/*
 * Copies what was put behind the first `count` pieces, and behind `size` bytes of the last of them.
 */
static void compressed_fill_copy(
        struct compressed_fill *fill, const struct weir_output *out, unsigned count, size_t size)
{
	for (unsigned i = count ? count - 1 : 0; i < out->count; i++) {
		size_t from = count && i == count - 1 ? size : 0;
		struct weir_span bytes = weir_span(out->pieces[i].data, out->pieces[i].size);
		bytes = weir_span_skip(bytes, from);
		if (!bytes.size)
			continue;
		if (out->pieces[i].kind == WEIR_PIECE_FILE ||
		        compressed_form_append(fill->cache, &fill->form, bytes) < 0) {
			compressed_fill_abandon(fill);
			return;
		}
	}
}

static enum weir_more compressed_fill_more(struct weir_producer *producer, struct weir_output *out)
{
	struct compressed_fill *fill = (struct compressed_fill *)producer;
	unsigned count = out->count;
	size_t size = count ? out->pieces[count - 1].size : 0;
	enum weir_more more = weir_producer_more(fill->child, out);
	if (fill->filling && more != WEIR_FAILED)
		compressed_fill_copy(fill, out, count, size);
	if (fill->filling && more == WEIR_DONE)
		compressed_fill_complete(fill);
	return more;
}

static void compressed_fill_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct compressed_fill *fill = (struct compressed_fill *)producer;
	compressed_fill_abandon(fill);
	producer_close_passing(producer, fill->child, why);
	free(fill);
}

static const struct weir_producer_type compressed_fill_type = {
        .name = "compressed-fill",
        .more = compressed_fill_more,
        .close = compressed_fill_close,
};

struct weir_producer *compressed_fill_create(struct weir_producer *child,
        struct weir_http_compressed_cache *cache, struct weir_loop *loop, struct weir_file *file,
        const struct compressed_key *key, bool *filling)
{
	struct compressed_fill *fill = child ? calloc(1, sizeof *fill) : NULL;
	if (!fill) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&fill->base, &compressed_fill_type);
	fill->child = child;
	fill->cache = cache;
	fill->loop = loop;
	fill->file = file;
	fill->key = *key;
	fill->filling = filling;
	*filling = true;
	weir_timer_start(loop, &fill->timer, WEIR_HTTP_COMPRESSED_FILL_MS, compressed_fill_on_time);
	weir_producer_adopt(&fill->base, child);
	return &fill->base;
}
