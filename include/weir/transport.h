/*
 * A transport: what carries a channel's bytes. TCP is here; TLS has the same shape and keeps its
 * own state behind it. Every call is non-blocking and answers -EAGAIN when it cannot go on now.
 */
#ifndef WEIR_TRANSPORT_H
#define WEIR_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <weir/api.h>

struct weir_transport {
	const struct weir_transport_type *type;
};

struct weir_transport_type {
	const char *name;
	bool sends_files; /* else file extents are read and sent as memory */

	/* Up to `size` bytes; 0 at the end of the input; a negative errno. */
	ssize_t (*receive)(struct weir_transport *transport, int fd, void *data, size_t size);

	/* The bytes taken, or a negative errno. `more` says that further data follows at once. */
	ssize_t (*send)(struct weir_transport *transport, int fd, const struct iovec *pieces,
	        unsigned count, bool more);
	ssize_t (*send_file)(
	        struct weir_transport *transport, int fd, int file, off_t offset, size_t size);

	/* No more output follows. 0, -EAGAIN (call again when writable) or another errno. */
	int (*finish)(struct weir_transport *transport, int fd);

	/* Frees the transport; the descriptor is closed by the loop. */
	void (*close)(struct weir_transport *transport);
};

/* Plain TCP (or any stream socket): has no state, so that all channels share this one. */
WEIR_API struct weir_transport *weir_tcp(void);

#endif
