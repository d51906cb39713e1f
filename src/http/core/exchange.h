/*
 * An exchange from the inside, for the files of HTTP's core:
 *
 *   connection.c  one connection's states: head, body, the next head
 *   exchange.c    an exchange's life, and what handlers call
 *   body.c        receiving a request's body
 *   response.c    the reply as a producer: 100, head, body
 *   server.c      listeners, sites, the choice of the handler
 */
#ifndef WEIR_HTTP_EXCHANGE_H
#define WEIR_HTTP_EXCHANGE_H

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/limits.h>
#include <weir/loop.h>

#include "date.h"
#include "head.h"
#include "path.h"

/* The field line of the date, made once a second. */
#define DATE_LINE_SIZE (sizeof "Date: \r\n" - 1 + WEIR_HTTP_DATE_SIZE)

/* One a loop: what exchanges need only while a request is being looked at. */
struct http_loop {
	struct weir_http_exchange *free; /* kept for reuse */
	unsigned free_count;
	int refusal;       /* why the head terminator said BAD: a status */
	const char *fault; /* of what is no request, while it is replied to; else NULL */
	struct weir_span fault_bytes;
	char fault_room[WEIR_HTTP_FAULT_MAX];
	int64_t date_s;
	char date_line[DATE_LINE_SIZE + 1];
	int64_t log_date_s;
	char log_date[40]; /* of that second */
	char path[WEIR_HTTP_TARGET_MAX + 1];
	struct weir_http_request request;
};

struct weir_http_server {
	unsigned holds; /* its user's, and one for each exchange */
	struct weir_server *listener;
	struct weir_http_sites *sites;
	struct weir_peers *peers; /* held until the last channel has closed; or NULL */
	struct weir_log *log;     /* NULL: none, or the server was destroyed */
	struct http_loop *shared;
	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	void *context;
};

enum body_state {
	BODY_NONE,       /* there is none, or all of it has come */
	BODY_LENGTH,     /* Content-Length */
	BODY_CHUNK_LINE, /* chunked: before, in and after the data of a chunk */
	BODY_CHUNK_DATA,
	BODY_CHUNK_END,
	BODY_TRAILERS,
};

/* Of 204 and 304, which have no body and tell no length. */
enum {
	NO_LENGTH = -2
};

enum response_state {
	RESPONSE_AWAITED, /* the handler has not replied */
	RESPONSE_HEAD,
	RESPONSE_BODY,
};

struct weir_http_exchange {
	struct weir_producer producer; /* the reply, in the channel's queue */
	struct weir_http_exchange *next_free;
	struct weir_http_server *server; /* held */
	struct weir_channel *channel;    /* NULL once it is gone */
	struct http_loop *shared;
	struct weir_loop *loop;
	struct weir_http_sites *sites; /* held */
	struct weir_http_handler *handler;
	const struct weir_http_route *route;     /* of the handler for routes; NULL: none */
	const struct weir_http_request *request; /* in `shared`, or `kept` */
	struct kept_request *kept;
	struct weir_http_path path;
	struct weir_address peer;
	int64_t begun_ms;
	struct weir_task task;       /* calls the handler of a deferred request */
	void (*gone)(void *context); /* the client has gone before a reply; NULL: nobody asks */
	void *gone_context;
	struct weir_span request_head; /* in the receive buffer, while the handler is called */

	/* the request's body */
	const struct weir_http_receiver *receiver;
	void *receiver_context;
	uint64_t body_max;
	uint64_t body_got;
	uint16_t trailers_in;
	uint8_t body_state; /* enum body_state */

	/* the reply */
	uint8_t response_state; /* enum response_state */
	uint16_t status;
	uint16_t deferred_status;  /* of a deferred request whose path is refused; else 0 */
	struct weir_buffer fields; /* memory kept for reuse */
	struct weir_span lent;
	void (*release_lent)(void *context);
	void *lent_context;
	struct weir_producer *body;
	int64_t body_size; /* -1: unknown; NO_LENGTH: none is told */
	size_t (*trailers)(void *context, char *text, size_t room);
	void *trailers_context;
	char *head; /* of the reply, where it did not fit the output at once */
	size_t head_size;
	size_t head_put;
	uint8_t continue_put; /* bytes of the interim response */
	struct weir_buffer user;
	struct weir_log *log;        /* where its line goes; NULL: nowhere */
	struct weir_buffer log_line; /* all but what is known at the end only … */
	size_t log_split;            /* … which stands here in it */

	bool handling : 1;        /* in the handler's handle() */
	bool replied : 1;         /* weir_http_reply was called */
	bool finished : 1;        /* the producer was closed */
	bool keep_alive : 1;      /* another request may follow on the connection */
	bool chunked : 1;         /* the reply is */
	bool compress : 1;        /* the reply is */
	bool until_close : 1;     /* the reply's end is the connection's */
	bool had_body : 1;        /* so that the next head must be asked for */
	bool expects : 1;         /* the client waits for 100 */
	bool send_continue : 1;   /* … and shall get it */
	bool received : 1;        /* the body was asked for */
	bool discarding : 1;      /* the rest of the body is read and dropped */
	bool paused : 1;          /* by the receiver */
	bool held_input : 1;      /* nothing is read before the reply has left */
	bool says_keep_alive : 1; /* HTTP/1.0 has to be told that the connection stays */
	bool deferred : 1; /* the handler has not been called: earlier replies are to leave */

	/* All above is zero at first; this is not: */
	_Alignas(16) char scratch[WEIR_HTTP_SCRATCH]; /* the handler's */
};

/* A request that outlives the receive buffer, and its bytes. */
struct kept_request {
	struct weir_http_request *request;
	char *bytes;
};

/* -- exchange.c -- */
struct weir_http_exchange *http_exchange_create(
        struct weir_http_server *server, struct weir_channel *channel);
/* Frees it when reply, body and handler are through with it. */
void http_exchange_settle(struct weir_http_exchange *exchange);
/* Copies the request, whose head is `head`, and the path. 0 or -ENOMEM. */
int http_exchange_keep(struct weir_http_exchange *exchange, struct weir_span head);
/*
 * Copies the request now if the handler is still being called, so that another thread may read it
 * from now on. Returns 0 or -ENOMEM.
 */
int http_exchange_keep_now(struct weir_http_exchange *exchange);
struct http_loop *http_loop_state(struct weir_loop *loop);

/* -- connection.c -- */
extern const struct weir_protocol http_protocol;
/* The body has come, or never will: on to the next head, or to the end. */
void http_connection_next(struct weir_http_exchange *exchange);
/* All of the reply has left: reading goes on, and a deferred request begins once it is alone. */
void http_connection_reply_left(struct weir_http_exchange *exchange);

/* -- body.c -- */
void http_body_begin(struct weir_http_exchange *exchange);
void http_body_piece(struct weir_http_exchange *exchange, struct weir_span bytes);
/* A line or a piece's end, as the state has it. */
void http_body_request(struct weir_http_exchange *exchange, struct weir_span line);
/* What becomes of a body that nobody has asked for when the reply is made. */
void http_body_unwanted(struct weir_http_exchange *exchange);
/* Ends the body with an error, and the connection; replies `status` if nobody has. */
void http_body_fail(struct weir_http_exchange *exchange, int error, unsigned status);
/* The reply will not be sent: nor is the body received. True: the exchange was settled. */
bool http_body_abandon(struct weir_http_exchange *exchange);
/* The channel is gone. */
void http_body_lost(struct weir_http_exchange *exchange, int error);

/* -- response.c -- */
extern const struct weir_producer_type http_response_type;

/* -- server.c -- */
struct weir_http_server *http_server_hold(struct weir_http_server *server);
void http_server_release(struct weir_http_server *server);
/* The chain for this Host, which may hold a port. Never NULL while there is a site. */
struct weir_http_handler *http_sites_find(
        const struct weir_http_sites *sites, struct weir_span host);

/* -- log.c -- */
/* Notes what is known of the request when it is replied to … */
void http_log_prepare(struct weir_http_exchange *exchange);
/* … and writes the line, with the bytes of the body that really went. */
void http_log_finish(struct weir_http_exchange *exchange, enum weir_close_reason why);

#endif
