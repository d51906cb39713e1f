/*
 * The compressor: the loop's one, for all streams. A block is compressed on its own, with no
 * history and ending on a byte boundary, so that blocks of different streams may follow on each
 * other.
 *
 * Two files implement this, one of which is compiled: compressor_isal.c and compressor_zlib.c.
 */
#ifndef WEIR_COMPRESSOR_H
#define WEIR_COMPRESSOR_H

#include <stdbool.h>

#include <weir/loop.h>
#include <weir/span.h>

struct compressor;

#define WEIR_BLOCK_SIZE (64 * 1024)

/* "isal" or "zlib". */
extern const char *const compressor_name;

/* Made at the first use and kept for the loop's life; NULL without memory. */
struct compressor *compressor_of(struct weir_loop *loop);

/* The bytes that a block of this size cannot exceed when compressed. */
size_t compressor_bound(size_t size);

/*
 * Compresses `in` (1 to WEIR_BLOCK_SIZE bytes) to raw deflate (RFC 1951) at `to`, where
 * compressor_bound(in.size) bytes are free; `last` marks the stream's end. The size, 0 for a
 * failure.
 */
size_t compressor_block(struct compressor *compressor, struct weir_span in, bool last, char *to);

/* Checksums go on from the one given: 0 for a new CRC-32, 1 for a new Adler-32. */
uint32_t producer_crc32(uint32_t checksum, struct weir_span bytes);
uint32_t producer_adler32(uint32_t checksum, struct weir_span bytes);

#endif
