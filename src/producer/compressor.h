/*
 * The compressor: one per loop, for all streams. Each block is compressed on its own: it has no
 * history, and ends on a byte boundary. So one compressor serves blocks of many streams in turn.
 *
 * Two files implement it, compressor_isal.c and compressor_zlib.c; one of them is compiled.
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

/* Returns the loop's compressor, made at the first use; NULL without memory. */
struct compressor *compressor_of(struct weir_loop *loop);

/* Returns the largest size that a block of this size can have when compressed. */
size_t compressor_bound(size_t size);

/*
 * Compresses `in` (1 to WEIR_BLOCK_SIZE bytes) to raw deflate (RFC 1951) at `to`, where
 * compressor_bound(in.size) bytes are free. `last` marks the end of the stream. Returns the size,
 * or 0 after a failure.
 */
size_t compressor_block(struct compressor *compressor, struct weir_span in, bool last, char *to);

/* Continue a checksum. A new CRC-32 begins with 0, a new Adler-32 with 1. */
uint32_t producer_crc32(uint32_t checksum, struct weir_span bytes);
uint32_t producer_adler32(uint32_t checksum, struct weir_span bytes);

#endif
