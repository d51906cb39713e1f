/*
 * Outputs and transformers from within: for the flush, which sends outputs, and for producers here
 * and in layers above.
 */
#ifndef WEIR_PRODUCER_INTERNAL_H
#define WEIR_PRODUCER_INTERNAL_H

#include <stdbool.h>

#include <weir/loop.h>
#include <weir/output.h>
#include <weir/producer.h>
#include <weir/span.h>
#include <weir/transformers.h>

#include "helper.h"

/* -- outputs ----------------------------------------------------------------------------------- */

/* Prepares an empty output over `pieces`, with scratch of the loop. */
void output_init(struct weir_output *out, struct weir_loop *loop, struct weir_piece *pieces,
        unsigned capacity, size_t room);

/*
 * Like weir_output_borrow, but copies small memory, so that many small items need few pieces.
 */
size_t output_put(struct weir_output *out, const void *data, size_t size);

/* Returns how many bytes of a pipe may be put; 0 if the output takes none. */
size_t output_pipe_room(const struct weir_output *out);

/*
 * Puts `size` bytes that are in the pipe whose end to read from is `fd`, in order. The pipe must
 * stay open, and nobody else may read from it, until the producer is asked again or closed. Returns
 * how many bytes it took: all within output_pipe_room.
 */
size_t output_pipe(struct weir_output *out, int fd, size_t size);

/* Copies all bytes of the output to `to`. Returns 0 or an error of weir_output_bytes. */
int output_read(const struct weir_output *out, char *to);

/* -- pipes ------------------------------------------------------------------------------------- */

/*
 * A pipe through which bytes are spliced from one socket to another. Each loop has at most
 * WEIR_PIPES_MAX; those that are empty and not in use are kept for the next transfer, up to
 * WEIR_PIPES_IDLE_MAX.
 */
struct pipe {
	struct pipe *next;      /* of those that are not in use */
	struct pipe_pool *pool; /* of the loop */
	int in, out;            /* the ends to write to, and to read from; non-blocking */
};

/* Returns an empty pipe, or NULL if there is none to be had: the bytes are copied then. */
struct pipe *pipe_take(struct weir_loop *loop);

/* Gives the pipe back. One that is not empty is closed. NULL is allowed. */
void pipe_release(struct pipe *pipe, bool empty);

/* -- the child of a transformer ---------------------------------------------------------------- */

/* A transformer that reads the bytes asks for at most so many at once, whatever the room. */
#define PRODUCER_INNER_SIZE (64u * 1024)
#define PRODUCER_INNER_PIECES 64u

/* Returns how many pieces may still be put. */
static inline unsigned output_free_pieces(const struct weir_output *out)
{
	return out->capacity - out->count;
}

/* Lets the child put at most `room` bytes directly into `out`. */
enum weir_more producer_ask_within(
        struct weir_producer *child, struct weir_output *out, size_t room);

/*
 * Asks the child until `want` bytes are at `to`, or until it waits or ends. The bytes that the
 * child has put in `first`, with the answer `more`, come first. *ret_size bytes are at `to` in any
 * case.
 */
enum weir_more producer_fill(struct weir_producer *child, const struct weir_output *first,
        enum weir_more more, char *to, size_t want, size_t *ret_size);

/*
 * Gives access to the bytes of all pieces of a child's answer, as weir_output_bytes: bytes[i] are
 * those of pieces[i]. Returns how many pieces could be read. If fewer than inner->count, the next
 * one failed.
 */
unsigned output_look(struct weir_output *inner, struct weir_span *bytes);

/* The kind of the bytes of weir_output_bytes: those of a file or pipe were read into scratch. */
static inline enum weir_piece_kind producer_kind_of_bytes(const struct weir_piece *piece)
{
	return piece->data ? piece->kind : WEIR_PIECE_SCRATCH;
}

/*
 * Closes the child of a transformer that passes every byte on unchanged, so that the number of
 * bytes taken is the same for both.
 */
void producer_close_passing(
        struct weir_producer *parent, struct weir_producer *child, enum weir_close_reason why);

/* -- framing ----------------------------------------------------------------------------------- */

enum {
	PRODUCER_FRAME_HEAD_MAX = 18
};

/* How a stream is cut into frames: [head, an answer of the child, tail] …, and a last frame. */
struct producer_framing {
	/* Writes the head of a frame of `size` bytes; returns its length. */
	size_t (*put_head)(char to[PRODUCER_FRAME_HEAD_MAX + 1], size_t size);
	struct weir_span tail; /* may be empty; with `last` at most 16 bytes */
	struct weir_span last; /* the last frame, unless it has trailers */
	size_t frame_max;      /* bytes of a frame */
};

/* Frames the child's bytes. `trailers` are those of the chunked coding, or NULL. */
struct weir_producer *producer_frame(struct weir_producer *child,
        const struct producer_framing *framing, weir_trailers_fn *trailers, void *context);

/* -- pending bytes ----------------------------------------------------------------------------- */

/*
 * Pending bytes: those that a transformer has made and that do not fit the room. They are on the
 * heap, lent to the next outputs, and freed when they were taken. A stream with enough room has
 * none. Embedded, all zero at first.
 *
 * Invariant: at ≤ size; data is NULL when nothing is pending or lent.
 */
struct producer_pending {
	char *data;
	uint32_t at; /* bytes put */
	uint32_t size;
	enum weir_more after; /* the answer after the last of the bytes */
};

/* Puts pending bytes. Returns whether there were any; *ret_more is the answer to give then. */
bool producer_pending_drain(
        struct producer_pending *pending, struct weir_output *out, enum weir_more *ret_more);

/*
 * Puts scratch memory of the loop; bytes that do not fit become pending. Returns the answer to
 * give, which is `after` once all bytes were put.
 */
enum weir_more producer_pending_put(struct producer_pending *pending, struct weir_output *out,
        struct weir_span scratch, enum weir_more after);

/*
 * The `more` of a transformer whose `compose` needs at least `room` bytes and `free_pieces` pieces,
 * up to 32. With less, its result becomes pending bytes.
 */
enum weir_more producer_pending_more(struct producer_pending *pending,
        struct weir_producer *producer, struct weir_output *out, size_t room, unsigned free_pieces,
        enum weir_more (*compose)(struct weir_producer *producer, struct weir_output *out));

void producer_pending_free(struct producer_pending *pending);

/* -- the writer -------------------------------------------------------------------------------- */

/*
 * A writer, for transformers that put many stretches, short and long, in turns. Long ones are lent,
 * short ones are gathered in scratch. The last free piece is reserved for scratch, into which all
 * later bytes are copied.
 */
struct producer_writer {
	struct weir_output *out;
	char *run; /* scratch being filled, or NULL */
	size_t used;
	size_t most; /* bytes that may still be written */
};

/* At most `most` bytes will be written; the room of `out` must be enough for them, and not 0. */
void producer_writer_init(struct producer_writer *writer, struct weir_output *out, size_t most);

/*
 * Writes bytes of a child's piece, or, with the kind WEIR_PIECE_BORROWED, the producer's own.
 * Returns false without memory.
 */
bool producer_writer_put(
        struct producer_writer *writer, const char *data, size_t size, enum weir_piece_kind kind);

/* Ends the writing, also after a failure: puts all bytes that were written before. */
void producer_writer_finish(struct producer_writer *writer);

/*
 * Reads up to `want` bytes of a child in one stretch, which is lent if the child puts one piece,
 * and else in the scratch of `out`. Returns what the child has returned.
 */
enum weir_more producer_read_block(
        struct weir_producer *child, struct weir_output *out, size_t want, struct weir_span *ret);

/* -- the compressor ---------------------------------------------------------------------------- */

/*
 * The compressor: one per loop, for all streams. Each block is compressed on its own: it has no
 * history, and ends on a byte boundary. So one compressor serves blocks of many streams in turn.
 *
 * Two files implement it, compressor_isal.c and compressor_zlib.c; one of them is compiled.
 */
struct compressor;

#define COMPRESSOR_BLOCK_SIZE (64 * 1024)

/* Brings a level of weir_produce_gzip_level into its range. */
static inline unsigned compressor_level(unsigned level)
{
	return (unsigned)clamp_size(level, WEIR_COMPRESS_LEVEL_MIN, WEIR_COMPRESS_LEVEL_MAX);
}

/* "isal" or "zlib". */
extern const char *const compressor_name;

/* Returns the loop's compressor, made at the first use; NULL without memory. */
struct compressor *compressor_of(struct weir_loop *loop);

/* Returns the largest size that a block of this size can have when compressed. */
size_t compressor_bound(size_t size);

/*
 * Compresses `in` (1 to COMPRESSOR_BLOCK_SIZE bytes) to raw deflate (RFC 1951) at `to`, where
 * compressor_bound(in.size) bytes are free. `level` is in the range of compressor_level. `last`
 * marks the end of the stream. Returns the size, or 0 after a failure.
 */
size_t compressor_block(
        struct compressor *compressor, unsigned level, struct weir_span in, bool last, char *to);

/* Continue a checksum. A new CRC-32 begins with 0, a new Adler-32 with 1. */
uint32_t producer_crc32(uint32_t checksum, struct weir_span bytes);
uint32_t producer_adler32(uint32_t checksum, struct weir_span bytes);

#endif
