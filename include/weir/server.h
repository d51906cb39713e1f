/*
 * Servers accept channels, weir_connect makes outgoing ones; both speak a protocol.
 *
 *   struct weir_server_options options;
 *   weir_server_options_init(&options);
 *   options.listener.address = address;
 *   options.protocol = &echo;
 *   weir_server_create(loop, &options, &server);
 *
 * A listener is an address to which clients connect, with bounds. Its description is a part of the
 * options of every server: that of this header, and those of HTTP, SMTP, POP3, FTP and DNS.
 */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

#include <weir/address.h>
#include <weir/api.h>
#include <weir/channel.h>
#include <weir/open_file.h>
#include <weir/peers.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_policy;
struct weir_server;

/* Connections could not be accepted (-EMFILE, …). Called at most once a pause. */
typedef void weir_accept_failed_fn(void *context, int error);

/*
 * A handshake has failed. `why` ("no shared cipher", …) is for the log, and valid during the call.
 * `id` is weir_channel_id of the connection.
 */
typedef void weir_tls_failed_fn(
        void *context, const struct weir_address *peer, uint64_t id, const char *why);

/*
 * A proxy that the policy trusts has sent no PROXY header: WEIR_E_SYNTAX, WEIR_E_LIMIT, -ETIMEDOUT
 * or another errno.
 */
typedef void weir_proxy_failed_fn(void *context, const struct weir_address *peer, int error);

/*
 * A client has sent what its protocol does not understand: it was refused, or has cost the
 * connection. `why` ("line too long") and the first bytes of the input, which may be none and have
 * at most WEIR_MALFORMED_SHOWN, are for the log, and valid during the call. `id` is weir_channel_id
 * of the connection, or 0 if there is none. HTTP has its access log instead. A client may cause as
 * many calls as it sends lines, so bound what you log.
 */
typedef void weir_malformed_fn(void *context, const struct weir_address *peer, uint64_t id,
        const char *why, struct weir_span input);

/* Begin with weir_listener_init, or with the init function of the options around it. */
struct weir_listener {
	struct weir_address address; /* port 0: any free port; see weir_server_address */
	bool shared;                 /* SO_REUSEPORT: one server on each of several loops */
	/*
	 * Does not listen: weir_server_adopt brings the connections. The address is a name then.
	 */
	bool passive;
	const char *name; /* for metrics; copied; NULL: the name of the protocol */
	/* Opens its socket, with the context of the callbacks. NULL: the server makes one. */
	weir_open_socket_fn *open_socket;
	struct weir_bounds bounds;
	/*
	 * Bounds the connections of one address (weir/peers.h). The server holds it. See
	 * weir_channel_over_quota. NULL: no bound.
	 */
	struct weir_peers *peers;
	/* The proxies that name the real peers (weir/policy.h). The server holds it. NULL: none. */
	struct weir_policy *policy;

	/* The server holds it. NULL: no TLS. */
	struct weir_tls *tls;
	/*
	 * The protocol upgrades by a command of its own (STARTTLS, STLS, AUTH TLS). False: TLS
	 * begins with the first byte.
	 */
	bool tls_upgrade;

	weir_accept_failed_fn *accept_failed; /* may be NULL */
	weir_tls_failed_fn *tls_failed;       /* may be NULL */
	weir_proxy_failed_fn *proxy_failed;   /* may be NULL */
	weir_malformed_fn *malformed;         /* may be NULL */
	void *context;                        /* of these callbacks */
};

/* Sets default bounds, and everything else to 0, false or NULL. The address has no default. */
WEIR_API void weir_listener_init(struct weir_listener *listener);

/* Begin with weir_server_options_init. */
struct weir_server_options {
	struct weir_listener listener;
	const struct weir_protocol *protocol; /* must outlive the server */
	void *context;                        /* for weir_channel_context */
	/*
	 * Sent in clear to a client that does not speak TLS where TLS begins with the first byte;
	 * then the connection closes. Borrowed. NULL: nothing is sent.
	 */
	const char *tls_refusal;
};

/* Calls weir_listener_init and sets the rest to NULL. The protocol has no default. */
WEIR_API void weir_server_options_init(struct weir_server_options *options);

/*
 * Listens and accepts. Returns 0; -EINVAL if there is no protocol or a bound is 0 that must not be,
 * for example because the options were not initialised; or another negative errno.
 */
WEIR_API int weir_server_create(struct weir_loop *loop, const struct weir_server_options *options,
        struct weir_server **ret);

/* Changes the TLS of a server that was created with TLS, for handshakes from here on. Not NULL. */
WEIR_API void weir_server_set_tls(struct weir_server *server, struct weir_tls *tls);

/* The TLS of the listener, or NULL. The server holds it until weir_server_set_tls. */
WEIR_API struct weir_tls *weir_server_tls(const struct weir_server *server);

/* Changes the policy, for connections and requests from here on. NULL: none. */
WEIR_API void weir_server_set_policy(struct weir_server *server, struct weir_policy *policy);

/* The policy of the listener, or NULL. The server holds it until weir_server_set_policy. */
WEIR_API struct weir_policy *weir_server_policy(const struct weir_server *server);

/* The address on which it listens, with the port that the system has chosen for port 0. */
WEIR_API const struct weir_address *weir_server_address(const struct weir_server *server);

/*
 * Serves a connected socket that was accepted elsewhere, as if the server had accepted it. On
 * success it belongs to the server. Returns 0, WEIR_E_LIMIT if the server has no room, or a
 * negative errno.
 */
WEIR_API int weir_server_adopt(struct weir_server *server, int fd, const struct weir_address *peer);

/*
 * For protocols: counts input that a client's protocol does not have, and calls the listener's
 * `malformed`. `why` has no text of the client; the input must not have a password.
 */
WEIR_API void weir_server_report_malformed(struct weir_server *server,
        const struct weir_address *peer, uint64_t id, const char *why, struct weir_span input);

/* The number of its channels. */
WEIR_API unsigned weir_server_channels(const struct weir_server *server);

/*
 * Visits an open channel, and may close or abort it. Returns true to see the next one, or false to
 * end the visit.
 */
typedef bool weir_channel_visit_fn(void *context, struct weir_channel *channel);

/* Calls `visit` for each open channel until it returns false. */
WEIR_API void weir_server_each(
        struct weir_server *server, weir_channel_visit_fn *visit, void *context);

/*
 * No channel is left. Called once, by the loop and not by weir_server_drain itself. It may destroy
 * the server.
 */
typedef void weir_drained_fn(void *context);

/*
 * Stops listening. Connections that wait in the kernel are left to another process that has the
 * socket, or are reset if none has. Channels go on, and weir_channel_draining is true for them.
 */
WEIR_API void weir_server_retire(struct weir_server *server);

/*
 * Stops listening and closes idle channels. The others may finish until bounds.drain_ms have
 * passed, and are aborted then. Replies that only the program can end (event streams, a generator
 * that waits) take all of drain_ms unless the program ends them. `drained` may be NULL.
 */
WEIR_API void weir_server_drain(
        struct weir_server *server, weir_drained_fn *drained, void *context);

/*
 * Aborts all channels and frees the server. NULL is allowed. Not from a callback of its protocol.
 */
WEIR_API void weir_server_destroy(struct weir_server *server);

/*
 * Connects. From its open() on, the channel belongs to the protocol; before that only
 * weir_channel_abort may be called. If the connection fails, close() gets the error (-ECONNREFUSED,
 * -ETIMEDOUT), without an open(). NULL for `bounds` stands for the defaults. Returns 0; -EINVAL if
 * a bound is 0 that must not be; or another negative errno. On failure no callback is called.
 */
WEIR_API int weir_connect(struct weir_loop *loop, const struct weir_address *address,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret);

/*
 * weir_connect with a socket of the caller's making, such as one that had to be bound first or was
 * accepted elsewhere. It is non-blocking, and connected or connecting. On success it belongs to the
 * channel.
 */
WEIR_API int weir_adopt(struct weir_loop *loop, int fd, const struct weir_address *peer,
        const struct weir_protocol *protocol, void *context, const struct weir_bounds *bounds,
        struct weir_channel **ret);

WEIR_C_END

#endif
