/*
 * zstd (RFC 8878): one frame, since some clients stop behind the first. Unlike gzip's, its blocks
 * refer to those before, so that a stream needs a context. A loop has a bounded number of them. A
 * stream that begins when none is free is stored, as blocks without compression.
 *
 * A block ends when it is full, or when the child waits, so that nothing is held back.
 */
#include <stdlib.h>

#include <zstd.h>

#include <weir/limits.h>
#include <weir/transformers.h>

#include "helper.h"
#include "loop_internal.h"
#include "producer_internal.h"

enum {
	ZSTD_WINDOW_LOG = 16,   /* 64 KiB */
	ZSTD_HASH_LOG = 14,     /* 64 KiB of table */
	ZSTD_CHAIN_LOG = 13,    /* 32 KiB of a second one, from level 3 on */
	ZSTD_BLOCK = 64 * 1024, /* bytes of the child at a time */
	ZSTD_HEAD = 6,          /* magic number, descriptor, window */
	ZSTD_BLOCK_HEAD = 3,
	ZSTD_EXTRA = ZSTD_HEAD + 2 * ZSTD_BLOCK_HEAD + 32,
};

/* The contexts of a loop. One that is not in use is retained for the next stream. */
struct zstd_loop {
	unsigned used;
	ZSTD_CCtx *spare;
};

struct zstd {
	struct weir_producer base;
	struct weir_producer *child;
	struct producer_pending pending;
	struct zstd_loop *loop; /* of the context */
	ZSTD_CCtx *context;     /* NULL before the first block; then: blocks are stored */
	unsigned level;
	bool started;
};

/* -- contexts ---------------------------------------------------------------------------------- */

static void zstd_producer_destroy_loop(void *object)
{
	struct zstd_loop *loop = object;
	ZSTD_freeCCtx(loop->spare);
	free(loop);
}

static const struct loop_object_type zstd_loop_type = {"zstd", zstd_producer_destroy_loop};

/* NULL without memory. */
static struct zstd_loop *zstd_producer_loop(struct weir_loop *loop)
{
	struct zstd_loop *found = loop_object(loop, &zstd_loop_type);
	if (found)
		return found;
	found = calloc(1, sizeof *found);
	if (found)
		loop_set_object(loop, &zstd_loop_type, found);
	return found;
}

bool weir_zstd_has_room(struct weir_loop *loop)
{
	const struct zstd_loop *contexts = zstd_producer_loop(loop);
	return contexts && contexts->used < WEIR_ZSTD_STREAMS_MAX;
}

/* zstd's own tables would be three times as large at level 4 as at level 1. */
static bool zstd_producer_set(ZSTD_CCtx *context, unsigned level)
{
	return !ZSTD_isError(
	               ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, (int)level)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW_LOG)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, ZSTD_HASH_LOG)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, ZSTD_CHAIN_LOG));
}

/* Takes a context of the loop, if one is free. */
static void zstd_producer_begin(struct zstd *zstd, struct weir_loop *loop)
{
	struct zstd_loop *contexts = zstd_producer_loop(loop);
	if (!contexts || contexts->used >= WEIR_ZSTD_STREAMS_MAX)
		return;
	ZSTD_CCtx *context = contexts->spare ? contexts->spare : ZSTD_createCCtx();
	contexts->spare = NULL;
	if (!context || !zstd_producer_set(context, zstd->level)) {
		ZSTD_freeCCtx(context);
		return;
	}
	contexts->used++;
	zstd->loop = contexts;
	zstd->context = context;
}

static void zstd_producer_end(struct zstd *zstd)
{
	if (!zstd->context)
		return;
	zstd->loop->used--;
	if (zstd->loop->spare ||
	        ZSTD_isError(ZSTD_CCtx_reset(zstd->context, ZSTD_reset_session_and_parameters)))
		ZSTD_freeCCtx(zstd->context);
	else
		zstd->loop->spare = zstd->context;
	zstd->context = NULL;
}

/* -- blocks ------------------------------------------------------------------------------------ */

static char *zstd_producer_put_block_head(char *to, size_t size, bool last)
{
	uint32_t head = (uint32_t)size << 3 | last; /* type 0: stored */
	for (unsigned i = 0; i < ZSTD_BLOCK_HEAD; i++)
		*to++ = (char)(head >> 8 * i);
	return to;
}

static char *zstd_producer_store(struct zstd *zstd, struct weir_span in, bool last, char *to)
{
	static const char head[ZSTD_HEAD] = {
	        0x28, '\xb5', 0x2f, '\xfd', 0, (ZSTD_WINDOW_LOG - 10) << 3};
	if (!zstd->started) {
		memcpy(to, head, sizeof head);
		to += sizeof head;
	}
	to = zstd_producer_put_block_head(to, in.size, last);
	if (in.size)
		memcpy(to, in.data, in.size);
	return to + in.size;
}

/* Returns the end of what was written, or NULL after a failure. */
static char *zstd_producer_write(
        struct zstd *zstd, struct weir_span in, bool last, char *to, size_t room)
{
	if (!zstd->context)
		return zstd_producer_store(zstd, in, last, to);
	ZSTD_inBuffer input = {in.data, in.size, 0};
	ZSTD_outBuffer output = {to, room, 0};
	size_t left = ZSTD_compressStream2(
	        zstd->context, &output, &input, last ? ZSTD_e_end : ZSTD_e_flush);
	return left || input.pos < input.size ? NULL : to + output.pos;
}

/* -- the producer ------------------------------------------------------------------------------ */

static enum weir_more zstd_producer_put(
        struct zstd *zstd, struct weir_output *out, struct weir_span in, enum weir_more more)
{
	bool last = more == WEIR_DONE;
	if (!zstd->started)
		zstd_producer_begin(zstd, out->loop);
	size_t most = ZSTD_compressBound(in.size) + ZSTD_EXTRA;
	bool fits = most <= weir_output_room(out);
	char *made = fits ? weir_output_reserve(out, most, &most) : weir_output_scratch(out, most);
	char *end = made ? zstd_producer_write(zstd, in, last, made, most) : NULL;
	if (!end)
		return WEIR_FAILED;
	zstd->started = true;
	if (last)
		zstd_producer_end(zstd);
	size_t size = (size_t)(end - made);
	if (!fits)
		return producer_pending_put(&zstd->pending, out, weir_span(made, size), more);
	weir_output_commit(out, size);
	return more;
}

static enum weir_more zstd_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct zstd *zstd = (struct zstd *)producer;
	struct weir_span in;
	enum weir_more more;
	if (producer_pending_drain(&zstd->pending, out, &more))
		return more;
	size_t want = clamp_size(weir_output_room(out) * 2, 4 * 1024, ZSTD_BLOCK);
	more = producer_read_block(zstd->child, out, want, &in);
	if (!in.size && more != WEIR_DONE)
		return more;
	return zstd_producer_put(zstd, out, in, more);
}

static void zstd_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct zstd *zstd = (struct zstd *)producer;
	weir_producer_close(zstd->child, why);
	zstd_producer_end(zstd);
	producer_pending_free(&zstd->pending);
	free(zstd);
}

static const struct weir_producer_type zstd_type = {
        .name = "zstd",
        .more = zstd_producer_more,
        .close = zstd_producer_close,
};

struct weir_producer *weir_produce_zstd_level(struct weir_producer *child, unsigned level)
{
	struct zstd *zstd = child ? calloc(1, sizeof *zstd) : NULL;
	if (!zstd) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&zstd->base, &zstd_type);
	zstd->child = child;
	zstd->level = compressor_level(level);
	weir_producer_adopt(&zstd->base, child);
	return &zstd->base;
}

struct weir_producer *weir_produce_zstd(struct weir_producer *child)
{
	return weir_produce_zstd_level(child, WEIR_COMPRESS_LEVEL_MIN);
}
