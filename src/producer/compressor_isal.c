/*
 * The compressor of ISA-L, level 1: four times as fast as zlib's, at nearly its ratio. A block that
 * does not become smaller is stored; ISA-L sees to that itself when it is given the bound.
 */
#include <stdlib.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "compressor.h"
#include "loop_internal.h"

const char *const compressor_name = "isal";

struct compressor {
	struct isal_zstream stream;
	uint8_t level[ISAL_DEF_LVL1_DEFAULT];
};

struct compressor *compressor_of(struct weir_loop *loop)
{
	struct compressor *compressor = loop_slot(loop, WEIR_SLOT_COMPRESSOR);
	if (compressor)
		return compressor;
	/* Its functions read fields of the state that the initialisation leaves as they are. */
	compressor = calloc(1, sizeof *compressor);
	if (compressor)
		loop_set_slot(loop, WEIR_SLOT_COMPRESSOR, compressor, free);
	return compressor;
}

/*
 * Two stored blocks' heads, the empty one that ends on the boundary, and space to write in words.
 */
size_t compressor_bound(size_t size)
{
	return size + 64;
}

size_t compressor_block(struct compressor *compressor, struct weir_span in, bool last, char *to)
{
	struct isal_zstream *stream = &compressor->stream;
	isal_deflate_stateless_init(stream);
	stream->next_in = (uint8_t *)in.data;
	stream->avail_in = (uint32_t)in.size;
	stream->next_out = (uint8_t *)to;
	stream->avail_out = (uint32_t)compressor_bound(in.size);
	stream->end_of_stream = last;
	stream->flush = last ? NO_FLUSH : FULL_FLUSH;
	stream->level = 1;
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
