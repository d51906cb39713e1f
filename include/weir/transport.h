/*
 * A transport: what carries a channel's bytes. TCP has no state; TLS keeps its own behind the same
 * calls. Every call is non-blocking and answers -EAGAIN when it cannot go on now.
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

struct weir_transport {
	const struct weir_transport_type *type;
	/* It has bytes of its own that the kernel would not take: flush() when writable. */
	bool pending;
	/* The end of the input was met, maybe together with the last bytes: no event tells of it. */
	bool at_end;
	/*
	 * An errno that was met together with the last bytes: the channel ends with it when it has handed
	 * these over. No event tells of it. 0: none.
	 */
	int failed;
};

struct weir_transport_type {
	const char *name;
	bool lends_files; /* files leave as the kernel's own pages, and cost no memory */

	/*
	 * The handshake: 0 when it is complete, -EAGAIN: call again when readable; another errno.
	 * NULL: there is none.
	 */
	int (*start)(struct weir_transport *transport, int fd);

	/* Up to `size` bytes; 0 at the end of the input; a negative errno. */
	ssize_t (*receive)(struct weir_transport *transport, int fd, void *data, size_t size);

	/*
	 * The bytes that have left, or a negative errno. The others have to be offered again, the
	 * same ones first. `more` says that further data follows at once.
	 */
	ssize_t (*send)(struct weir_transport *transport, int fd, const struct iovec *pieces,
	        unsigned count, bool more);
	ssize_t (*send_file)(
	        struct weir_transport *transport, int fd, int file, off_t offset, size_t size);

	/* Sends what is stuck: 0, -EAGAIN or another errno. NULL: nothing ever is. */
	int (*flush)(struct weir_transport *transport, int fd);

	/* No more output follows. 0, -EAGAIN (call again when writable) or another errno. */
	int (*finish)(struct weir_transport *transport, int fd);

	/* Frees the transport; the descriptor is closed by the loop. */
	void (*close)(struct weir_transport *transport);
};

/* Plain TCP (or any stream socket): has no state, so that all channels share this one. */
WEIR_API struct weir_transport *weir_tcp(void);

#endif
