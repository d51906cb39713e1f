/*
 * HTTP/1.1 (RFC 9110, 9112): a server whose requests are answered by handlers.
 *
 *   listener ──▶ site (by Host) ──▶ handler ─▶ handler ─▶ handler
 *                                   the first whose match() says yes handles the exchange
 *
 * An exchange is one request and its reply. A handler sees nothing of the connection: it looks at
 * the request, may receive its body, and replies once, now or later. Replies leave in the order of
 * the requests.
 *
 * Life cycle: handle(exchange) is called when the head is complete; the exchange is the handler's
 * until it has replied. If it has not when handle() returns, the request is copied, so that it
 * stays valid until the reply.
 */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/http_request.h>
#include <weir/producer.h>
#include <weir/server.h>
#include <weir/span.h>

struct weir_http_exchange;
struct weir_http_handler;
struct weir_log;
struct weir_http_server;
struct weir_peers;

/* -- handlers ---------------------------------------------------------------------------------- */

enum weir_http_target {
	WEIR_HTTP_TARGET_FILE, /* or nothing that is there yet */
	WEIR_HTTP_TARGET_DIRECTORY,
	WEIR_HTTP_TARGET_SITE, /* all paths together: `*`, or what CONNECT asks for */
};

struct weir_http_handler_type {
	const char *name;

	/* Whether this handler is for the request. NULL: for all. It must not reply. */
	bool (*match)(
	        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange);

	/* Replies, or sees to it that a reply will come. */
	void (*handle)(struct weir_http_handler *handler, struct weir_http_exchange *exchange);

	/* Frees the handler. NULL when there is nothing to free. */
	void (*destroy)(struct weir_http_handler *handler);

	/*
	 * The methods that the handler takes for the exchange's path, as bits 1 << enum
	 * weir_http_method, if the path stands for such a target. NULL: it names none.
	 */
	unsigned (*methods)(const struct weir_http_handler *handler,
	        const struct weir_http_exchange *exchange, enum weir_http_target target);
};

/* Embedded first in every handler. Made by any thread, used by one loop. */
struct weir_http_handler {
	const struct weir_http_handler_type *type;
	struct weir_http_handler *next; /* in its site's chain */
};

/* -- the request ------------------------------------------------------------------------------- */

WEIR_API const struct weir_http_request *weir_http_request(
        const struct weir_http_exchange *exchange);

/*
 * The request's path, percent-decoded once and cleaned: no leading '/', no empty, "." or ".."
 * segments, NUL-terminated; empty for "/". A path that leaves the root never gets here (400).
 */
WEIR_API struct weir_span weir_http_path(const struct weir_http_exchange *exchange);

/* The raw path ended in '/'. */
WEIR_API bool weir_http_path_is_directory(const struct weir_http_exchange *exchange);

/* A segment of the path begins with '.' (".well-known" excepted). */
WEIR_API bool weir_http_path_is_hidden(const struct weir_http_exchange *exchange);

WEIR_API struct weir_loop *weir_http_loop(const struct weir_http_exchange *exchange);
WEIR_API const struct weir_address *weir_http_peer(const struct weir_http_exchange *exchange);

/*
 * The request came over TLS; what was agreed on (weir/tls.h). False too when the client has gone.
 */
WEIR_API bool weir_http_tls(const struct weir_http_exchange *exchange, struct weir_tls_info *ret);

/* The client has gone: what is still being made is in vain. A reply is due all the same. */
WEIR_API bool weir_http_gone(const struct weir_http_exchange *exchange);

/*
 * Has `gone` called if the client goes before there is a reply, so that a handler that waits can
 * stop waiting. A reply is due then all the same, and `gone` may make it. Not called while the
 * handler receives the body: its receiver hears of the end. NULL: nothing is called any more.
 */
WEIR_API void weir_http_on_gone(
        struct weir_http_exchange *exchange, void (*gone)(void *context), void *context);

/* Who the client is, for the log and for handlers behind the one that found out. Copied. */
WEIR_API int weir_http_set_user(struct weir_http_exchange *exchange, struct weir_span user);
WEIR_API struct weir_span weir_http_user(const struct weir_http_exchange *exchange);

/*
 * WEIR_HTTP_SCRATCH bytes of the exchange's own for the handler it is with, so that handling need
 * not allocate. Not initialised; aligned for any type.
 */
WEIR_API void *weir_http_scratch(struct weir_http_exchange *exchange);

/*
 * Hands the exchange to the handlers behind `handler` in the chain, as authentication does that
 * says yes.
 */
WEIR_API void weir_http_next(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange);

/*
 * Adds the Allow field with all methods that the handlers of the exchange's site take for its path:
 * before a reply of 405 or 501, or to OPTIONS. 0 or an error of weir_http_add_field.
 */
WEIR_API int weir_http_allow(struct weir_http_exchange *exchange, enum weir_http_target target);

/* -- the request's body ------------------------------------------------------------------------ */

struct weir_http_receiver {
	/* The next bytes of the body, as they come. */
	void (*piece)(void *context, struct weir_span bytes);

	/* Called once, last: 0, the body is complete; else it never will be (-ECONNRESET, -ETIMEDOUT, WEIR_E_SYNTAX,
	 * WEIR_E_LIMIT), and an exchange without reply yet is answered as that asks for, by HTTP itself. */
	void (*end)(void *context, int error);
};

/* Whether a body is to come. */
WEIR_API bool weir_http_has_body(const struct weir_http_exchange *exchange);

/*
 * Lets the body come, `max` bytes at most; once, before the reply. A client that waits for
 * 100-continue is told to go on. 0, or WEIR_E_LIMIT: it says it is larger (reply with 413).
 * A body that nobody receives is read and dropped if it is small; else the connection ends.
 */
WEIR_API int weir_http_receive(struct weir_http_exchange *exchange,
        const struct weir_http_receiver *receiver, void *context, uint64_t max);

/*
 * Receives no more, as when it turns out to be in vain: end() is not called. To be followed by a
 * reply, with which the rest is treated as a body that nobody receives. Harmless when nothing is
 * being received.
 */
WEIR_API void weir_http_discard(struct weir_http_exchange *exchange);

/*
 * Stops and goes on receiving, as when the disk is slower than the client. Without effect once the
 * body has ended.
 */
WEIR_API void weir_http_pause(struct weir_http_exchange *exchange);
WEIR_API void weir_http_resume(struct weir_http_exchange *exchange);

/* -- the reply --------------------------------------------------------------------------------- */

/*
 * Adds a field to the reply; both are copied. 0, -ENOMEM, or WEIR_E_LIMIT beyond
 * WEIR_HTTP_REPLY_FIELDS_MAX bytes, or WEIR_E_SYNTAX: a character that must not stand there, or
 * WEIR_E_CLOSED: the exchange has been replied to.
 * Content-Length, Transfer-Encoding, Connection and Date are HTTP's own.
 */
WEIR_API int weir_http_add_field(
        struct weir_http_exchange *exchange, const char *name, struct weir_span value);

/*
 * Whole field lines ("Name: value\r\n…") that are lent, not copied, until `release(context)`, at
 * the end of the exchange. Once an exchange. After the reply they are released at once.
 */
WEIR_API void weir_http_lend_fields(struct weir_http_exchange *exchange, struct weir_span lines,
        void (*release)(void *context), void *context);

/*
 * Compresses the body on the fly if the client accepts gzip, which is the answer. Says in Vary that
 * it depends on that. Before the reply.
 */
WEIR_API bool weir_http_compress(struct weir_http_exchange *exchange);

/* Fields that follow a chunked body; see weir_produce_chunked. */
WEIR_API void weir_http_set_trailers(struct weir_http_exchange *exchange,
        size_t (*trailers)(void *context, char *text, size_t room), void *context);

/*
 * Replies, once. Returns 0, or WEIR_E_CLOSED if the exchange has been replied to already: its first
 * reply stands as it is, the body of the second is closed (WEIR_CLOSE_ABORTED). An exchange ends
 * when its reply has left, so no handler may keep a pointer to it beyond its reply.
 *
 * Takes the body in any case; NULL is a constructor's that had no memory, and becomes a 500. A body of known size goes with
 * Content-Length, another chunked or, for HTTP/1.0, up to the end of the connection. HEAD, 204 and
 * 304 send none.
 */
WEIR_API int weir_http_reply(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body);

/* Replies without a body. Errors of this and the two below are those of weir_http_reply. */
WEIR_API int weir_http_reply_empty(struct weir_http_exchange *exchange, unsigned status);

/* A reply of text; `type` is a media type. The text is copied. */
WEIR_API int weir_http_reply_text(struct weir_http_exchange *exchange, unsigned status,
        const char *type, struct weir_span text);

/* A small page that says what the status means. */
WEIR_API int weir_http_reply_error(struct weir_http_exchange *exchange, unsigned status);

/* -- sites and servers ------------------------------------------------------------------------- */

/* A virtual host. */
struct weir_http_site {
	const char *const *names; /* up to NULL: "example.org", "*.example.org"; borrowed */
	struct weir_http_handler *handlers;
	struct weir_http_site *next;
};

/*
 * A set of sites, swapped whole on a reload: the first site also is the default. Counted; the
 * exchanges in flight hold theirs. For one loop.
 */
struct weir_http_sites {
	struct weir_http_site *first;
	unsigned holds;
	/* Frees the sites, when the last hold is given back. */
	void (*destroy)(struct weir_http_sites *sites);
};

/* One hold more, and one less: the last destroys. On the loop's thread. NULL may be released. */
WEIR_API struct weir_http_sites *weir_http_sites_hold(struct weir_http_sites *sites);
WEIR_API void weir_http_sites_release(struct weir_http_sites *sites);

/*
 * The access log: the combined format, the time taken, and how the connection fared.
 *
 *   192.0.2.7 - alice [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/7.88" 0.004 +
 *
 * The size is that of the body's bytes that really were sent; the last character is X where the
 * client went before the end, + where the connection was kept, - where it was closed. Of a request
 * over TLS the version stands before the time: … "curl/7.88" TLSv1.3 0.004 +
 */
struct weir_http_options {
	struct weir_address address;
	struct weir_http_sites *sites; /* its hold is the server's now, also when creating fails */
	struct weir_log *log;      /* see above, and weir/log.h; outlives the server; NULL: none */
	struct weir_bounds bounds; /* 0: the defaults */
	/*
	 * Bounds the connections of one address (weir/peers.h): one beyond is closed at once. The server
	 * holds it itself. NULL: no bound.
	 */
	struct weir_peers *peers;
	struct weir_tls *tls; /* HTTPS, or NULL; the server holds it itself */
	bool shared;          /* SO_REUSEPORT */
	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	void *context; /* for these two */
};

WEIR_API int weir_http_create(struct weir_loop *loop, const struct weir_http_options *options,
        struct weir_http_server **ret);

/* From the next request on; takes the hold. */
WEIR_API void weir_http_set_sites(struct weir_http_server *server, struct weir_http_sites *sites);

WEIR_API struct weir_server *weir_http_listener(struct weir_http_server *server);

/* Closes all connections. NULL is allowed. */
WEIR_API void weir_http_destroy(struct weir_http_server *server);

/*
 * Sites of one site with one chain of handlers, for programs; names is everything. Takes the
 * handlers in any case. NULL without memory.
 */
WEIR_API struct weir_http_sites *weir_http_sites_create(struct weir_http_handler *handlers);

/*
 * Puts the chain `second` behind the chain `first`, and returns the whole. Takes both in any case:
 * given NULL for one it destroys the other and returns NULL. So constructors nest as producers do,
 * and only the outermost result needs a check:
 *
 *   options.sites = weir_http_sites_create(
 *           weir_http_chain(weir_http_basic_auth_create(users, "notes", "admin"),
 *                   weir_http_chain(weir_http_routes_create(routes, count, NULL),
 *                           weir_http_files_create(tree, &files))));
 */
WEIR_API struct weir_http_handler *weir_http_chain(
        struct weir_http_handler *first, struct weir_http_handler *second);

/* Destroys all handlers of a chain. */
WEIR_API void weir_http_handlers_destroy(struct weir_http_handler *first);

/* -- handlers that ship: see also weir/http_routes.h -------------------------------------------- */

/*
 * Calls `handle(context, exchange)` for every path that begins with `prefix` (as "api/"; "" is
 * all). Text is borrowed.
 */
WEIR_API struct weir_http_handler *weir_http_function_create(const char *prefix,
        void (*handle)(void *context, struct weir_http_exchange *exchange), void *context);

#endif
