/*
 * The HTTP/1.1 client (RFC 9110, 9112): calls to servers, over a pool of kept connections.
 *
 *   call ─▶ origin ─▶ a kept connection, or: resolve ─▶ connect ─▶ TLS ─▶ head, body ─▶
 *                                        interim()… ─▶ head() ─▶ piece()… ─▶ trailer()… ─▶ end()
 *
 * A call is one request and its reply. The request's body is a producer, which is asked for more
 * only when the server has room; the reply's body comes in pieces, and weir_http_call_pause makes
 * the server wait. So both directions have a bounded memory, however large the bodies are.
 *
 * An origin is a scheme, a host and a port, perhaps behind a Unix socket. Its connections are kept
 * after a reply, for `idle_ms`. A server may close a kept connection just when a request is sent.
 * One rule decides whether that request is sent again, once, on a new connection:
 *
 *   No byte of the reply came, and either no byte of the request was sent or its method is
 *   idempotent (RFC 9110 9.2.2); and the request has no body, or one that `make_body` makes anew.
 *
 * Replies are parsed by the code that parses requests, as strictly. A reply that two programs could
 * read in different ways ends the connection: two Content-Lengths, LF for CRLF, a folded field,
 * bytes behind a reply. Each has an error of its own (WEIR_E_HTTP_… in weir/error.h). So has a 101
 * that was not asked for, or that names another protocol.
 *
 * A reply may come before its request has been sent, as when a server refuses a body. The rest of
 * the request is not sent then, and the connection is closed.
 *
 * A URL of fastcgi:// is that of an application which speaks FastCGI, such as php-fpm: the same
 * calls, in another form. The request becomes variables of CGI/1.1 (RFC 3875), and the reply is the
 * response of a CGI program. Its fields end in CRLF or LF, Status is its status, and it is 302 with
 * a Location and without a Status. There is no TLS, no interim reply, no trailer and no redirect.
 *
 * Everything here belongs to the loop's thread. The callbacks of a call are never called from
 * within weir_http_call_start.
 */
#ifndef WEIR_HTTP_CLIENT_H
#define WEIR_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/http_request.h>
#include <weir/limits.h>
#include <weir/producer.h>
#include <weir/span.h>
#include <weir/transformers.h>

WEIR_C_BEGIN

struct weir_http_call;
struct weir_http_client;
struct weir_loop;
struct weir_resolver;
struct weir_tls;

/* -- the client -------------------------------------------------------------------------------- */

/*
 * A kept connection was closed because bytes came on it that belong to no reply: the server, or
 * something in front of it, is out of step. `origin` is "http://host:port", valid during the call.
 */
typedef void weir_http_extra_fn(void *context, const char *origin);

/* Begin with weir_http_client_options_init. */
struct weir_http_client_options {
	/* Finds the addresses of names; must outlive the client. NULL: the client makes its own. */
	struct weir_resolver *resolver;
	/* For https; verifies the servers' names (weir/tls.h). Held. NULL: https is refused. */
	struct weir_tls *tls;
	unsigned connections_max; /* in all; WEIR_HTTP_CLIENT_CONNECTIONS_MAX */
	unsigned origin_max;      /* connections to one origin; WEIR_HTTP_CLIENT_ORIGIN_MAX */
	unsigned waiting_max;     /* calls without a connection; WEIR_HTTP_CLIENT_WAITING_MAX */
	size_t head_max;          /* bytes of a reply's head; WEIR_HTTP_HEAD_MAX */
	uint32_t idle_ms;         /* a kept connection is closed after; WEIR_HTTP_CLIENT_IDLE_MS */
	/*
	 * May take, for each address: its connection, and then TLS; WEIR_HTTP_CLIENT_CONNECT_MS. A
	 * host's addresses are tried beside each other, from family to family (RFC 8305): the next
	 * one begins after WEIR_HTTP_CLIENT_NEXT_MS, or when one has failed.
	 */
	uint32_t connect_ms;
	/*
	 * Without a byte of the request taken, or the head sent; WEIR_HTTP_CLIENT_HEAD_MS. The time
	 * in which the producer of the request's body waits does not count.
	 */
	uint32_t head_ms;
	/* A call waits at most this long for a connection of the pool; WEIR_HTTP_CLIENT_WAIT_MS. */
	uint32_t wait_ms;
	/*
	 * Without a byte of the reply's body, unless it is paused; WEIR_HTTP_CLIENT_BODY_MS. Bytes
	 * that are no progress, as those of a head, can double this time and the one before.
	 */
	uint32_t body_ms;
	/* Bytes a second that the body must reach in each body_ms; 0, the default: any. */
	uint32_t body_rate_min;
	/* For 100 (Continue), before the body is sent without it; WEIR_HTTP_CLIENT_CONTINUE_MS. */
	uint32_t continue_ms;
	/*
	 * Whether connections to FastCGI applications are kept (FCGI_KEEP_CONN). A connection
	 * occupies a process of php-fpm as long as it is open, so that all together must be fewer
	 * than those. False by default.
	 */
	bool fastcgi_keep;
	/*
	 * For a user that pauses replies: they are read by WEIR_RECEIVE_SMALL_SIZE bytes at a time,
	 * and of a reply whose beginning nobody takes the kernel holds at most
	 * WEIR_HTTP_CLIENT_WINDOW_TAKEN bytes. False by default.
	 */
	bool small_pieces;
	weir_http_extra_fn *extra; /* may be NULL */
	void *context;             /* of `extra` */
};

/* Sets every member to its default. */
WEIR_API void weir_http_client_options_init(struct weir_http_client_options *options);

/* Returns 0; -EINVAL if a bound or time is 0 that must not be; or -ENOMEM. */
WEIR_API int weir_http_client_create(struct weir_loop *loop,
        const struct weir_http_client_options *options, struct weir_http_client **ret);

/*
 * Cancels all calls and closes all connections, which takes a turn of the loop. NULL is allowed.
 * Not from a callback of a call.
 */
WEIR_API void weir_http_client_destroy(struct weir_http_client *client);

/* The connections that are open or being opened, and of these the ones that are kept idle. */
WEIR_API unsigned weir_http_client_connections(const struct weir_http_client *client);
WEIR_API unsigned weir_http_client_idle(const struct weir_http_client *client);

/* -- calls ------------------------------------------------------------------------------------- */

/* The head of a reply. Valid during the callback, with all that it points to. */
struct weir_http_reply_head {
	unsigned status;                      /* 100 to 599 */
	struct weir_span reason;              /* may be empty */
	uint8_t minor;                        /* of HTTP/1.minor */
	bool has_body;                        /* false for HEAD, 1xx, 204, 304 and a length of 0 */
	int64_t length;                       /* of the body as announced; -1: unknown */
	const struct weir_http_field *fields; /* as sent */
	unsigned field_count;
	const char *url; /* of this reply, which redirects may have changed */
};

/* Returns the value of the first field of that name, in any case; data is NULL if there is none. */
WEIR_API struct weir_span weir_http_reply_head_field(
        const struct weir_http_reply_head *head, struct weir_span name);

/* How a call ended. Valid during the callback. */
struct weir_http_call_end {
	/*
	 * 0: the reply is complete. -ENOENT, -ENODATA or -EAGAIN: the host has no address
	 * (weir_resolved_text); -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET or another errno;
	 * WEIR_E_TLS; WEIR_E_HTTP_… for a malformed reply; -EIO: the producer of the request's body
	 * has failed; WEIR_E_LIMIT: no connection of the pool was free in time.
	 */
	int error;
	const char *text;    /* one line: the reason; "" for 0 */
	bool head_came;      /* head() was called */
	bool begun;          /* a byte of the reply came */
	bool sent;           /* a byte of the request was taken by the server's connection */
	bool kept;           /* the connection of the failure had been kept from an earlier call */
	bool retried;        /* the request was sent a second time */
	uint32_t app_status; /* of FastCGI: the exit status of the application */
};

/* Only `end` must be set. */
struct weir_http_call_events {
	/* An interim reply (1xx) came, such as 100 or 103 (RFC 8297). */
	void (*interim)(void *context, const struct weir_http_reply_head *head);
	/* The final reply's head: not that of a redirect that is followed. */
	void (*head)(void *context, const struct weir_http_reply_head *head);
	/* The next bytes of the body, at least one, valid until this returns. */
	void (*piece)(void *context, struct weir_span bytes);
	/*
	 * A field of the trailer section (RFC 9110 6.5), which must not be merged with the head. A
	 * request with this function asks the server for them (TE).
	 */
	void (*trailer)(void *context, const struct weir_http_field *field);
	/* The last call; the struct weir_http_call is gone. Not called after a cancel. */
	void (*end)(void *context, const struct weir_http_call_end *end);
	/*
	 * The server has changed the protocol, as `upgrade` asks for (101). From here on piece()
	 * has its bytes, weir_http_call_send sends others, and the end of the connection is that of
	 * the call. No time limit applies. Must be set for a call with `upgrade`.
	 */
	void (*upgraded)(void *context, const struct weir_http_reply_head *head);
	/* A FastCGI application has written these bytes to its error stream: any text. */
	void (*error_text)(void *context, struct weir_span bytes);
};

/* Makes the request's body, each time it is sent. Returns NULL without memory. */
typedef struct weir_producer *weir_http_make_body_fn(void *context);

/* Begin with weir_http_call_options_init. All but the producer is copied. */
struct weir_http_call_options {
	/* http://, https:// or fastcgi://, ASCII, escaped; a fragment is left out */
	const char *url;
	const char *method;    /* a token; "GET". CONNECT is refused */
	const char *unix_path; /* connect to this socket instead of the host; NULL: to the host */
	const char *host;      /* the field Host, up to a redirect elsewhere; NULL: the URL's */
	/*
	 * Fields of the request. Host, Content-Length, Transfer-Encoding, Connection, Expect, TE,
	 * Trailer and Upgrade are refused: the client sends those itself where they are needed.
	 */
	const struct weir_http_field *fields;
	unsigned field_count;
	/*
	 * Of FastCGI: further variables, as SCRIPT_FILENAME. GATEWAY_INTERFACE, REQUEST_METHOD,
	 * REQUEST_URI (unless it is among these), QUERY_STRING, CONTENT_LENGTH and those of the
	 * fields are made from the request. Fields of one name become one variable, a list; Proxy
	 * becomes none, and neither does a name with other characters than letters, digits and `-`.
	 */
	const struct weir_http_field *params;
	unsigned param_count;
	/*
	 * The request's body: at most one of the two is set. A body of known size is sent with
	 * Content-Length, another one chunked. `body` is taken in any case, also by a start that
	 * fails, and is sent once. `make_body` is called once for each time that it is sent. For
	 * FastCGI its size must be known.
	 */
	struct weir_producer *body;
	weir_http_make_body_fn *make_body;
	void *make_body_context;
	weir_trailers_fn *trailers; /* of a chunked body; NULL: none */
	void *trailers_context;
	/* Waits for 100 (Continue) before the body is sent (RFC 9110 10.1.1); false by default. */
	bool expect_continue;
	/*
	 * How many redirects are followed (RFC 9110 15.4); 0, the default: none. A POST becomes a
	 * GET after 301 and 302, each method but HEAD a GET after 303. Authorization, Cookie and
	 * Proxy-Authorization are not sent to another origin. A redirect that cannot be followed is
	 * a reply like any other: too many, another scheme, a body that cannot be made anew, or
	 * another origin while `unix_path` is set.
	 */
	unsigned redirects_max;
	/*
	 * Asks the server to change to this protocol (RFC 9110 7.8), a list of names as in Upgrade;
	 * without a body. NULL, the default: no.
	 */
	const char *upgrade;
	bool fresh; /* on a new connection, not on a kept one; false by default */
	/*
	 * Nothing is sent: the call ends with 0 when its connection is there, with TLS if that is
	 * asked for. Implies `fresh`; false by default.
	 */
	bool connect_only;
	/* Bytes of the reply's body; UINT64_MAX, the default: no bound. Not of a redirect's. */
	uint64_t body_max;
};

/* Sets every member to its default. The URL has none. */
WEIR_API void weir_http_call_options_init(struct weir_http_call_options *options);

/*
 * Starts a call, which is valid until end() is called or weir_http_call_cancel. Returns 0, or an
 * error after which no callback comes:
 *
 *   WEIR_E_SYNTAX  The URL, the method, a field or the name of a variable is malformed.
 *   -EINVAL        A field or CONNECT is refused, both bodies are set, or one with `upgrade`, the
 *                  path is too long, https is asked for without `tls`, or the request has a part
 *                  that FastCGI lacks.
 *   WEIR_E_LIMIT   Too many calls wait, or the head is larger than WEIR_HTTP_CLIENT_REQUEST_MAX.
 *   -ENOMEM
 */
WEIR_API int weir_http_call_start(struct weir_http_client *client,
        const struct weir_http_call_options *options, const struct weir_http_call_events *events,
        void *context, struct weir_http_call **ret);

/*
 * After upgraded(): sends the bytes of the producer, which becomes the connection's in any case.
 * Returns 0, or an error of weir_channel_push.
 */
WEIR_API int weir_http_call_send(struct weir_http_call *call, struct weir_producer *producer);

/*
 * Ends a call at any time, also from its callbacks, but not from end(). No callback comes any more.
 * Its connection is closed, and with it the producer of the request's body, in the next turn of the
 * loop. One with another protocol is closed when all that weir_http_call_send was given has left.
 */
WEIR_API void weir_http_call_cancel(struct weir_http_call *call);

/*
 * Pauses and resumes the reply's body: back-pressure on the server. A piece or trailer that is
 * complete already may still be reported, and so may the end. From head() on; pauses do not nest.
 */
WEIR_API void weir_http_call_pause(struct weir_http_call *call);
WEIR_API void weir_http_call_resume(struct weir_http_call *call);

WEIR_C_END

#endif
