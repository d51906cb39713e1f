/*
 * Outputs: pieces are appended, bytes are counted, and the room shrinks. Invariant: size is the sum
 * of the pieces' sizes; size + room is constant, except that file extents may exceed the room.
 *
 * Scratch that follows scratch becomes one piece. Nothing is sent here, and no piece is removed.
 */
#include <errno.h>
#include <unistd.h>

#include "helper.h"
#include "loop_internal.h"
#include "producer_internal.h"

/* Up to this size, a copy behind existing scratch costs less than an iovec of its own. */
enum {
	COPY_RATHER = 256
};

void output_init(struct weir_output *out, struct weir_loop *loop, struct weir_piece *pieces,
        unsigned capacity, size_t room)
{
	*out = (struct weir_output){
	        .loop = loop, .pieces = pieces, .capacity = capacity, .room = room};
}

void weir_output_init_inner(struct weir_output *inner, const struct weir_output *outer,
        struct weir_piece *pieces, unsigned capacity, size_t room)
{
	output_init(inner, outer->loop, pieces, capacity, room);
	inner->inner = true;
}

size_t weir_output_room(const struct weir_output *out)
{
	return out->count < out->capacity ? out->room : 0;
}

static void output_append(struct weir_output *out, struct weir_piece piece)
{
	out->pieces[out->count++] = piece; /* NOLINT: there is room for pieces, or none is put */
	out->size += piece.size;
	out->room -= min_of(piece.size, out->room);
	if (!piece.data)
		out->file_room -= min_of(piece.size, out->file_room);
}

static void output_append_scratch(struct weir_output *out, const char *data, size_t size)
{
	struct weir_piece *last = out->count ? &out->pieces[out->count - 1] : NULL;
	if (last && last->kind == WEIR_PIECE_SCRATCH && last->data + last->size == data) {
		last->size += size;
		out->size += size;
		out->room -= size;
		return;
	}
	output_append(
	        out, (struct weir_piece){
	                     .data = data, .size = size, .fd = -1, .kind = WEIR_PIECE_SCRATCH});
}

static bool output_ends_in_top_scratch(const struct weir_output *out)
{
	if (!out->count)
		return false;
	const struct weir_piece *last = &out->pieces[out->count - 1];
	return last->kind == WEIR_PIECE_SCRATCH &&
	       arena_is_top(loop_arena(out->loop), last->data + last->size);
}

size_t weir_output_borrow(struct weir_output *out, const void *data, size_t size)
{
	size_t fits = min_of(size, weir_output_room(out));
	if (!fits)
		return 0;
	if (fits <= COPY_RATHER && output_ends_in_top_scratch(out)) {
		size_t copied = weir_output_copy(out, data, fits);
		if (copied)
			return copied;
	}
	output_append(
	        out, (struct weir_piece){
	                     .data = data, .size = fits, .fd = -1, .kind = WEIR_PIECE_BORROWED});
	return fits;
}

size_t output_put(struct weir_output *out, const void *data, size_t size)
{
	size_t copied = size <= COPY_RATHER ? weir_output_copy(out, data, size) : 0;
	return copied ? copied : weir_output_borrow(out, data, size);
}

size_t weir_output_copy(struct weir_output *out, const void *data, size_t size)
{
	size_t got;
	char *to = weir_output_reserve(out, size, &got);
	if (!to)
		return 0;
	memcpy(to, data, got);
	weir_output_commit(out, got);
	return got;
}

/* The reservation is stored as the next piece, which is free, since there is room. */
char *weir_output_reserve(struct weir_output *out, size_t size, size_t *ret_size)
{
	size_t fits = min_of(size, weir_output_room(out));
	char *bytes = fits ? arena_reserve_bytes(loop_arena(out->loop), fits) : NULL;
	if (!bytes)
		return NULL;
	out->pieces[out->count] =
	        (struct weir_piece){.data = bytes, .size = fits, .kind = WEIR_PIECE_SCRATCH};
	*ret_size = fits;
	return bytes;
}

void weir_output_commit(struct weir_output *out, size_t size)
{
	struct arena *arena = loop_arena(out->loop);
	struct weir_piece reserved = out->pieces[out->count];
	if (size < reserved.size && arena_is_top(arena, reserved.data + reserved.size))
		arena_shrink(arena, reserved.data, size);
	if (size)
		output_append_scratch(out, reserved.data, size);
}

size_t weir_output_file_room(const struct weir_output *out)
{
	size_t room = weir_output_room(out);
	return room && out->file_room > room ? out->file_room : room;
}

size_t weir_output_file(struct weir_output *out, int fd, off_t offset, size_t size)
{
	size_t fits = min_of(size, weir_output_file_room(out));
	if (fits)
		output_append(out,
		        (struct weir_piece){
		                .size = fits, .offset = offset, .fd = fd, .kind = WEIR_PIECE_FILE});
	return fits;
}

size_t output_pipe_room(const struct weir_output *out)
{
	return out->takes_pipes ? weir_output_file_room(out) : 0;
}

size_t output_pipe(struct weir_output *out, int fd, size_t size)
{
	size_t fits = min_of(size, output_pipe_room(out));
	if (fits)
		output_append(
		        out, (struct weir_piece){.size = fits, .fd = fd, .kind = WEIR_PIECE_PIPE});
	return fits;
}

size_t weir_output_forward(
        struct weir_output *out, const struct weir_piece *piece, size_t from, size_t size)
{
	size_t fits;
	switch (piece->kind) {
	case WEIR_PIECE_BORROWED:
		return weir_output_borrow(out, piece->data + from, size);
	case WEIR_PIECE_FILE:
		return weir_output_file(out, piece->fd, piece->offset + (off_t)from, size);
	case WEIR_PIECE_PIPE: /* whole: `from` is 0 */
		return output_pipe(out, piece->fd, size);
	case WEIR_PIECE_SCRATCH:
		break;
	}
	fits = min_of(size, weir_output_room(out));
	if (fits)
		output_append_scratch(out, piece->data + from, fits);
	return fits;
}

/* Reads bytes that are in the pipe, so that the call does not wait. */
static int output_read_pipe(int fd, char *to, size_t size)
{
	while (size) {
		ssize_t got = read(fd, to, size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		to += got;
		size -= (size_t)got;
	}
	return 0;
}

/* Copies the bytes of one piece to `to`. */
static int output_read_piece(const struct weir_piece *piece, char *to)
{
	if (piece->kind == WEIR_PIECE_FILE)
		return extent_read(piece->fd, to, piece->size, piece->offset);
	if (piece->kind == WEIR_PIECE_PIPE)
		return output_read_pipe(piece->fd, to, piece->size);
	memcpy(to, piece->data, piece->size);
	return 0;
}

int weir_output_bytes(
        struct weir_output *out, const struct weir_piece *piece, struct weir_span *ret)
{
	if (piece->data) {
		*ret = weir_span(piece->data, piece->size);
		return 0;
	}
	char *bytes = arena_reserve_bytes(loop_arena(out->loop), piece->size);
	if (!bytes)
		return -ENOMEM;
	int error = output_read_piece(piece, bytes);
	if (error == 0)
		*ret = weir_span(bytes, piece->size);
	return error;
}

int output_read(const struct weir_output *out, char *to)
{
	for (unsigned i = 0; i < out->count; i++) {
		int error = output_read_piece(&out->pieces[i], to);
		if (error < 0)
			return error;
		to += out->pieces[i].size;
	}
	return 0;
}

/* Copies all lent pieces into one stretch, `to`; the pieces themselves do not change. */
static int output_copy_lent(const struct weir_output *out, unsigned first, char *to)
{
	for (unsigned i = first; i < out->count; i++) {
		const struct weir_piece *piece = &out->pieces[i];
		if (piece->kind == WEIR_PIECE_SCRATCH)
			continue;
		int error = output_read_piece(piece, to);
		if (error < 0)
			return error;
		to += piece->size;
	}
	return 0;
}

/* Replaces lent pieces by their copies at `from`, and joins neighbours into one piece. */
static void output_replace_lent(struct weir_output *out, unsigned first, const char *from)
{
	unsigned count = first;
	for (unsigned i = first; i < out->count; i++) {
		struct weir_piece piece = out->pieces[i];
		if (piece.kind != WEIR_PIECE_SCRATCH) {
			piece = (struct weir_piece){.data = from,
			        .size = piece.size,
			        .fd = -1,
			        .kind = WEIR_PIECE_SCRATCH};
			from += piece.size;
		}
		struct weir_piece *last = count > first ? &out->pieces[count - 1] : NULL;
		if (last && last->data + last->size == piece.data)
			last->size += piece.size;
		else
			out->pieces[count++] = piece;
	}
	out->count = count;
}

int weir_output_own(struct weir_output *out, unsigned first)
{
	size_t lent = 0;
	for (unsigned i = first; i < out->count; i++)
		if (out->pieces[i].kind != WEIR_PIECE_SCRATCH)
			lent += out->pieces[i].size;
	if (!lent)
		return 0;
	struct arena *arena = loop_arena(out->loop);
	char *copies = arena_reserve_bytes(arena, lent);
	if (!copies)
		return -ENOMEM;
	int error = output_copy_lent(out, first, copies);
	if (error < 0) {
		arena_shrink(arena, copies, 0);
		return error;
	}
	output_replace_lent(out, first, copies);
	return 0;
}

void *weir_output_scratch(struct weir_output *out, size_t size)
{
	return arena_reserve(loop_arena(out->loop), size);
}
