/*
 * The client from the inside, for the files of this folder:
 *
 *   client.c             the pool: origins, connections, waiting calls; the memory of calls
 *   client_connect.c     the opening of a connection: the addresses of a host
 *   client_window.c      how much a server may send ahead
 *   client_connection.c  one connection: TLS, the reader's callbacks
 *   client_time.c        its time limits
 *   client_call.c        a call: its start and end, retries, redirects
 *   client_request.c     the head and the body that are sent
 *   client_fastcgi.c     the head that is sent to an application by FastCGI
 *   client_url.c         URLs
 *   reply_reader.c       the reply
 *   fastcgi_reader.c     its records, of FastCGI; fastcgi_record.c those of the request
 *   cgi_head.c           the head in them
 *
 * Calls get connections in http_client_dispatch alone, which the loop runs: so no callback of a
 * call comes from within a function of the API, and bytes behind a reply are seen before the
 * connection is used again.
 */
#ifndef HTTP_CLIENT_STATE_H
#define HTTP_CLIENT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/buffer.h>
#include <weir/channel.h>
#include <weir/http_client.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/resolver.h>

#include "client_url.h"
#include "fastcgi_reader.h"
#include "reply_reader.h"

/* A server: the connections to it are interchangeable. Freed with the last reference. */
struct http_origin {
	struct weir_list link; /* in client->origins */
	struct weir_list idle; /* kept connections; the last one was used last */
	unsigned references;   /* connections and calls */
	unsigned connections;
	bool tls;
	bool fastcgi;
	uint16_t port;
	const char *host;      /* without brackets; in `text` */
	const char *unix_path; /* in `text`; NULL: none */
	char text[];           /* the name: http://host:port */
};

enum {
	HTTP_CLIENT_SPARE_MAX = 32,        /* calls */
	HTTP_CLIENT_SPARE_SIZE_MAX = 4096, /* bytes of the buffers of each */
};

struct weir_http_client {
	struct weir_loop *loop;
	struct weir_http_client_options options;
	struct weir_resolver *resolver; /* of the options, or of its own; NULL: not needed yet */
	struct weir_list origins;
	struct weir_list connections; /* those that are idle in the order in which they became so */
	struct weir_list calls;
	struct weir_list waiting; /* calls without a connection, in the order of their start */
	struct weir_list spare;   /* calls that have ended; the next ones use their buffers again */
	unsigned connection_count;
	unsigned idle_count;
	unsigned waiting_count;
	unsigned spare_count;
	struct weir_task task; /* runs http_client_dispatch */
};

/*
 *   RESOLVING ─▶ CONNECTING ─▶ BUSY ◀─▶ IDLE
 *        └────────────┴─────────┴────────┴─▶ CLOSING: only the channel's close() is left
 */
enum http_connection_state {
	HTTP_CONNECTION_RESOLVING,
	HTTP_CONNECTION_CONNECTING, /* with TLS: up to the end of the handshake */
	HTTP_CONNECTION_BUSY,
	HTTP_CONNECTION_IDLE,
	HTTP_CONNECTION_CLOSING,
};

/* How much of a reply that nobody takes the kernel may have waiting; see client_window.c. */
enum http_window {
	HTTP_WINDOW_FIRST,
	HTTP_WINDOW_TAKEN,
	HTTP_WINDOW_OPEN,
};

/*
 * A connection to one address that is being opened. Once it is open, it is the connection's; all
 * others end without it.
 */
struct http_client_attempt {
	struct http_client_connection *connection; /* NULL: it is of no use any more */
	struct weir_channel *channel;
	struct weir_list link; /* in connection->attempts, until it is open */
};

struct http_client_connection {
	struct weir_loop *loop;
	struct weir_http_client *client; /* NULL: it was destroyed */
	struct http_origin *origin;      /* NULL with the client */
	struct weir_list link;           /* in client->connections */
	struct weir_list idle_link;      /* in origin->idle */
	enum http_connection_state state;
	struct weir_http_call *call;  /* NULL: idle, or the call has ended */
	struct weir_list attempts;    /* to open the channel */
	struct weir_channel *channel; /* NULL: not open yet, or closed */
	struct http_reader reader;
	struct fastcgi_reader *fastcgi; /* in front of `reader`; NULL: HTTP */
	struct weir_timer timer;        /* of the state */
	struct weir_resolving *resolving;
	struct weir_address addresses[WEIR_HTTP_CLIENT_ADDRESSES_MAX];
	unsigned address_count;
	unsigned address_next; /* the one to try next */
	bool reused;           /* it has had a reply before */
	bool sent;             /* all of the request was taken */
	bool paused;           /* the reply's body was, since the timer began */
	bool insecure;         /* the TLS handshake failed, see `why` */
	bool lags;             /* the receiver of the reply takes less than comes */
	enum http_window window;
	uint64_t sent_at_close;     /* bytes, once the channel is closed */
	uint64_t sent_before;       /* bytes, when the request began */
	uint64_t head_size;         /* bytes of the request's head */
	struct weir_producer *body; /* of the request, as it is sent; NULL: none, or it has left */
	uint64_t mark;              /* bytes both ways, when the timer began */
	uint64_t body_mark;         /* bytes of the reply's body then */
	int64_t body_size;          /* of the request; -1: unknown */
	char why[256];
};

/* The server's connection has input, or its end, and is paused: see http_call_splice. */
typedef void http_call_readable_fn(void *context);

struct weir_http_call {
	struct weir_http_client *client;
	struct weir_list link; /* in client->calls */
	struct weir_list waiting_link;
	struct http_origin *origin;
	struct http_client_connection *connection; /* NULL: it waits */
	const struct weir_http_call_events *events;
	void *context;
	struct weir_timer timer; /* for a connection, or for 100 (Continue) */

	struct weir_buffer url; /* with a NUL */
	struct http_url target; /* spans of `url` */
	struct weir_buffer method;
	struct weir_buffer host;      /* the field, for the first origin alone; empty: the URL's */
	struct weir_buffer unix_path; /* with a NUL, or empty */
	struct weir_buffer fields;    /* whole lines, without those below; or the pairs of PARAMS */
	struct weir_buffer credentials; /* for the first origin alone */
	struct weir_buffer content;     /* of the body: Content-Type and so on */
	struct weir_buffer upgrade;     /* the value of the field, or empty */
	struct weir_buffer next_url;    /* of the redirect that is followed; with a NUL */

	struct weir_producer *body; /* not sent yet, or NULL */
	weir_http_make_body_fn *make_body;
	void *make_body_context;
	weir_trailers_fn *trailers;
	void *trailers_context;
	bool has_body;
	bool has_uri; /* REQUEST_URI is among the variables of its caller */
	bool expect_continue;
	unsigned redirects_left;
	uint64_t body_max;

	http_call_readable_fn *readable; /* the reply's body is spliced; or NULL */
	struct weir_producer *held_body; /* waits for 100 (Continue) */
	bool following;                  /* the reply is a redirect: its body is dropped */
	bool to_get;                     /* it changes the method */
	bool fresh;                      /* the request is sent again: on a new connection */
	bool connect_only;               /* it ends when it has a connection */
	bool retried;
	bool head_came;
	bool upgraded; /* the connection has another protocol */
	bool begun;    /* a byte of the reply came */
	bool sent;     /* a byte of the request was taken */
	bool kept;     /* the connection that failed was used before */
	bool paused;
	uint32_t app_status; /* of FastCGI */
};

/* -- client.c ---------------------------------------------------------------------------------- */

/* Has the waiting calls looked at, by the loop. */
void http_client_schedule(struct weir_http_client *client);

/* Finds or makes the origin of the call's target, and references it. Returns 0 or -ENOMEM. */
int http_client_find_origin(struct weir_http_call *call);
void http_origin_release(struct http_origin *origin);

/* The call waits for a connection; `first`: before all others. */
void http_client_enqueue(struct weir_http_call *call, bool first);
void http_client_dequeue(struct weir_http_call *call);

/*
 * Makes an empty call, whose buffers may have room. Returns NULL without memory. The other one
 * frees what a call has allocated, or retains it for the next call.
 */
struct weir_http_call *http_client_take_call(struct weir_http_client *client);
void http_client_put_call(struct weir_http_call *call);

/* The client's resolver. Returns 0 or an error of weir_resolver_create. */
int http_client_get_resolver(struct weir_http_client *client);

/* -- client_connect.c -------------------------------------------------------------------------- */

/* Opens a connection for the call, or returns an error without one. */
int http_client_connection_open(struct weir_http_call *call);

/*
 * Connects to the next address, beside attempts that are under way. Returns 0, or `error` or a
 * later one if there is none.
 */
int http_client_connect_next(struct http_client_connection *connection, int error);

/* The attempt has a connection: the others end. */
void http_client_attempt_opened(struct http_client_attempt *attempt);
/* The attempt has failed. Continues with the next address, or fails the connection. */
void http_client_attempt_failed(struct http_client_attempt *attempt, int error);
/* Ends all attempts; their channels close later. */
void http_client_attempts_end(struct http_client_connection *connection);
/* The time of the last attempt is over. */
void http_client_attempts_expire(struct http_client_connection *connection);

/* -- client_window.c --------------------------------------------------------------------------- */

/* Returns the window that a new connection begins with, in bytes; 0: as the kernel decides. */
unsigned http_client_window_first(struct http_client_connection *connection);

/* Bytes of the reply's body have come: lets the kernel choose the window, if they are many. */
void http_client_window_taken(struct http_client_connection *connection);

/*
 * Before a paused body is resumed: whether its receiver lags. It need not find that out unless
 * http_call_wants_pace.
 */
bool http_call_wants_pace(const struct weir_http_call *call);
void http_call_set_pace(struct weir_http_call *call, bool lags);

/* -- client_time.c ----------------------------------------------------------------------------- */

/* The time limit of the connection's state begins now. */
void http_client_start_timer(struct http_client_connection *connection);

/* -- client_connection.c ----------------------------------------------------------------------- */

extern const struct weir_protocol http_client_protocol;
extern const struct http_reader_type http_client_reader_type;

/* The application has written to its error stream. */
fastcgi_text_fn http_client_connection_on_error_text;

/* Frees a connection that has no channel (any more). */
void http_client_connection_free(struct http_client_connection *connection);

/* Returns whether an idle connection may be used: no byte and no end came. */
bool http_client_connection_quiet(const struct http_client_connection *connection);

/* Gives an idle connection to the call, which is sent. */
void http_client_connection_use(
        struct http_client_connection *connection, struct weir_http_call *call);

/* Closes it at once, without a callback of its call. */
void http_client_connection_abandon(struct http_client_connection *connection);

/* Closes it at once; the client forgets the connection, since it is being destroyed. */
void http_client_connection_orphan(struct http_client_connection *connection);

/* Closes one with another protocol when all has left, without a callback of its call. */
void http_client_connection_release(struct http_client_connection *connection);

/* Closes an idle one in an orderly way. */
void http_client_connection_retire(struct http_client_connection *connection);

/* Ends the connection; its call fails with `error`, or is tried again. */
void http_client_connection_fail(struct http_client_connection *connection, int error);

/* -- client_request.c -------------------------------------------------------------------------- */

/* Stores the method and the fields. Returns 0 or an error of weir_http_call_start. */
int http_call_set_request(
        struct weir_http_call *call, const struct weir_http_call_options *options);

/* Returns whether a second time has the effect of one (RFC 9110 9.2.2). */
bool http_call_is_idempotent(const struct weir_http_call *call);
bool http_call_is_head(const struct weir_http_call *call);

/* The redirect turns the request into a GET without a body. Returns 0 or -ENOMEM. */
int http_call_become_get(struct weir_http_call *call);

/* Does so for FastCGI. */
int http_call_set_params(struct weir_http_call *call, const struct weir_http_call_options *options);
int http_call_put_params(
        const struct weir_http_call *call, struct weir_buffer *head, int64_t body_size);

/* A field's name and value can be passed on. */
bool http_call_field_is_good(const struct weir_http_field *field);

/* Returns whether the client sends this field itself. */
bool http_call_field_is_own(const struct weir_http_field *field);

/* A request of one of these methods has content, if only an empty one (RFC 9110 8.6). */
bool http_call_expects_content(const struct weir_http_call *call);

/* Sends the head and, unless it waits for 100, the body. Returns 0 or a negative errno. */
int http_call_send(struct weir_http_call *call);

/* Sends the body that has waited for 100. Without effect if there is none. */
void http_call_continue(struct weir_http_call *call);

/* -- client_call.c ----------------------------------------------------------------------------- */

/* The connection's events. The call may be freed by each of them. */
void http_call_on_interim(struct weir_http_call *call, const struct weir_http_reply_head *head);
void http_call_on_head(struct weir_http_call *call, struct weir_http_reply_head *head);
void http_call_on_piece(struct weir_http_call *call, struct weir_span bytes);
void http_call_on_trailer(struct weir_http_call *call, const struct weir_http_field *field);
void http_call_on_error_text(struct weir_http_call *call, struct weir_span bytes);
/* 101: returns whether the call has asked for this protocol. */
bool http_call_accepts_upgrade(
        const struct weir_http_call *call, const struct weir_http_reply_head *head);
void http_call_on_upgrade(struct weir_http_call *call, const struct weir_http_reply_head *head);
/* The reply is complete; the call has no connection any more. */
void http_call_on_reply(struct weir_http_call *call);

/*
 * The call has no connection any more. `unused`: a kept connection was closed, and the request may
 * be sent again by the rule of the header.
 */
void http_call_on_failure(struct weir_http_call *call, int error, const char *text, bool unused);

/*
 * Moves at most `size` bytes of the reply's body from the socket to the end of an empty pipe, past
 * piece(). Returns how many; -EAGAIN if there are none now: readable() is called, with the context
 * of the call, when there are; or another negative errno if these bytes cannot be spliced: piece()
 * has them then, and the end of the reply comes as ever.
 */
ssize_t http_call_splice(
        struct weir_http_call *call, int pipe, size_t size, http_call_readable_fn *readable);

/* The rest of the body goes to piece(). Without effect if it does. */
void http_call_splice_end(struct weir_http_call *call);

/* Frees the call, without a callback. Its connection is closed. */
void http_call_free(struct weir_http_call *call);

#endif
