/*
 * The compressor of ISA-L: at level 1 four times as fast as zlib's, with nearly its ratio. ISA-L
 * stores a block that does not become smaller, if it has the memory of the bound.
 *
 * Of ISA-L's levels, 0 has no codes of its own for a block and is not used. The levels 1 to 9 are
 * spread over the other three.
 */
#include <stdlib.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "producer_internal.h"
#include "loop_internal.h"

const char *const compressor_name = "isal";

struct compressor {
	struct isal_zstream stream;
	uint8_t level[ISAL_DEF_LVL3_DEFAULT]; /* of the level that needs most */
};

static const struct loop_object_type compressor_type = {"compressor", free};

struct compressor *compressor_of(struct weir_loop *loop)
{
	struct compressor *compressor = loop_object(loop, &compressor_type);
	if (compressor)
		return compressor;
	/* Cleared, since ISA-L reads fields that its initialisation does not set. */
	compressor = calloc(1, sizeof *compressor);
	if (compressor)
		loop_set_object(loop, &compressor_type, compressor);
	return compressor;
}

/*
 * The heads of two stored blocks, the empty block that ends on the boundary, and space that ISA-L
 * needs to write whole words.
 */
size_t compressor_bound(size_t size)
{
	return size + 64;
}

size_t compressor_block(
        struct compressor *compressor, unsigned level, struct weir_span in, bool last, char *to)
{
	struct isal_zstream *stream = &compressor->stream;
	isal_deflate_stateless_init(stream);
	stream->next_in = (uint8_t *)in.data;
	stream->avail_in = (uint32_t)in.size;
	stream->next_out = (uint8_t *)to;
	stream->avail_out = (uint32_t)compressor_bound(in.size);
	stream->end_of_stream = last;
	stream->flush = last ? NO_FLUSH : FULL_FLUSH;
	stream->level = (level + 2) / 3;
	stream->level_buf = compressor->level;
	stream->level_buf_size = sizeof compressor->level;
	if (isal_deflate_stateless(stream) != COMP_OK)
		return 0;
	return stream->total_out;
}

uint32_t producer_crc32(uint32_t checksum, struct weir_span bytes)
{
	return crc32_gzip_refl(checksum, (const unsigned char *)bytes.data, bytes.size);
}

uint32_t producer_adler32(uint32_t checksum, struct weir_span bytes)
{
	return isal_adler32(checksum, (const unsigned char *)bytes.data, bytes.size);
}
