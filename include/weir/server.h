/*
 * Servers accept channels, weir_connect makes outgoing ones; both speak a protocol.
 *
 *   struct weir_server *server;
 *   weir_server_create(loop, &(struct weir_server_options){
 *           .address = address, .protocol = &echo }, &server);
 */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

#include <weir/address.h>
#include <weir/api.h>
#include <weir/channel.h>

struct weir_loop;
struct weir_server;

struct weir_server_options {
	struct weir_address address; /* port 0: any; see weir_server_address */
	const struct weir_protocol *protocol;
	void *context;             /* for weir_channel_context */
	struct weir_bounds bounds; /* all zero: the defaults */
	struct weir_tls *tls; /* TLS from the first byte; the server holds it itself. NULL: none */
	/*
	 * Sent in clear, and the connection closed, to who speaks without TLS where `tls` is set; NULL:
	 * nothing. Borrowed.
	 */
	const char *tls_refusal;
	bool shared; /* SO_REUSEPORT: one server on each of several loops */
	/*
	 * Told why a connection could not be accepted (EMFILE, …), at most once a pause. May be
	 * NULL.
	 */
	void (*accept_failed)(void *context, int error);
	/*
	 * Told why a connection did not become secure ("no shared cipher", …), for the log. May be
	 * NULL.
	 */
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
};

/* Listens and accepts. The protocol must outlive the server. 0 or a negative errno. */
WEIR_API int weir_server_create(struct weir_loop *loop, const struct weir_server_options *options,
        struct weir_server **ret);

/* For connections accepted from here on. Only for a server that was created with TLS. */
WEIR_API void weir_server_set_tls(struct weir_server *server, struct weir_tls *tls);

/* The address it really listens on. */
WEIR_API const struct weir_address *weir_server_address(const struct weir_server *server);

/* The channels that are open. */
WEIR_API unsigned weir_server_channels(const struct weir_server *server);

/*
 * Calls `visit(context, channel)` for each open channel until it returns false. `visit` may close or
 * abort the channel that it is given.
 */
WEIR_API void weir_server_each(struct weir_server *server,
        bool (*visit)(void *context, struct weir_channel *channel), void *context);

/*
 * Stops listening, closes what is idle, lets the others finish for bounds.drain_ms at most, aborts
 * the rest, and calls `drained(context)`. Replies that end only when the program says so (event
 * streams, a generator that waits) have to be ended by the program, or they take all of drain_ms.
 */
WEIR_API void weir_server_drain(
        struct weir_server *server, void (*drained)(void *context), void *context);

/*
 * Aborts all channels and frees the server. NULL is allowed. Not from a callback of its protocol.
 */
WEIR_API void weir_server_destroy(struct weir_server *server);

/*
 * Connects. The channel is the protocol's from its open(); until then nothing but abort may be
 * done with it. If it cannot be had, close() tells why (-ECONNREFUSED, -ETIMEDOUT); open() is not
 * called then. 0 or a negative errno (nothing is called then).
 */
WEIR_API int weir_connect(struct weir_loop *loop, const struct weir_address *address,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret);

/*
 * The same for a socket of the caller's making (non-blocking, connected or connecting), as one that
 * had to be bound first or was accepted elsewhere. It is the channel's on success.
 */
WEIR_API int weir_adopt(struct weir_loop *loop, int fd, const struct weir_address *peer,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret);

#endif
