/*
 * The compressor of zlib, for machines without ISA-L: one z_stream, reset for each block.
 * A stream of zlib has the same memory at every level.
 */
#include <stdlib.h>
#include <zlib.h>

#include "producer_internal.h"
#include "loop_internal.h"

const char *const compressor_name = "zlib";

struct compressor {
	z_stream stream;
};

enum {
	RAW = -15,
	MEMORY_LEVEL = 8
};

static void compressor_zlib_destroy(void *object)
{
	struct compressor *compressor = object;
	deflateEnd(&compressor->stream);
	free(compressor);
}

static const struct loop_object_type compressor_type = {"compressor", compressor_zlib_destroy};

struct compressor *compressor_of(struct weir_loop *loop)
{
	struct compressor *compressor = loop_object(loop, &compressor_type);
	if (compressor)
		return compressor;
	compressor = calloc(1, sizeof *compressor);
	if (!compressor)
		return NULL;
	if (deflateInit2(&compressor->stream, 1, Z_DEFLATED, RAW, MEMORY_LEVEL,
	            Z_DEFAULT_STRATEGY) != Z_OK) {
		free(compressor);
		return NULL;
	}
	loop_set_object(loop, &compressor_type, compressor);
	return compressor;
}

/* A stored block for each 16 K literals, and the empty block that ends on the boundary. */
size_t compressor_bound(size_t size)
{
	return size + size / 1024 + 64;
}

size_t compressor_block(
        struct compressor *compressor, unsigned level, struct weir_span in, bool last, char *to)
{
	z_stream *stream = &compressor->stream;
	deflateReset(stream);
	if (deflateParams(stream, (int)level, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	stream->next_in = (Bytef *)in.data;
	stream->avail_in = (uInt)in.size;
	stream->next_out = (Bytef *)to;
	stream->avail_out = (uInt)compressor_bound(in.size);
	int result = deflate(stream, last ? Z_FINISH : Z_FULL_FLUSH);
	bool good = last ? result == Z_STREAM_END : result == Z_OK && stream->avail_out > 0;
	return good ? stream->total_out : 0;
}

uint32_t producer_crc32(uint32_t checksum, struct weir_span bytes)
{
	return (uint32_t)crc32(checksum, (const Bytef *)bytes.data, (uInt)bytes.size);
}

uint32_t producer_adler32(uint32_t checksum, struct weir_span bytes)
{
	return (uint32_t)adler32(checksum, (const Bytef *)bytes.data, (uInt)bytes.size);
}
