/*
 * An output: what a producer puts its pieces in, a bounded list that leaves in one sendmsg or
 * sendfile.
 *
 *   [borrowed memory][scratch][scratch][file extent]   size bytes so far, room for more
 *
 * A piece is
 *   borrowed  memory of the producer's (or of something that outlives it). No copy is made: it must
 *             stay as it is until the producer is asked again or closed.
 *   scratch   memory of the loop's, reserved here, gone once the output has been sent.
 *   file      an extent of an open file, sent by sendfile. The descriptor stays open until the
 *             producer is closed.
 *
 * Nobody puts more than the room. A call that puts says how much it took; taking less than was
 * offered is normal: the producer keeps its place and goes on when it is asked again.
 */
#ifndef WEIR_OUTPUT_H
#define WEIR_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/api.h>
#include <weir/span.h>

struct weir_loop;

enum weir_piece_kind {
	WEIR_PIECE_BORROWED,
	WEIR_PIECE_SCRATCH,
	WEIR_PIECE_FILE,
};

struct weir_piece {
	const char *data; /* of memory; NULL for a file */
	size_t size;      /* never 0 */
	off_t offset;     /* of a file */
	int fd;           /* of a file */
	enum weir_piece_kind kind;
};

struct weir_output {
	struct weir_loop *loop;
	struct weir_piece *pieces;
	unsigned count;
	unsigned capacity;
	size_t size;      /* bytes in the pieces */
	size_t room;      /* bytes that may still be put */
	size_t file_room; /* … of a file, which takes no memory: the larger of the two counts */
	bool inner;       /* the bytes are the input of a transformer */
};

/* -- for producers ---------------------------------------------------------------------------- */

/* The bytes that may still be put; 0 also when there is no place for a further piece. */
WEIR_API size_t weir_output_room(const struct weir_output *out);

/* Puts memory that stays valid until the producer is asked again or closed. The bytes taken. */
WEIR_API size_t weir_output_borrow(struct weir_output *out, const void *data, size_t size);

/* Puts a copy, in scratch. The bytes taken: fewer than size also when there is no memory. */
WEIR_API size_t weir_output_copy(struct weir_output *out, const void *data, size_t size);

/*
 * Scratch to write to: at least 1 and at most `size` bytes, *ret_size of them. Nothing is put
 * before weir_output_commit. NULL has two reasons, which weir_output_room tells apart:
 *
 *   room is 0      there is no room: answer WEIR_MORE, and be asked again when there is
 *   room is not 0  there is no memory: answer WEIR_FAILED. WEIR_MORE would be asked for in vain
 *
 * The same holds where weir_output_copy takes less than both `size` and the room.
 */
WEIR_API char *weir_output_reserve(struct weir_output *out, size_t size, size_t *ret_size);

/*
 * Puts the first `size` bytes of what weir_output_reserve gave last, and gives the rest back (all
 * of it, for 0). Nothing else may be put between the two.
 */
WEIR_API void weir_output_commit(struct weir_output *out, size_t size);

/* The bytes of a file that may still be put: no fewer than weir_output_room. */
WEIR_API size_t weir_output_file_room(const struct weir_output *out);

/* Puts `size` bytes of the file from `offset` on. The bytes taken. */
WEIR_API size_t weir_output_file(struct weir_output *out, int fd, off_t offset, size_t size);

/* -- for transformers ------------------------------------------------------------------------- */

/*
 * An output of the transformer's own, to ask its child with; `pieces` and the output live on the
 * stack. It shares the scratch of `outer`. The room is the bytes that the child may put.
 */
WEIR_API void weir_output_init_inner(struct weir_output *inner, const struct weir_output *outer,
        struct weir_piece *pieces, unsigned capacity, size_t room);

/*
 * Puts `size` bytes of a child's piece, from `from` on, as what they are: borrowed stays borrowed,
 * a file stays a file. The bytes taken.
 */
WEIR_API size_t weir_output_forward(
        struct weir_output *out, const struct weir_piece *piece, size_t from, size_t size);

/*
 * The bytes of a piece, for who must look at them: memory as it is; a file's are read into scratch.
 * A file that has become shorter is an error: 0, -EIO (shorter), -ENOMEM, or the errno of pread.
 */
WEIR_API int weir_output_bytes(
        struct weir_output *out, const struct weir_piece *piece, struct weir_span *ret);

/*
 * Copies what is lent, borrowed memory and file extents, from piece number `first` on, into
 * scratch: for a wrapper that asks the same child twice for one output, and the child may free
 * memory and close files then. 0, -ENOMEM or as weir_output_bytes (nothing is changed then). Pieces
 * that follow on each other become one.
 */
WEIR_API int weir_output_own(struct weir_output *out, unsigned first);

/* Scratch memory that is not part of the output, of this size, or NULL. */
WEIR_API void *weir_output_scratch(struct weir_output *out, size_t size);

#endif
