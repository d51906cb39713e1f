/*
 * Moves bytes from a socket into a file through a pipe. The kernel copies them once, from the
 * packets into the page cache. If that is impossible (no descriptors for a pipe, a file system
 * without splice) they are read and written.
 *
 * Invariant: bytes that have left the socket are in the file, or the result is an error. A pipe
 * lives for one call and is empty afterwards, so that idle uploads have none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/limits.h>

#include "helper.h"
#include "upload_state.h"

/*
 * The page cache allocates memory in pieces as large as a write. Pieces above WRITE_SIZE save a
 * fifth of the time. But in a virtual machine they come from memory that has been returned to the
 * host, and then cost four times as much.
 */
enum {
	PIPE_SIZE = 1024 * 1024,
	WRITE_SIZE = 128 * 1024,
	COPY_SIZE = WRITE_SIZE
};

/* Returns true if nothing came, and notes why. */
static bool upload_splice_ended(ssize_t got, struct spliced *spliced)
{
	if (got > 0)
		return false;
	if (got == 0)
		spliced->end = 1;
	else if (errno != EAGAIN && errno != EINTR)
		spliced->end = -errno;
	return true;
}

/* -- by copying -------------------------------------------------------------------------------- */

static int upload_splice_copy(struct temporary *temporary, int from, char *buffer, size_t size)
{
	for (ssize_t got; size; size -= (size_t)got) {
		got = read(from, buffer, min_of(size, (size_t)COPY_SIZE));
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		struct iovec piece = {buffer, (size_t)got};
		int error = temporary_write(temporary, &piece, 1);
		if (error < 0)
			return error;
	}
	return 0;
}

static int upload_splice_copy_all(
        struct temporary *temporary, int socket, uint64_t most, struct spliced *spliced)
{
	char *buffer = malloc(COPY_SIZE);
	int error = buffer ? 0 : -ENOMEM;
	while (error == 0 && spliced->size < most) {
		ssize_t got = recv(socket, buffer,
		        (size_t)min_of(most - spliced->size, (uint64_t)COPY_SIZE), 0);
		if (upload_splice_ended(got, spliced))
			break;
		spliced->size += (uint64_t)got;
		error = temporary_write(temporary, &(struct iovec){buffer, (size_t)got}, 1);
	}
	free(buffer);
	return error;
}

/* -- by splicing ------------------------------------------------------------------------------- */

/* Moves all that is in the pipe. */
static int upload_splice_drain(struct temporary *temporary, int pipe, size_t size)
{
	while (size) {
		loff_t at = (loff_t)temporary->size;
		ssize_t put = splice(pipe, NULL, temporary->fd, &at,
		        min_of(size, (size_t)WRITE_SIZE), SPLICE_F_MOVE);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EINVAL) {
			char *buffer = malloc(COPY_SIZE);
			int error = buffer ? upload_splice_copy(temporary, pipe, buffer, size)
			                   : -ENOMEM;
			free(buffer);
			return error;
		}
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		temporary->size += (uint64_t)put;
		size -= (size_t)put;
	}
	temporary_start_writeback(temporary);
	return 0;
}

static int upload_splice_all(struct temporary *temporary, int socket, const int *pipe,
        uint64_t most, struct spliced *spliced)
{
	int error = 0;
	while (error == 0 && spliced->size < most) {
		ssize_t got = splice(socket, NULL, pipe[1], NULL,
		        (size_t)min_of(most - spliced->size, (uint64_t)PIPE_SIZE),
		        SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (upload_splice_ended(got, spliced))
			break;
		spliced->size += (uint64_t)got;
		error = upload_splice_drain(temporary, pipe[0], (size_t)got);
	}
	return error;
}

int temporary_splice(struct temporary *temporary, int socket, uint64_t most, struct spliced *ret)
{
	int pipe[2];
	*ret = (struct spliced){0};
	most = min_of(most, (uint64_t)WEIR_UPLOAD_SPLICE_MAX);
	if (pipe2(pipe, O_CLOEXEC) < 0)
		return upload_splice_copy_all(temporary, socket, most, ret);
	/* A user with many pipes may not enlarge them; then it takes more calls. */
	fcntl(pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
	int error = upload_splice_all(temporary, socket, pipe, most, ret);
	close(pipe[0]);
	close(pipe[1]);
	return error;
}
