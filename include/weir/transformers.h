/*
 * Transformers: producers that wrap others, which they own (weir/producer.h). They compose:
 *
 *   file = weir_produce_file(fd, true, 0, size);
 *   weir_produce_glob(weir_produce_chunked(weir_produce_gzip(file), NULL, NULL), 64 * 1024)
 */
#ifndef WEIR_TRANSFORMERS_H
#define WEIR_TRANSFORMERS_H

#include <stdbool.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/producer.h>
#include <weir/span.h>

WEIR_C_BEGIN

/*
 * `count` children, one after the other. The array is copied. Without memory, or if a child is
 * NULL, all are closed.
 */
WEIR_API struct weir_producer *weir_produce_composite(
        struct weir_producer *const *children, unsigned count);

/*
 * Gathers the child's bytes into pieces of exactly `size` bytes, or of the output's room where that
 * is less. When the child waits, all that was gathered is put.
 */
WEIR_API struct weir_producer *weir_produce_glob(struct weir_producer *child, size_t size);

/*
 * Called once, when the child is done. Writes whole field lines ("Name: value\r\n") to `text`, at
 * most `room` bytes, which are WEIR_TRAILERS_MAX. Returns their length.
 */
typedef size_t weir_trailers_fn(void *context, char *text, size_t room);

/*
 * The chunked transfer coding (RFC 9112 7.1), one chunk for each answer of the child. `trailers`
 * may be NULL. After a child that fails, the last chunk is missing.
 */
WEIR_API struct weir_producer *weir_produce_chunked(
        struct weir_producer *child, weir_trailers_fn *trailers, void *context);

/*
 * gzip (RFC 1952), or the zlib format (RFC 1950), which HTTP calls "deflate". The loop's one
 * compressor compresses each block of up to 64 KiB on its own. So a stream needs memory for its
 * checksum and length only. A block is shorter when the child waits, or when the room is small.
 */
WEIR_API struct weir_producer *weir_produce_gzip(struct weir_producer *child);
WEIR_API struct weir_producer *weir_produce_deflate(struct weir_producer *child);

enum {
	WEIR_COMPRESS_LEVEL_MIN = 1,
	WEIR_COMPRESS_LEVEL_MAX = 9
};

/*
 * gzip at a level from WEIR_COMPRESS_LEVEL_MIN, the fastest and that of weir_produce_gzip, to
 * WEIR_COMPRESS_LEVEL_MAX; a level beyond either is taken as that one. These are the levels of
 * zlib. ISA-L has three: 1 to 3, 4 to 6, and 7 to 9 are the same. A stream of gzip has the same
 * memory at every level.
 */
WEIR_API struct weir_producer *weir_produce_gzip_level(struct weir_producer *child, unsigned level);

/*
 * zstd (RFC 8878), with a window of 64 KiB. From its first block to its last, a stream has a
 * context of 530 KB. A loop has WEIR_ZSTD_STREAMS_MAX of them at most: a stream that begins when
 * none is free is stored without compression. weir_zstd_has_room returns whether one is free.
 */
struct weir_loop;
WEIR_API struct weir_producer *weir_produce_zstd(struct weir_producer *child);
/* zstd at a level, as weir_produce_gzip_level. From 3 on the context has 570 KB. */
WEIR_API struct weir_producer *weir_produce_zstd_level(struct weir_producer *child, unsigned level);
WEIR_API bool weir_zstd_has_room(struct weir_loop *loop);

/*
 * Replaces every occurrence of `from` (1 to 64 bytes) by `to` (up to 64 bytes); both are copied.
 * Matches are found from left to right, across pieces too. `before` is assumed to precede the
 * input, and is not put. Of a match that begins in it, as many of the first bytes of `to` are left
 * out. For dot-stuffing: from "\r\n.", to "\r\n..", before "\r\n". NULL for other sizes.
 */
WEIR_API struct weir_producer *weir_produce_escape(struct weir_producer *child,
        struct weir_span from, struct weir_span to, struct weir_span before);

/* Replaces every LF without a CR in front of it by CRLF. */
WEIR_API struct weir_producer *weir_produce_crlf(struct weir_producer *child);

/* Leaves out the first `skip` bytes, passes the next `size` bytes on, and is done then. */
WEIR_API struct weir_producer *weir_produce_limit(
        struct weir_producer *child, uint64_t skip, uint64_t size);

/*
 * Passes on at most `bytes_per_second` (at least 1), in bursts of at most `burst` bytes. 0: as many
 * as a quarter of a second allows.
 */
WEIR_API struct weir_producer *weir_produce_throttle(
        struct weir_producer *child, uint64_t bytes_per_second, size_t burst);

/*
 * The producer is closed. `bytes` is how many were taken: for the outermost producer of a reply, by
 * the kernel.
 */
typedef void weir_hook_fn(void *context, enum weir_close_reason why, uint64_t bytes);

/*
 * Calls `on_end` exactly once, at the close. Without memory, or for a child of NULL, it is called
 * at once with WEIR_CLOSE_FAILED.
 */
WEIR_API struct weir_producer *weir_produce_hook(
        struct weir_producer *child, weir_hook_fn *on_end, void *context);

/* The bytes that pass next; valid until it returns. */
typedef void weir_tee_fn(void *context, struct weir_span bytes);

/* Calls `see` with every byte that passes, in order, exactly once. */
WEIR_API struct weir_producer *weir_produce_tee(
        struct weir_producer *child, weir_tee_fn *see, void *context);

WEIR_C_END

#endif
