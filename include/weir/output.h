/*
 * An output: a bounded list of pieces that producers put bytes in, and that is sent by one sendmsg,
 * sendfile or splice.
 *
 *   [borrowed memory][scratch][scratch][file extent]   size bytes so far, room for more
 *
 * A piece is one of
 *   borrowed  memory of the producer, or of something that outlives it. No copy is made: the bytes
 *             must not change until the producer is asked again or closed.
 *   scratch   memory of the loop, reserved here, and free again once the output has been sent.
 *   file      an extent of an open file, sent by sendfile. The descriptor must stay open until the
 *             producer is closed.
 *   pipe      bytes in a pipe, sent by splice. They are read once, so only an output that is sent
 *             over TCP in clear takes them: `takes_pipes`. The library's proxy puts these, and the
 *             chunked coding passes them on.
 *
 * A call that puts bytes never exceeds the room, and returns how many bytes it took. Fewer than
 * were offered are normal: the producer notes its position and continues when it is asked again.
 */
#ifndef WEIR_OUTPUT_H
#define WEIR_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;

enum weir_piece_kind {
	WEIR_PIECE_BORROWED,
	WEIR_PIECE_SCRATCH,
	WEIR_PIECE_FILE,
	WEIR_PIECE_PIPE,
};

struct weir_piece {
	const char *data; /* of memory; else NULL */
	size_t size;      /* never 0 */
	off_t offset;     /* of a file */
	int fd;           /* of a file, or the end of a pipe to read from */
	enum weir_piece_kind kind;
};

struct weir_output {
	struct weir_loop *loop;
	struct weir_piece *pieces;
	unsigned count;
	unsigned capacity;
	size_t size;      /* bytes in the pieces */
	size_t room;      /* bytes that may still be put */
	size_t file_room; /* the same for file extents, which need no memory, where it is larger */
	bool inner;       /* the bytes are the input of a transformer */
	bool takes_pipes; /* pieces may be the content of a pipe */
};

/* -- for producers ---------------------------------------------------------------------------- */

/* Returns how many bytes may still be put; 0 also when no further piece fits the list. */
WEIR_API size_t weir_output_room(const struct weir_output *out);

/*
 * Puts memory that does not change until the producer is asked again or closed. Returns how many
 * bytes it took.
 */
WEIR_API size_t weir_output_borrow(struct weir_output *out, const void *data, size_t size);

/* Puts a copy, in scratch. Returns how many bytes it took; fewer also without memory. */
WEIR_API size_t weir_output_copy(struct weir_output *out, const void *data, size_t size);

/*
 * Reserves scratch to write to: *ret_size bytes, at least 1 and at most `size`. Nothing is put
 * before weir_output_commit. NULL has two reasons:
 *
 *   weir_output_room is 0      There is no room: answer WEIR_MORE, to be asked again when there is.
 *   weir_output_room is not 0  There is no memory: answer WEIR_FAILED. WEIR_MORE would be repeated
 *                              in vain.
 *
 * The same holds where weir_output_copy takes fewer bytes than both `size` and the room.
 */
WEIR_API char *weir_output_reserve(struct weir_output *out, size_t size, size_t *ret_size);

/*
 * Puts the first `size` bytes of what weir_output_reserve returned last, and releases the rest; for
 * 0, all of it. Nothing else may be put between the two calls.
 */
WEIR_API void weir_output_commit(struct weir_output *out, size_t size);

/* Returns how many bytes of a file may still be put: no fewer than weir_output_room. */
WEIR_API size_t weir_output_file_room(const struct weir_output *out);

/* Puts `size` bytes of the file from `offset` on. Returns how many bytes it took. */
WEIR_API size_t weir_output_file(struct weir_output *out, int fd, off_t offset, size_t size);

/* -- for transformers ------------------------------------------------------------------------- */

/*
 * Prepares an output in which a transformer's child puts its bytes, at most `room`. It and `pieces`
 * live on the transformer's stack. It shares the scratch of `outer`.
 */
WEIR_API void weir_output_init_inner(struct weir_output *inner, const struct weir_output *outer,
        struct weir_piece *pieces, unsigned capacity, size_t room);

/*
 * Puts `size` bytes of a child's piece, from `from` on, in a piece of the same kind. Returns how
 * many bytes it took.
 */
WEIR_API size_t weir_output_forward(
        struct weir_output *out, const struct weir_piece *piece, size_t from, size_t size);

/*
 * Gives access to the bytes of a piece: those of a file are read into scratch. Returns 0; -EIO if
 * the file has become shorter; -ENOMEM; or the errno of pread.
 */
WEIR_API int weir_output_bytes(
        struct weir_output *out, const struct weir_piece *piece, struct weir_span *ret);

/*
 * Copies borrowed memory and file extents, from piece number `first` on, into scratch. A wrapper
 * that asks one child twice for one output needs this, since the child may free memory or close
 * files between. Neighbouring pieces become one. Returns 0, -ENOMEM or an error of
 * weir_output_bytes; after an error nothing has changed.
 */
WEIR_API int weir_output_own(struct weir_output *out, unsigned first);

/* Returns scratch memory of this size that is not part of the output; NULL without memory. */
WEIR_API void *weir_output_scratch(struct weir_output *out, size_t size);

WEIR_C_END

#endif
