/*
 * gzip (RFC 1952) and the zlib format (RFC 1950). The child is asked until a block is full, or
 * until it waits or ends, and the block is compressed on its own. The state of a stream is its
 * checksum and length, and the rest of a block that did not fit the room.
 *
 * With a small room blocks are smaller, so that they are likely to fit: text shrinks to about a
 * third.
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "producer_internal.h"

enum format {
	GZIP,
	ZLIB
};

struct gzip {
	struct weir_producer base;
	struct weir_producer *child;
	struct producer_pending pending;
	uint32_t checksum;
	uint32_t length; /* of the input, modulo 2^32 */
	enum format format;
	unsigned level;
	bool started; /* the header is put */
};

enum {
	HEAD_MAX = 10,
	TAIL_MAX = 2 + 8,    /* an empty last block, checksum and length */
	BLOCK_MIN = 4 * 1024 /* a smaller block would compress badly */
};

static char *gzip_producer_write_head(struct gzip *gzip, char *to)
{
	/* No name, no time, "fastest" or neither, Unix; a window of 32 KiB, "fastest". */
	static const char heads[2][HEAD_MAX] = {
	        [GZIP] = {0x1f, '\x8b', 8, 0, 0, 0, 0, 0, 4, 3},
	        [ZLIB] = {0x78, 1},
	};
	size_t size = gzip->format == GZIP ? HEAD_MAX : 2;
	if (gzip->started)
		return to;
	gzip->started = true;
	memcpy(to, heads[gzip->format], size);
	if (gzip->format == GZIP && gzip->level > WEIR_COMPRESS_LEVEL_MIN)
		to[8] = 0;
	return to + size;
}

static char *gzip_producer_write_number(char *to, uint32_t number, bool big_endian)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(number >> 8 * (big_endian ? 3 - i : i));
	return to + 4;
}

static char *gzip_producer_write_tail(const struct gzip *gzip, char *to)
{
	to = gzip_producer_write_number(to, gzip->checksum, gzip->format == ZLIB);
	return gzip->format == GZIP ? gzip_producer_write_number(to, gzip->length, false) : to;
}

static char *gzip_producer_write_block(
        struct gzip *gzip, struct compressor *compressor, struct weir_span in, bool last, char *to)
{
	if (!in.size) {
		*to++ = 3; /* a last block, fixed codes, nothing in it */
		*to++ = 0;
		return to;
	}
	size_t size = compressor_block(compressor, gzip->level, in, last, to);
	gzip->length += (uint32_t)in.size;
	gzip->checksum = gzip->format == GZIP ? producer_crc32(gzip->checksum, in)
	                                      : producer_adler32(gzip->checksum, in);
	return size ? to + size : NULL;
}

static char *gzip_producer_write_all(
        struct gzip *gzip, struct compressor *compressor, struct weir_span in, bool last, char *to)
{
	to = gzip_producer_write_block(
	        gzip, compressor, in, last, gzip_producer_write_head(gzip, to));
	return to && last ? gzip_producer_write_tail(gzip, to) : to;
}

static size_t gzip_producer_block_size(size_t room)
{
	size_t size = room < BLOCK_MIN / 2 ? BLOCK_MIN : room * 2;
	size_t fitting = compressor_bound(COMPRESSOR_BLOCK_SIZE) + HEAD_MAX + TAIL_MAX;
	return size > COMPRESSOR_BLOCK_SIZE || room >= fitting ? COMPRESSOR_BLOCK_SIZE : size;
}

static enum weir_more gzip_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct gzip *gzip = (struct gzip *)producer;
	enum weir_more more;
	if (producer_pending_drain(&gzip->pending, out, &more))
		return more;
	struct compressor *compressor = compressor_of(out->loop);
	if (!compressor)
		return WEIR_FAILED;
	struct weir_span in;
	more = producer_read_block(
	        gzip->child, out, gzip_producer_block_size(weir_output_room(out)), &in);
	bool last = more == WEIR_DONE;
	if (!in.size && !last)
		return more;
	size_t most = HEAD_MAX + compressor_bound(in.size) + TAIL_MAX;
	bool fits = most <= weir_output_room(out);
	char *made = fits ? weir_output_reserve(out, most, &most) : weir_output_scratch(out, most);
	char *end = made ? gzip_producer_write_all(gzip, compressor, in, last, made) : NULL;
	if (!end)
		return WEIR_FAILED;
	size_t size = (size_t)(end - made);
	if (!fits)
		return producer_pending_put(&gzip->pending, out, weir_span(made, size), more);
	weir_output_commit(out, size);
	return more;
}

static void gzip_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct gzip *gzip = (struct gzip *)producer;
	weir_producer_close(gzip->child, why);
	producer_pending_free(&gzip->pending);
	free(gzip);
}

static const struct weir_producer_type gzip_type = {
        .name = "gzip",
        .more = gzip_producer_more,
        .close = gzip_producer_close,
};

static struct weir_producer *gzip_producer_create(
        struct weir_producer *child, enum format format, unsigned level)
{
	struct gzip *gzip = child ? calloc(1, sizeof *gzip) : NULL;
	if (!gzip) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&gzip->base, &gzip_type);
	gzip->child = child;
	gzip->format = format;
	gzip->level = compressor_level(level);
	gzip->checksum = format == GZIP ? 0 : 1;
	weir_producer_adopt(&gzip->base, child);
	return &gzip->base;
}

struct weir_producer *weir_produce_gzip(struct weir_producer *child)
{
	return gzip_producer_create(child, GZIP, WEIR_COMPRESS_LEVEL_MIN);
}

struct weir_producer *weir_produce_gzip_level(struct weir_producer *child, unsigned level)
{
	return gzip_producer_create(child, GZIP, level);
}

struct weir_producer *weir_produce_deflate(struct weir_producer *child)
{
	return gzip_producer_create(child, ZLIB, WEIR_COMPRESS_LEVEL_MIN);
}
