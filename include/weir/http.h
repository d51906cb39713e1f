/*
 * HTTP/1.1 and HTTP/2 (RFC 9110, 9112, 9113): a server whose requests are answered by handlers.
 *
 *   listener ──▶ site (by Host) ──▶ handler ─▶ handler ─▶ handler
 *                                   the first whose match() returns true handles the exchange
 *
 * An exchange is one request and its reply. A handler does not see the connection, nor the version
 * of HTTP: it reads the request, may receive its body, and replies once, now or later. With
 * HTTP/1.1 replies leave in the order of the requests. With HTTP/2 each has a stream of its own,
 * and they leave by the client's priorities (RFC 9218).
 *
 * Pipelining of HTTP/1.1: safe requests are handled side by side. A request whose method is not
 * safe is handled alone: after all earlier ones of its connection have been replied to, and before
 * all later ones begin (RFC 9112 9.3.2).
 *
 * Life cycle: handle(exchange) is called when the head is complete, and the exchange is the
 * handler's until its reply. A handler that returns without a reply may use the request until it
 * replies, since the request is copied then.
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
#include <weir/sources.h>
#include <weir/span.h>
#include <weir/transformers.h>

WEIR_C_BEGIN

struct weir_http_exchange;
struct weir_http_handler;
struct weir_log;
struct weir_http_server;
struct weir_peers;

/* -- handlers ---------------------------------------------------------------------------------- */

enum weir_http_target {
	WEIR_HTTP_TARGET_FILE, /* a file, which may not exist yet */
	WEIR_HTTP_TARGET_DIRECTORY,
	WEIR_HTTP_TARGET_SITE, /* all paths together: `*` of OPTIONS, the target of CONNECT */
};

struct weir_http_handler_type {
	const char *name;

	/*
	 * Returns whether the handler handles the request. It must not reply. NULL: it handles all.
	 */
	bool (*match)(
	        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange);

	/* Replies, or arranges for a later reply. */
	void (*handle)(struct weir_http_handler *handler, struct weir_http_exchange *exchange);

	/* Frees the handler. NULL: there is nothing to free. */
	void (*destroy)(struct weir_http_handler *handler);

	/*
	 * Returns the methods that the handler accepts for the exchange's path, if the path is such
	 * a target, as bits 1 << enum weir_http_method. NULL: none.
	 */
	unsigned (*methods)(const struct weir_http_handler *handler,
	        const struct weir_http_exchange *exchange, enum weir_http_target target);

	/* Files that a rule has found to be there are served instead (weir/http_rules.h). */
	bool behind_files;
};

/* Handles an exchange as `handle` above does, for handlers that are functions of a program. */
typedef void weir_http_handle_fn(void *context, struct weir_http_exchange *exchange);

/* Embedded first in every handler. Any thread may make one; one loop uses it. */
struct weir_http_handler {
	const struct weir_http_handler_type *type;
	struct weir_http_handler *next; /* in its site's chain */
};

/* -- the request ------------------------------------------------------------------------------- */

WEIR_API const struct weir_http_request *weir_http_request(
        const struct weir_http_exchange *exchange);

/*
 * Returns the request's path, percent-decoded once and normalized: without a leading '/' and
 * without segments that are empty, "." or ".."; NUL-terminated; empty for "/". A path that leads
 * out of the root is refused with 400 before.
 */
WEIR_API struct weir_span weir_http_path(const struct weir_http_exchange *exchange);

/* Returns whether the raw path ends in '/'. */
WEIR_API bool weir_http_path_is_directory(const struct weir_http_exchange *exchange);

/* Returns whether a segment of the path begins with '.', except for ".well-known". */
WEIR_API bool weir_http_path_is_hidden(const struct weir_http_exchange *exchange);

WEIR_API struct weir_loop *weir_http_loop(const struct weir_http_exchange *exchange);
WEIR_API const struct weir_address *weir_http_peer(const struct weir_http_exchange *exchange);

/*
 * Returns whether the request came over TLS, and in *ret the result of the handshake (weir/tls.h).
 * False also when the client has gone.
 */
WEIR_API bool weir_http_tls(const struct weir_http_exchange *exchange, struct weir_tls_info *ret);

/*
 * Returns whether the client has gone, so that the reply is not sent. A reply must be made all the
 * same.
 */
WEIR_API bool weir_http_gone(const struct weir_http_exchange *exchange);

/*
 * The client has gone before there is a reply, so that a handler can stop waiting. A reply must be
 * made all the same, and may be made here.
 */
typedef void weir_http_gone_fn(void *context);

/*
 * Has `gone` called if the client goes before there is a reply; NULL: nothing is called any more.
 * It is not called while a body is being received, since the receiver's end() is called instead.
 */
WEIR_API void weir_http_on_gone(
        struct weir_http_exchange *exchange, weir_http_gone_fn *gone, void *context);

/* The user that the request is from, for the log and for later handlers. Copied. */
WEIR_API int weir_http_set_user(struct weir_http_exchange *exchange, struct weir_span user);
WEIR_API struct weir_span weir_http_user(const struct weir_http_exchange *exchange);

/*
 * Returns WEIR_HTTP_SCRATCH bytes in the exchange for its handler, so that handling need not
 * allocate. They are not initialised, and aligned for any type.
 */
WEIR_API void *weir_http_scratch(struct weir_http_exchange *exchange);

/*
 * Passes the exchange on to the handlers behind `handler` in the chain, as authentication does
 * after a right password.
 */
WEIR_API void weir_http_next(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange);

/*
 * Adds the Allow field with all methods that the handlers of the exchange's site accept for its
 * path: before a reply with 405 or 501, or to OPTIONS. Returns 0 or an error of
 * weir_http_add_field.
 */
WEIR_API int weir_http_allow(struct weir_http_exchange *exchange, enum weir_http_target target);

/* -- the request's body ------------------------------------------------------------------------ */

struct weir_http_receiver {
	/* Called with the next bytes of the body, as they come. */
	void (*piece)(void *context, struct weir_span bytes);

	/*
	 * Called once, last. `error` is 0 if the body is complete. With -ECONNRESET, -ETIMEDOUT,
	 * WEIR_E_SYNTAX or WEIR_E_LIMIT it will never be; if there is no reply when this returns,
	 * HTTP replies by itself.
	 */
	void (*end)(void *context, int error);

	/*
	 * Of another protocol (weir_http_upgrade): the server is draining, so that it should end
	 * soon. It may be called more than once. NULL: it goes on until the drain aborts it.
	 */
	void (*draining)(void *context);
};

/* Returns whether a body is to come. */
WEIR_API bool weir_http_has_body(const struct weir_http_exchange *exchange);

/*
 * Lets the body come, `max` bytes at most; once, before the reply. A client that waits for
 * 100-continue is asked to continue. Returns 0; or WEIR_E_LIMIT if the request announces a larger
 * body, to be replied to with 413; or WEIR_E_CLOSED if the exchange has been replied to, or its
 * body received, already. After an error the receiver is never called. A body that nobody receives
 * is read and dropped if it is small; else the connection ends.
 */
WEIR_API int weir_http_receive(struct weir_http_exchange *exchange,
        const struct weir_http_receiver *receiver, void *context, uint64_t max);

/*
 * A field of the request's trailer section (RFC 9110 6.5), before the receiver's end(). Without
 * such a function they are dropped.
 */
typedef void weir_http_trailer_fn(void *context, const struct weir_http_field *field);

/* Has `trailer` called with the context of the receiver. Before weir_http_receive. */
WEIR_API void weir_http_on_trailer(
        struct weir_http_exchange *exchange, weir_http_trailer_fn *trailer);

/*
 * Has the body read by WEIR_RECEIVE_SMALL_SIZE bytes at a time, for a receiver that copies it.
 * Before weir_http_receive.
 */
WEIR_API void weir_http_receive_small(struct weir_http_exchange *exchange);

/*
 * Stops receiving: end() is not called. A reply must follow, after which the rest of the body is
 * treated as one that nobody receives. Harmless when nothing is being received.
 */
WEIR_API void weir_http_discard(struct weir_http_exchange *exchange);

/*
 * Pauses receiving, and resumes it: back-pressure on the client, as when the disk is slower.
 * Without effect once the body has ended.
 */
WEIR_API void weir_http_pause(struct weir_http_exchange *exchange);
WEIR_API void weir_http_resume(struct weir_http_exchange *exchange);

/* -- the reply --------------------------------------------------------------------------------- */

/*
 * Adds a field to the reply; name and value are copied. HTTP adds Content-Length,
 * Transfer-Encoding, Connection and Date by itself. Returns 0, or an error with nothing added:
 *
 *   WEIR_E_SYNTAX  A character is not allowed there.
 *   WEIR_E_LIMIT   The fields would be larger than WEIR_HTTP_REPLY_FIELDS_MAX.
 *   WEIR_E_CLOSED  The exchange has been replied to.
 *   -ENOMEM
 */
WEIR_API int weir_http_add_field(
        struct weir_http_exchange *exchange, const char *name, struct weir_span value);

/*
 * Lends whole field lines ("Name: value\r\n") to the reply, once for each exchange. They must not
 * change until `release` is called, at the end of the exchange; after the reply it is called at
 * once. It may be NULL.
 */
WEIR_API void weir_http_lend_fields(struct weir_http_exchange *exchange, struct weir_span lines,
        weir_release_fn *release, void *context);

/*
 * Sends an interim reply (RFC 9110 15.2), such as 103 (RFC 8297), before the reply. A client of
 * HTTP/1.0 is not sent any. Returns 0, or an error with nothing sent:
 *
 *   -EINVAL        The status is not 102 to 199: 100 is sent by itself, 101 is no interim reply.
 *   WEIR_E_SYNTAX  A character is not allowed there.
 *   WEIR_E_LIMIT   More than WEIR_HTTP_INTERIM_MAX bytes would wait to be sent.
 *   WEIR_E_CLOSED  The exchange has been replied to, or the client has gone.
 *   -ENOMEM
 */
WEIR_API int weir_http_interim(struct weir_http_exchange *exchange, unsigned status,
        const struct weir_http_field *fields, unsigned field_count);

/*
 * Adds a field to the log's line of the exchange, before the end of the reply. `key` is a word of
 * at most 24 characters; the value is escaped, and ends at a NUL. Does nothing if no line will be
 * written. Returns 0, -ENOMEM, or WEIR_E_LIMIT if there would be more than WEIR_HTTP_LOG_NOTES_MAX
 * bytes.
 */
WEIR_API int weir_http_log_note(
        struct weir_http_exchange *exchange, const char *key, struct weir_span value);
WEIR_API int weir_http_log_note_number(
        struct weir_http_exchange *exchange, const char *key, uint64_t number);

/*
 * Has the body compressed on the fly if the client accepts gzip, and adds Vary. Before the reply.
 * Returns whether it will be compressed.
 */
WEIR_API bool weir_http_compress(struct weir_http_exchange *exchange);

struct weir_http_compression {
	bool zstd;      /* if the client does not prefer gzip, and weir_zstd_has_room */
	unsigned level; /* as weir_produce_gzip_level */
};

/* Does so by gzip or zstd. */
WEIR_API bool weir_http_compress_with(
        struct weir_http_exchange *exchange, const struct weir_http_compression *how);

/*
 * Sets the fields that follow the body of the reply, over HTTP/1.1 and HTTP/2. A client of HTTP/1.0
 * gets none, and neither does a reply without a body.
 */
WEIR_API void weir_http_set_trailers(
        struct weir_http_exchange *exchange, weir_trailers_fn *trailers, void *context);

/*
 * Replies, once. Returns 0, or WEIR_E_CLOSED if the exchange has been replied to: the first reply
 * is sent unchanged, and the body of the second is closed with WEIR_CLOSE_ABORTED. An exchange ends
 * when its reply has left, so no handler may use it after its reply.
 *
 * The body becomes the exchange's in any case. NULL, the result of a constructor without memory,
 * becomes a 500. A body of known size is sent with Content-Length; another one chunked or, for
 * HTTP/1.0, up to the end of the connection. The replies to HEAD, and those with 204 and 304, are
 * sent without a body.
 */
WEIR_API int weir_http_reply(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body);

/* Replies without a body. This and the two below return as weir_http_reply. */
WEIR_API int weir_http_reply_empty(struct weir_http_exchange *exchange, unsigned status);

/* Replies with text, which is copied; `type` is a media type. */
WEIR_API int weir_http_reply_text(struct weir_http_exchange *exchange, unsigned status,
        const char *type, struct weir_span text);

/* Replies with a small page that names the status. */
WEIR_API int weir_http_reply_error(struct weir_http_exchange *exchange, unsigned status);

/*
 * Changes the protocol of the connection (RFC 9110 7.8): replies with 101 and `protocol`, the value
 * of Upgrade. From then on the receiver gets what the client sends, and `output` is sent as it is:
 * both are the connection's own bytes. `end` is called at the end of the client's input, unless
 * `output` was closed before. The connection ends with `output`, which becomes the exchange's in
 * any case. Over HTTP/2 the reply is 200, and all this holds for the stream (RFC 8441).
 *
 * Returns 0; WEIR_E_CLOSED if the exchange has been replied to or the client has gone; -EINVAL if
 * the request does not ask for it, has a body, or is the last of its connection; -ENOMEM for
 * `output` of NULL; or an error of weir_http_add_field. After an error a reply is still to be made.
 */
WEIR_API int weir_http_upgrade(struct weir_http_exchange *exchange, struct weir_span protocol,
        const struct weir_http_receiver *receiver, void *context, struct weir_producer *output);

/* Returns whether weir_http_upgrade is possible: the client asks for another protocol. */
WEIR_API bool weir_http_may_upgrade(const struct weir_http_exchange *exchange);

/* -- sites and servers ------------------------------------------------------------------------- */

/* A virtual host. */
struct weir_http_site {
	const char *const *names; /* up to NULL: "example.org", "*.example.org"; borrowed */
	struct weir_http_handler *handlers;
	struct weir_http_site *next;
	struct http_cells *cells; /* the library's own: what is counted; NULL at first */
	/* Whether the lines of its requests go to `log` instead of the server's log. */
	bool own_log;
	struct weir_log *log; /* outlives the servers of the site; NULL: no lines */
};

/*
 * A set of sites for one loop, which a reload replaces as a whole. Its first site is the default
 * for other names, too. The set is counted, since exchanges in flight use the set that they began
 * with.
 */
struct weir_http_sites {
	struct weir_http_site *first;
	unsigned holds; /* references */
	/* Frees the sites when the last reference is released. */
	void (*destroy)(struct weir_http_sites *sites);
};

/*
 * Adds a reference, and releases one; the last destroys the set. On the loop's thread. NULL may be
 * released.
 */
WEIR_API struct weir_http_sites *weir_http_sites_hold(struct weir_http_sites *sites);
WEIR_API void weir_http_sites_release(struct weir_http_sites *sites);

/*
 * Begin with weir_http_options_init.
 *
 * The access log is in the combined format, with the seconds taken, the end of the connection, the
 * site and the ID of the request behind it.
 *
 *   192.0.2.7 - alice [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 512
 *           "-" "curl/7.88" 0.004 + "example.org" 5ec0ffee00000001
 *
 * The status is 499 if the client went before there was a reply. The size is the number of the
 * body's bytes that were sent. The time is followed by X if the client went before the end, + if
 * the connection stays open, - if it was closed. For a request over TLS the version precedes the
 * time: "curl/7.88" TLSv1.3 0.004 + "example.org" 5ec0ffee00000001
 *
 * The site is the first of its names, or - if it has none, or if no request was understood. The ID
 * is in all lines of a request, in any form. Notes of handlers follow (weir_http_log_note):
 * upstream="127.0.0.1:3000".
 *
 * The reason why input is malformed replaces the request line, or follows it if only the body is
 * malformed: "PUT /f HTTP/1.1 malformed: not the size of a chunk: xyz". Up to WEIR_HTTP_FAULT_MAX
 * bytes of the input are shown, escaped. A body that is malformed after the reply has a line of its
 * own.
 */
struct weir_http_options {
	struct weir_listener listener; /* over its `peers`, a connection is closed at once */
	struct weir_http_sites *sites; /* the reference becomes the server's, also on failure */
	/*
	 * Whether a client may begin with HTTP/2 without asking (RFC 9113 3.3): in clear, or over
	 * TLS without ALPN. False by default. Where TLS negotiates "h2" (`alpn` of
	 * weir_tls_options), HTTP/2 is spoken in any case.
	 */
	bool http2_prior_knowledge;
	/*
	 * Whether streams of HTTP/2 may become tunnels (RFC 8441), such as WebSockets. A handler
	 * sees such a request as the GET with Upgrade that it would be with HTTP/1.1, but without
	 * Sec-WebSocket-Key. If it replies with 2xx and not by weir_http_upgrade, the client gets
	 * 501. False by default: browsers then open a connection of HTTP/1.1 for each WebSocket.
	 */
	bool http2_extended_connect;
	/* See above, and weir/log.h. Outlives the server. NULL, the default: none. */
	struct weir_log *log;
};

/* Calls weir_listener_init and sets the rest to NULL. The sites have no default. */
WEIR_API void weir_http_options_init(struct weir_http_options *options);

/*
 * Listens and serves. Returns 0; -ENOMEM, also for sites of NULL, which are what a constructor
 * returns without memory; or an error of weir_server_create.
 */
WEIR_API int weir_http_create(struct weir_loop *loop, const struct weir_http_options *options,
        struct weir_http_server **ret);

/* Replaces the sites from the next request on. The reference becomes the server's. */
WEIR_API void weir_http_set_sites(struct weir_http_server *server, struct weir_http_sites *sites);

/* Changes `http2_prior_knowledge` for the connections that begin from now on. */
WEIR_API void weir_http_set_prior_knowledge(struct weir_http_server *server, bool allowed);

WEIR_API struct weir_server *weir_http_listener(struct weir_http_server *server);

/* Closes all connections. NULL is allowed. */
WEIR_API void weir_http_destroy(struct weir_http_server *server);

/*
 * Makes a set of one site, for all names, with one chain of handlers. The chain becomes the set's,
 * and is destroyed if there is no memory: NULL is returned then.
 */
WEIR_API struct weir_http_sites *weir_http_sites_create(struct weir_http_handler *handlers);

/*
 * Appends the chain `second` to the chain `first`, and returns the whole. If one is NULL, it
 * destroys the other and returns NULL. So constructors nest, and only the outermost result needs a
 * check:
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

/* -- handlers that ship: see also weir/http_routes.h ------------------------------------------- */

/*
 * Makes a handler that calls `handle(context, exchange)` for every path that begins with `prefix`,
 * as "api/"; "" is all. The text is borrowed.
 */
WEIR_API struct weir_http_handler *weir_http_function_create(
        const char *prefix, weir_http_handle_fn *handle, void *context);

WEIR_C_END

#endif
