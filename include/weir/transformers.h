/*
 * Transformers: producers that wrap others. See weir/producer.h for who owns what. They compose:
 *
 *   weir_produce_glob(weir_produce_chunked(weir_produce_gzip(weir_produce_file(fd, true, 0, size)), NULL, NULL), 64 * 1024)
 */
#ifndef WEIR_TRANSFORMERS_H
#define WEIR_TRANSFORMERS_H

#include <weir/limits.h>
#include <weir/producer.h>
#include <weir/span.h>

/*
 * Its children one after the other. Starts with `count` of them (copied from the array); all are
 * closed if there is no memory or if one of them is NULL.
 */
WEIR_API struct weir_producer *weir_produce_composite(
        struct weir_producer *const *children, unsigned count);

/*
 * Gathers what the child yields into pieces of exactly `size` bytes (or of the output's room, when
 * that is less). Never withholds what it has when its child waits.
 */
WEIR_API struct weir_producer *weir_produce_glob(struct weir_producer *child, size_t size);

/*
 * The chunked transfer coding (RFC 9112 7.1), one chunk an answer of the child. `trailers`, if not
 * NULL, is called once when the child is done, and may put whole field lines ("Name: value\r\n", at
 * most WEIR_TRAILERS_MAX bytes) into `text`, which has so much room; it returns their length. A
 * child that fails ends the output without the last chunk.
 */
WEIR_API struct weir_producer *weir_produce_chunked(struct weir_producer *child,
        size_t (*trailers)(void *context, char *text, size_t room), void *context);

/*
 * gzip (RFC 1952) or the zlib format (RFC 1950, what HTTP calls "deflate"). Each block of up to 64
 * KiB is compressed on its own by the loop's one compressor, so that a stream keeps its checksum
 * and length only. A block is cut short when the child waits, never else (but for a small room).
 */
WEIR_API struct weir_producer *weir_produce_gzip(struct weir_producer *child);
WEIR_API struct weir_producer *weir_produce_deflate(struct weir_producer *child);

/*
 * Every occurrence of `from` (1 to 64 bytes) becomes `to` (up to 64 bytes); both are copied. Found
 * from left to right, also across pieces and at the very start; what merely begins like it goes on
 * as it is. `before` is input that is supposed to precede the child's but is not output
 * (dot-stuffing: from "\r\n.", to "\r\n..", before "\r\n"): of a match that begins there, as many
 * of the first bytes of `to` are left out. Sizes beyond these give NULL.
 */
WEIR_API struct weir_producer *weir_produce_escape(struct weir_producer *child,
        struct weir_span from, struct weir_span to, struct weir_span before);

/* Every LF without a CR before it becomes CRLF; CRLF stays. */
WEIR_API struct weir_producer *weir_produce_crlf(struct weir_producer *child);

/* Leaves out the first `skip` bytes, lets the next `size` pass, and is done then. */
WEIR_API struct weir_producer *weir_produce_limit(
        struct weir_producer *child, uint64_t skip, uint64_t size);

/*
 * At most `bytes_per_second` (at least 1), in bursts of at most `burst` bytes (0: a quarter of a
 * second's worth).
 */
WEIR_API struct weir_producer *weir_produce_throttle(
        struct weir_producer *child, uint64_t bytes_per_second, size_t burst);

/*
 * Calls `on_end(context, why, bytes)` once, at the close, with the bytes that were taken: of the
 * outermost producer of a reply these are the bytes the kernel took. Given no memory (or a NULL
 * child), on_end is called at once with WEIR_CLOSE_FAILED, so that it always is called exactly
 * once.
 */
WEIR_API struct weir_producer *weir_produce_hook(struct weir_producer *child,
        void (*on_end)(void *context, enum weir_close_reason why, uint64_t bytes), void *context);

/* Shows every byte that passes to `see(context, bytes)`, in order, exactly once. */
WEIR_API struct weir_producer *weir_produce_tee(struct weir_producer *child,
        void (*see)(void *context, struct weir_span bytes), void *context);

#endif
