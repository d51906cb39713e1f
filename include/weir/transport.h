/*
 * A transport carries a channel's bytes. TCP has no state; TLS has its own behind the same calls.
 * No call blocks: it returns -EAGAIN when it cannot continue now.
 *
 *   start ─▶ receive, send, send_file … ─▶ finish ─▶ close
 */
#ifndef WEIR_TRANSPORT_H
#define WEIR_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <weir/api.h>

WEIR_C_BEGIN

struct weir_transport {
	const struct weir_transport_type *type;
	/* It has bytes of its own that the kernel did not take: call flush() when writable. */
	bool pending;
	/*
	 * The last receive() met the end of the input behind its bytes: no event reports that end.
	 */
	bool at_end;
	/*
	 * The last receive() met an error behind its bytes, which no event reports: the channel
	 * handles the bytes, and then ends with this errno. 0: none.
	 */
	int failed;
};

struct weir_transport_type {
	const char *name;
	bool lends_files; /* send_file() needs no memory: the kernel sends pages of its cache */

	/*
	 * Continues the handshake. Returns 0 when it is complete, -EAGAIN (call again when
	 * readable), or another errno. NULL: there is no handshake.
	 */
	int (*start)(struct weir_transport *transport, int fd);

	/* Returns up to `size` bytes, 0 at the end of the input, or a negative errno. */
	ssize_t (*receive)(struct weir_transport *transport, int fd, void *data, size_t size);

	/*
	 * Returns the number of bytes that have left, or a negative errno. The next call must begin
	 * with the rest. With `more`, further data follows at once.
	 */
	ssize_t (*send)(struct weir_transport *transport, int fd, const struct iovec *pieces,
	        unsigned count, bool more);
	ssize_t (*send_file)(
	        struct weir_transport *transport, int fd, int file, off_t offset, size_t size);

	/* As send_file, of a pipe that has `size` bytes. NULL: no pieces of pipes are sent. */
	ssize_t (*send_pipe)(
	        struct weir_transport *transport, int fd, int pipe, size_t size, bool more);

	/*
	 * Sends the pending bytes. Returns 0, -EAGAIN or another errno. NULL: there never are any.
	 */
	int (*flush)(struct weir_transport *transport, int fd);

	/* Ends the output. Returns 0, -EAGAIN (call again when writable) or another errno. */
	int (*finish)(struct weir_transport *transport, int fd);

	/* Frees the transport; the loop closes the descriptor. */
	void (*close)(struct weir_transport *transport);
};

/* Plain TCP, or any stream socket. All channels share this one, since it has no state. */
WEIR_API struct weir_transport *weir_tcp(void);

WEIR_C_END

#endif
