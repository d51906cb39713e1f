/*
 * An exchange from the inside, for the files of HTTP's core:
 *
 *   connection.c  the requests of one HTTP/1.1 connection: head, body, the next head
 *   head_reader.c how such a connection reads a head
 *   body_reader.c how it reads a body
 *   dispatch.c    from a request to its site and handlers
 *   exchange.c    an exchange's life and states
 *   forwarder.c   the client of a request that a trusted forwarder passes on
 *   request.c     what handlers ask of the request
 *   body.c        how the request's body is received
 *   reply.c       what handlers reply
 *   response.c    the reply as a producer: 100, head, body
 *   upgrade.c     another protocol on the connection or stream
 *   log.c         the lines of the access log
 *   http_metrics.c  what is counted of it
 *   server.c      listeners, sites, the choice of the site
 *
 * Three parties use an exchange: the reply queue, the body's receiver, and the handler. It is freed
 * when the reply has been closed, no body is to come, and no handler or receiver is being called.
 */
#ifndef WEIR_HTTP_EXCHANGE_H
#define WEIR_HTTP_EXCHANGE_H

#include <assert.h>

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/limits.h>
#include <weir/log.h>
#include <weir/loop.h>

#include "fields.h"
#include "head.h"
#include "http_metrics.h"
#include "path.h"
#include "refcount.h"

/* The status line of 200, and the field line of the date behind it: made once a second. */
#define STATUS_LINE_200 "HTTP/1.1 200 OK\r\n"
#define STATUS_LINE_200_SIZE (sizeof STATUS_LINE_200 - 1)
#define OPENING_SIZE (sizeof STATUS_LINE_200 "Date: \r\n" - 1 + WEIR_HTTP_DATE_SIZE)

struct h2_loop;

/* One per loop: what exchanges need only while a request is being handled. */
struct http_loop {
	struct h2_loop *h2;         /* NULL before the first connection of HTTP/2 */
	struct http_handling *free; /* to be used again, most with their exchange */
	unsigned free_count;
	int refusal;       /* the status for a head that the terminator has refused */
	const char *fault; /* why the input is malformed, while it is replied to; else NULL */
	struct weir_span fault_bytes;
	char fault_room[WEIR_HTTP_FAULT_MAX];
	int64_t date_s;
	char opening[OPENING_SIZE + 1]; /* of that second */
	int64_t log_date_s;
	char log_date[40];     /* of that second */
	const int64_t *now_ms; /* the loop's */
	char path[WEIR_HTTP_TARGET_MAX + 1];
	struct weir_http_request request;
};

struct h2_stream;

/* The connection has input of the body, or its end, and is paused: see http_body_splice. */
typedef void http_body_readable_fn(void *context);

struct weir_http_server {
	uint32_t progress_ms;             /* the bound of the listener */
	bool prior_knowledge;             /* HTTP/2 in clear */
	bool extended_connect;            /* over HTTP/2 (RFC 8441) */
	struct local_refcount references; /* its user's, and one for each exchange */
	struct weir_server *listener;
	struct weir_http_sites *sites;
	struct weir_log *log; /* NULL: none */
	bool destroyed;       /* no line is written from here on */
	struct weir_loop *loop;
	struct http_loop *loop_state;
	struct http_cells *cells; /* for requests without a site */
};

/*
 * The reply. It only moves downwards, through http_exchange_set_reply.
 *
 *   AWAITED ──reply──▶ HEAD ──head put──▶ BODY ──last byte left, or the client gone──▶ CLOSED
 *      └──the client gone──▶ UNWANTED ──reply, which is dropped──▶ CLOSED
 */
enum http_reply_state {
	HTTP_REPLY_AWAITED,  /* the handler has not replied */
	HTTP_REPLY_UNWANTED, /* the client has gone; the handler must reply all the same */
	HTTP_REPLY_HEAD,
	HTTP_REPLY_BODY,
	HTTP_REPLY_CLOSED, /* the producer was closed after, or with, the reply */
};

/* The handler, through http_exchange_enter_handler and http_exchange_leave_handler. */
enum http_handler_state {
	HTTP_HANDLER_IDLE,     /* not being called */
	HTTP_HANDLER_RUNNING,  /* the handler or its receiver is being called: nothing is freed */
	HTTP_HANDLER_DEFERRED, /* not called yet: earlier replies must leave first */
};

/* 100 Continue (RFC 9110 10.1.1). */
enum http_continue_state {
	HTTP_CONTINUE_NONE,    /* the client does not wait for it, or it was sent */
	HTTP_CONTINUE_AWAITED, /* the client waits for it before it sends the body */
	HTTP_CONTINUE_DUE,     /* to be sent before the reply */
};

/* The part of the request's body that comes next. */
enum http_body_state {
	HTTP_BODY_NONE,       /* nothing: there is no body, or all of it has come */
	HTTP_BODY_LENGTH,     /* Content-Length */
	HTTP_BODY_CHUNK_LINE, /* chunked: before, in and after the data of a chunk */
	HTTP_BODY_CHUNK_DATA,
	HTTP_BODY_CHUNK_END,
	HTTP_BODY_TRAILERS,
	HTTP_BODY_TUNNEL, /* another protocol, up to the end of the input */
};

/* How the client finds the end of the reply (RFC 9112 6.3). */
enum http_framing {
	HTTP_FRAMED_BY_LENGTH, /* reply_size */
	HTTP_FRAMED_BY_CHUNKS,
	HTTP_FRAMED_BY_CLOSE,   /* HTTP/1.0, a size that is not known */
	HTTP_FRAMED_BY_STREAM,  /* HTTP/2, a size that is not known */
	HTTP_FRAMED_BY_HEAD,    /* 204 and 304 have no body, and no Content-Length is given */
	HTTP_FRAMED_BY_UPGRADE, /* 101: another protocol follows, up to the end of the connection */
};

/*
 * The functions that an exchange calls on its connection. HTTP/1.1 (connection.c) and HTTP/2
 * (h2/h2_exchange.c) each have a table. Handlers, producers, logs and metrics do not know which one
 * it is.
 *
 * All but `reply_left` and `freed` are called only while exchange->channel is not NULL.
 */
struct http_connection_type {
	unsigned major; /* of the version of HTTP: 1 or 2 */
	/* The connection marks the end of each body: one of unknown size needs no coding. */
	bool frames_bodies;
	/* Makes the exchange a reply of its connection. Returns 0 or a negative errno. */
	int (*attach)(struct weir_http_exchange *exchange);
	/* The receiver is set: passes the body to http_body_piece from now on. */
	void (*read_body)(struct weir_http_exchange *exchange);
	/* The receiver pauses, and resumes. */
	void (*pause_body)(struct weir_http_exchange *exchange);
	void (*resume_body)(struct weir_http_exchange *exchange);
	/* The reply is made, and nobody receives the rest of the body. */
	void (*drop_body)(struct weir_http_exchange *exchange);
	/* All of the body has come. */
	void (*end_body)(struct weir_http_exchange *exchange);
	/* The body breaks off: no more of it is received. A reply may follow. */
	void (*fail_body)(struct weir_http_exchange *exchange);
	/*
	 * The reply will not be sent. Returns whether the connection was receiving for the
	 * exchange; from now on it is not.
	 */
	bool (*release_body)(struct weir_http_exchange *exchange);
	/* The exchange becomes a tunnel: passes the input to http_body_piece from now on. */
	void (*begin_tunnel)(struct weir_http_exchange *exchange);
	/* Ends the connection or the stream at once. The exchange may be freed. */
	void (*abort)(struct weir_http_exchange *exchange);
	/* All of the reply has left. */
	void (*reply_left)(struct weir_http_exchange *exchange);
	/* The exchange is about to be freed. NULL: the connection does not need to know. */
	void (*freed)(struct weir_http_exchange *exchange);
};

/*
 * The session of a channel is the exchange whose body is being received, or that is deferred; or
 * NULL; or that of another protocol, which has the channel to itself: HTTP/2, or a WebSocket. This
 * is a producer whose type is embedded in the table of the channel's callbacks.
 */
struct http_session_type {
	struct weir_producer_type producer; /* first */
	void (*on_request)(void *session, struct weir_span request);
	void (*on_piece)(void *session, struct weir_span bytes);
	void (*on_overflow)(void *session);
	void (*on_eof)(void *session);
	void (*on_timeout)(void *session, enum weir_timeout which);
	void (*on_draining)(void *session);
	void (*on_close)(void *session);
};

/*
 * Lines of fields as HTTP/2 has them (h2_encode.h): made at the first use, by malloc. The owner of
 * the lines frees them.
 */
struct http_encoded_lines;

/* The line of the access log: prepared with the reply, and written at its end. */
struct http_log_entry {
	struct weir_log *log;     /* where it goes */
	struct weir_buffer line;  /* all but what is known at the end only */
	struct weir_buffer notes; /* of handlers: keys and values, each with a NUL */
	uint32_t split;           /* where the rest belongs in `line` */
	uint8_t format;           /* enum weir_log_format */
	uint8_t level;            /* enum weir_log_level */
};

/* Bits of an exchange that hold a number. */
#define HTTP_CODING_BITS 2
#define HTTP_LEVEL_BITS 4
_Static_assert(WEIR_HTTP_CODING_LAST < 1 << HTTP_CODING_BITS, "enum http_coding does not fit");
_Static_assert(WEIR_COMPRESS_LEVEL_MAX < 1 << HTTP_LEVEL_BITS, "a level does not fit");

/*
 * The part of an exchange that is needed only while its request is handled and its body received. A
 * reply that takes longer goes on without it: see http_exchange_end_handling.
 */
struct http_handling {
	struct http_handling *next_free;
	struct weir_http_exchange *exchange; /* NULL: unused, and without one */

	/* From here to `peer` all is zero at first. */
	const struct weir_http_request *request; /* in the loop's state or in `copy` */
	struct http_request_copy *copy;
	struct weir_http_path path;
	const struct weir_http_route *route; /* of the handler for routes; NULL: none */
	const struct http_rule *rule;        /* of the site's rules; NULL: none */
	const struct http_rule *rewriter;    /* the last one that has rewritten the path */
	const struct http_rule *rated;       /* whose rate by user has counted the request */
	char *rewritten; /* the bytes of a path that a rule has put in place of the request's */
	/* Calls the handler of a deferred request, or replies with a page for an error. */
	struct weir_task task;
	weir_http_gone_fn *gone; /* called if the client goes before a reply; or NULL */
	void *gone_context;
	struct weir_span request_head; /* its bytes, while the handler is called */

	/* the request's body */
	const struct weir_http_receiver *receiver;
	void *receiver_context;
	weir_http_trailer_fn *trailer;   /* gets the context of the receiver; NULL: dropped */
	http_body_readable_fn *readable; /* the body is spliced; or NULL */
	uint64_t body_max;
	uint64_t body_got;
	int body_error;       /* the body failed before it was asked for; or 0 */
	uint16_t body_status; /* of the reply then */
	uint16_t trailers_in;

	/* the reply's head, and what precedes it */
	uint16_t deferred_status;   /* of a deferred request whose path is refused; else 0 */
	uint16_t page_status;       /* of the error that a page of the site is sent for; else 0 */
	uint16_t skip;              /* segments of the path that its files are not in (an alias) */
	uint8_t rewrites;           /* times that the path was rewritten */
	bool forwarded;             /* `peer` is the client that `forwarder` has named */
	uint8_t forwarded_scheme;   /* enum http_scheme: of the client of a forwarder */
	uint8_t continue_put;       /* bytes of 100 Continue that were put */
	struct weir_buffer interim; /* those that wait: a struct http_interim and its lines each */
	struct weir_span lent;      /* lines of fields: weir_http_lend_fields */
	struct http_encoded_lines **lent_encoded; /* where they are stored; NULL: nowhere */
	char *head;                               /* where it did not fit the output at once */
	size_t head_size;
	size_t head_put;
	weir_trailers_fn *trailers;
	void *trailers_context;
	struct weir_buffer granted; /* fields that an upstream gets (http_proxy_grant) */

	struct weir_address peer;      /* the client */
	struct weir_address forwarder; /* if `forwarded`: the peer of the connection */
	struct weir_buffer fields;     /* of the reply: whole lines. The memory is used again, */
	struct weir_buffer user;       /* and so is this one's, */
	struct http_log_entry log;     /* and that of the line */
	_Alignas(16) char scratch[WEIR_HTTP_SCRATCH]; /* the handler's */
};

struct weir_http_exchange {
	struct weir_producer producer;   /* the reply, in the channel's queue or of a stream */
	struct weir_http_server *server; /* held */
	const struct http_connection_type *connection;
	struct weir_channel *channel;      /* NULL once it is gone */
	struct h2_stream *stream;          /* of HTTP/2; NULL once it is gone, and for HTTP/1.1 */
	struct http_handling *handling;    /* NULL behind http_exchange_end_handling */
	struct weir_http_sites *sites;     /* held; NULL until the head has been parsed */
	const struct weir_http_site *site; /* of these */
	struct http_log_entry *log;    /* in `handling`, or on the heap without; NULL: no line */
	weir_release_fn *release_lent; /* at the end, for lent fields and a lent body */
	void *lent_context;
	int64_t begun_ms;

	/* the reply's body */
	union {
		struct weir_producer *body; /* NULL: there is none */
		const char *lent_body; /* if `body_is_lent`: the part that is still to be put */
	};
	int64_t reply_size;   /* of all of the body, or of that part; -1: unknown */
	uint32_t before_body; /* bytes of the producer that are not the body's */

	uint32_t log_id; /* of the request, in its lines; 0: none yet */
	uint16_t status;
	uint8_t method;         /* enum weir_http_method; OTHER if there was no request */
	uint8_t framing;        /* enum http_framing */
	uint8_t body_state;     /* enum http_body_state */
	uint8_t reply_state;    /* enum http_reply_state */
	uint8_t handler_state;  /* enum http_handler_state */
	uint8_t continue_state; /* enum http_continue_state */

	/* Facts that are independent of each other. */
	bool keep_alive : 1;                      /* another request may follow on the connection */
	bool confirm_keep_alive : 1;              /* HTTP/1.0: the reply has keep-alive */
	bool input_held : 1;                      /* nothing is read before the reply has left */
	bool had_body : 1;                        /* the terminator of heads must be set again */
	bool received : 1;                        /* weir_http_receive was called */
	bool paused : 1;                          /* by the receiver */
	uint8_t coding : HTTP_CODING_BITS;        /* enum http_coding; of weir_http_compress */
	uint8_t compress_level : HTTP_LEVEL_BITS; /* of the coding */
	bool small_pieces : 1;                    /* weir_http_receive_small */
	bool extended_connect : 1; /* HTTP/2: the stream may become a tunnel (RFC 8441) */
	bool body_is_lent : 1;
	bool large_pieces : 1; /* the reply's body need not be gathered (weir_produce_glob) */
	bool page_pending : 1; /* the handler has replied with an error, whose page follows */
};

/* This is what a client that does not read costs, beside its connection or stream and the body. */
_Static_assert(sizeof(struct weir_http_exchange) <= 168, "an exchange is too large");

/* A request that outlives the receive buffer, and its bytes. */
struct http_request_copy {
	struct weir_http_request *request;
	char *bytes;
};

/* -- exchange.c -- */
struct http_loop *http_loop_state(struct weir_loop *loop);
/*
 * Makes an exchange and attaches it to its connection; `stream` is NULL for HTTP/1.1. NULL without
 * memory: the channel ends.
 */
struct weir_http_exchange *http_exchange_create(struct weir_http_server *server,
        struct weir_channel *channel, const struct http_connection_type *connection,
        struct h2_stream *stream);
/* Frees the exchange if nobody uses it any more. To be called wherever one of the three ends. */
void http_exchange_free_if_unused(struct weir_http_exchange *exchange);

/*
 * The reply goes on behind this output: frees all that only the handling needed, if the request's
 * body and the handler have ended. Only from the reply's producer.
 */
void http_exchange_end_handling(struct weir_http_exchange *exchange);

/* Enters a state of the reply; see the enum. */
static inline void http_exchange_set_reply(
        struct weir_http_exchange *exchange, enum http_reply_state state)
{
	assert(state > exchange->reply_state);
	assert(exchange->reply_state != HTTP_REPLY_UNWANTED || state == HTTP_REPLY_CLOSED);
	exchange->reply_state = (uint8_t)state;
}

/*
 * Around a call of the handler or the receiver, so that the exchange is not freed within it. Enter
 * returns the state before, which leave restores.
 */
static inline enum http_handler_state http_exchange_enter_handler(
        struct weir_http_exchange *exchange)
{
	enum http_handler_state before = exchange->handler_state;
	exchange->handler_state = HTTP_HANDLER_RUNNING;
	return before;
}

static inline void http_exchange_leave_handler(
        struct weir_http_exchange *exchange, enum http_handler_state before)
{
	exchange->handler_state = (uint8_t)before;
}

static inline bool http_exchange_replied(const struct weir_http_exchange *exchange)
{
	return exchange->reply_state >= HTTP_REPLY_HEAD || exchange->page_pending;
}

/* The producer was closed: nothing of a reply can leave any more. */
static inline bool http_exchange_closed(const struct weir_http_exchange *exchange)
{
	return exchange->reply_state == HTTP_REPLY_UNWANTED ||
	       exchange->reply_state == HTTP_REPLY_CLOSED;
}

/* The cells that the exchange is counted in. */
static inline struct http_cells *http_metrics_cells(const struct weir_http_exchange *exchange)
{
	return exchange->site ? exchange->site->cells : exchange->server->cells;
}

/* -- forwarder.c -- */
/*
 * Finds the client of the request, which a trusted forwarder may have named, and counts the
 * request. Returns 0 or the status of the reply: 403, or 429 with its Retry-After.
 */
int http_forwarder_admit(struct weir_http_exchange *exchange);
/* Returns the peer that has sent the fields of the request: the forwarder, or the client. */
static inline const struct weir_address *http_forwarder_sender(
        const struct weir_http_exchange *exchange)
{
	const struct http_handling *handling = exchange->handling;
	return handling->forwarded ? &handling->forwarder : &handling->peer;
}

/* -- request.c -- */
/*
 * Copies the request, whose head is `head`, and the path. Returns 0 or -ENOMEM; then the request is
 * an empty one, since the handler has yet to reply and may look at it.
 */
int http_exchange_copy_request(struct weir_http_exchange *exchange, struct weir_span head);
/*
 * Copies the request now if the handler is still being called, so that another thread may read it
 * from now on. Returns 0 or -ENOMEM.
 */
int http_exchange_copy_request_now(struct weir_http_exchange *exchange);
void http_request_copy_free(struct http_request_copy *copy);

/* -- reply.c -- */

/* Does what weir_http_add_field does. */
int http_reply_add_field(
        struct weir_http_exchange *exchange, struct weir_span name, struct weir_span value);

/* Adds Retry-After, in whole seconds. */
void http_reply_add_wait(struct weir_http_exchange *exchange, uint32_t wait_ms);

/* An interim reply that waits. Behind it are its field lines ("Name: value\r\n"). */
struct http_interim {
	uint16_t status;
	uint16_t lines_size;
};
_Static_assert(WEIR_HTTP_INTERIM_MAX <= UINT16_MAX, "lines_size must fit");

/* Returns whether one waits, and the first one. */
bool http_interim_first(const struct weir_http_exchange *exchange, struct http_interim *ret_head,
        struct weir_span *ret_lines);
void http_interim_remove_first(struct weir_http_exchange *exchange);

/*
 * As weir_http_reply with weir_produce_borrowed, without the cost of a producer: the bytes are lent
 * until the exchange ends. For a body that is lent together with weir_http_lend_fields.
 */
int http_reply_lent(struct weir_http_exchange *exchange, unsigned status, struct weir_span body);

/* From here on the producer has bytes to put. The framing is set. The exchange may be freed. */
void http_reply_begin(
        struct weir_http_exchange *exchange, unsigned status, struct weir_producer *body);

/* -- upgrade.c -- */
/* The last byte of the output has left: nobody receives the input any more. */
void http_upgrade_end_tunnel(struct weir_http_exchange *exchange);
/*
 * Of HTTP/1.1: replies with 101, and makes `session`, whose type is in a struct http_session_type,
 * the session of the channel and a reply in its queue. The exchange ends. Returns as
 * weir_http_upgrade; nothing has changed after an error.
 */
int http_upgrade_take_over(struct weir_http_exchange *exchange, struct weir_span protocol,
        struct weir_producer *session);

/* -- connection.c -- */
extern const struct weir_protocol http_protocol;
extern const struct http_connection_type http_connection_type;

/* -- dispatch.c -- */
/* Calls the handler of a request whose head is `head`. */
void http_dispatch(struct weir_http_exchange *exchange, struct weir_span head);
/* The steps of that, for a request that is handled later: */
/* A reload takes effect for the requests that begin after it. */
void http_dispatch_choose_site(struct weir_http_exchange *exchange);
/* Decodes the path. Returns 0, or the status that refuses the request before its handler. */
int http_dispatch_check(struct weir_http_exchange *exchange);
/* Handles a request whose path has been decoded. */
void http_dispatch_path(struct weir_http_exchange *exchange);
/*
 * Has the site handle the request as one for another target, "/path" or "/path?query", which is
 * escaped as a request-target, and is copied. Without a query the request keeps its own. A handler
 * that calls this has replied.
 */
void http_dispatch_rewrite(struct weir_http_exchange *exchange, struct weir_span target);

/* -- head_reader.c, for HTTP/1.1 -- */
/* A head is to come. If it is refused, `refusal` is the status. */
void http_head_reader_await(struct weir_channel *channel, struct http_loop *loop_state);

/* -- body_reader.c, for HTTP/1.1 -- */
/* A body is to come: the exchange becomes the channel's session. */
void http_body_reader_expect(struct weir_http_exchange *exchange);
void http_body_reader_start(struct weir_http_exchange *exchange);
/* A line, or the end of a piece, according to the state. */
void http_body_reader_request(struct weir_http_exchange *exchange, struct weir_span line);
/* Reads and drops a body that nobody receives, or ends the connection. */
void http_body_reader_drop(struct weir_http_exchange *exchange);
/*
 * Moves at most `size` bytes of the body from the socket to the end of an empty pipe, past the
 * receiver's piece(). Returns how many; -EAGAIN if there are none now: readable() is called, with
 * the receiver's context, when there are; or another negative errno if these bytes cannot be
 * spliced: piece() has them then, and the end of the body comes as ever.
 */
ssize_t http_body_splice(struct weir_http_exchange *exchange, int pipe, size_t size,
        http_body_readable_fn *readable);
/* The rest of the body goes to piece(). Without effect if it does. */
void http_body_splice_end(struct weir_http_exchange *exchange);
/* The channel's divert_ready(). */
void http_body_reader_readable(struct weir_http_exchange *exchange);
/* A line of a chunked body is malformed (WEIR_E_SYNTAX, the fault is noted) or too long. */
void http_body_reader_overflow(struct weir_http_exchange *exchange, int error);

/* -- body.c -- */
void http_body_piece(struct weir_http_exchange *exchange, struct weir_span bytes);
/* All of the body has come. */
void http_body_complete(struct weir_http_exchange *exchange);
/* With the reply: drops a body that nobody receives. */
void http_body_drop(struct weir_http_exchange *exchange);
/*
 * Ends the body with an error, and the connection or stream; replies `status` if there is no reply
 * yet.
 */
void http_body_fail(struct weir_http_exchange *exchange, int error, unsigned status);
/*
 * The reply will not be sent, so the body is not received. Returns whether the exchange may be
 * freed.
 */
bool http_body_abandon(struct weir_http_exchange *exchange);
/* The channel or stream is gone. */
void http_body_lost(struct weir_http_exchange *exchange, int error);

/* -- response.c -- */
extern const struct weir_producer_type http_response_type;

/* Returns the table of a channel's session, or NULL if it is an exchange, or if there is none. */
static inline const struct http_session_type *http_session_type_of(const void *session)
{
	const struct weir_producer *producer = session;
	return producer && producer->type != &http_response_type
	               ? (const struct http_session_type *)producer->type
	               : NULL;
}

/* The close of a reply, of all versions of HTTP. */
void http_response_close(struct weir_producer *producer, enum weir_close_reason why);
/* The body's part of the reply's more(). The head has been put. */
enum weir_more http_response_put_body(struct weir_http_exchange *exchange, struct weir_output *out);
/* Returns the date field's value, WEIR_HTTP_DATE_SIZE bytes, made once a second. */
const char *http_response_date(struct weir_http_exchange *exchange);

/* -- server.c -- */
struct weir_http_server *http_server_hold(struct weir_http_server *server);
void http_server_release(struct weir_http_server *server);
/* The site for this Host, which may hold a port. Never NULL while there is a site. */
const struct weir_http_site *http_sites_find(
        const struct weir_http_sites *sites, struct weir_span host);

/* -- log.c -- */
/*
 * Notes why the input is malformed, and its first bytes, for the line of the exchange that is
 * replied to next. To be cleared after the reply.
 */
void http_log_note_fault(struct http_loop *loop_state, const char *fault, struct weir_span bytes);
void http_log_clear_fault(struct http_loop *loop_state);
/* Writes a line of its own for the fault of a body whose request has been replied to. */
void http_log_fault(struct weir_http_exchange *exchange, unsigned status);
/* Notes what is known of the request when it is replied to. */
void http_log_prepare(struct weir_http_exchange *exchange);
/*
 * Counts the request's body, and moves the line out of the handling, which ends. Returns 0 or
 * -ENOMEM, with nothing changed.
 */
int http_log_detach(struct weir_http_exchange *exchange);
void http_log_free_detached(struct weir_http_exchange *exchange);
/* The id of the request, which its lines have: never 0. */
uint64_t http_log_id(struct weir_http_exchange *exchange);
/* Writes the line, with the bytes of the body that were sent. */
void http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why);

/* -- log_line.c -- */
/* A note that is a number has this in front of its key. */
#define HTTP_LOG_NUMBER "#"
/*
 * Composes what is known when the reply is made. The log and the level are set already. `request`
 * may be NULL.
 */
void http_log_line_compose(struct http_log_entry *entry, struct weir_http_exchange *exchange,
        const struct weir_http_request *request, unsigned status);
/* Adds the rest, and writes the line. */
void http_log_line_write(const struct http_log_entry *entry, struct weir_http_exchange *exchange,
        uint64_t size, char mark);

#endif
