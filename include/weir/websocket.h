/*
 * WebSocket (RFC 6455), with permessage-deflate (RFC 7692): an exchange of HTTP becomes a
 * connection on which both sides send messages. Over HTTP/1.1 it takes the whole connection, over
 * HTTP/2 one stream (RFC 8441); handlers need not know which.
 *
 *   handler ──weir_websocket_accept──▶ 101 or 200
 *   client ──frames──▶ unmask ─▶ inflate ─▶ UTF-8 ─▶ message(), or begin(), piece() and end()
 *   client ◀──frames── [ message ][ message, shared ][ producer, in fragments ] ◀── send
 *
 * Life cycle: weir_websocket_accept, any number of messages in both directions, and `closed`, which
 * is called once, last. The WebSocket is valid until `closed` is called, and not in it. Everything
 * here is for the loop's own thread. A request of a callback takes effect when it has returned.
 *
 * A client that breaks a rule is sent a Close frame with the code of the rule, and the connection
 * ends. Pings are answered; an idle client is sent pings, and is dropped if it does not answer.
 */
#ifndef WEIR_WEBSOCKET_H
#define WEIR_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/limits.h>
#include <weir/producer.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_websocket;
struct weir_websocket_message;

enum weir_websocket_kind {
	WEIR_WEBSOCKET_TEXT = 1, /* UTF-8, which is checked in both directions */
	WEIR_WEBSOCKET_BINARY = 2,
};

/* Codes of Close frames (RFC 6455 7.4.1). Programs may define some from 4000 to 4999. */
enum weir_websocket_code {
	WEIR_WEBSOCKET_NORMAL = 1000,
	WEIR_WEBSOCKET_GOING_AWAY = 1001, /* the server drains */
	WEIR_WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEIR_WEBSOCKET_UNSUPPORTED = 1003,
	WEIR_WEBSOCKET_NO_CODE = 1005,  /* never sent: the Close frame has no code */
	WEIR_WEBSOCKET_ABNORMAL = 1006, /* never sent: the connection ended without a Close frame */
	WEIR_WEBSOCKET_INVALID_DATA = 1007, /* no UTF-8, or cannot be inflated */
	WEIR_WEBSOCKET_POLICY = 1008,
	WEIR_WEBSOCKET_TOO_LARGE = 1009,
	WEIR_WEBSOCKET_SERVER_ERROR = 1011,
};

/* -- what is called ---------------------------------------------------------------------------- */

/* A whole message has come; it is valid during the call. */
typedef void weir_websocket_message_fn(
        void *context, enum weir_websocket_kind kind, struct weir_span message);

/*
 * A message as it comes: it begins; its next bytes, at least one, valid during the call; it is
 * complete. After a fault `closed` is called instead of `end`.
 */
typedef void weir_websocket_begin_fn(void *context, enum weir_websocket_kind kind);
typedef void weir_websocket_piece_fn(void *context, struct weir_span bytes);
typedef void weir_websocket_end_fn(void *context);

/*
 * After a send that was refused with WEIR_E_LIMIT while others were queued: the client has taken
 * all of them.
 */
typedef void weir_websocket_drained_fn(void *context);

/*
 * The last call: no message will come, and none can be sent. `code` is that of the client's Close
 * frame, or WEIR_WEBSOCKET_NO_CODE; or the code that the client is sent for a fault; or
 * WEIR_WEBSOCKET_ABNORMAL. `reason` is the client's, UTF-8, valid during the call.
 */
typedef void weir_websocket_closed_fn(void *context, unsigned code, struct weir_span reason);

/* -- options ----------------------------------------------------------------------------------- */

/* The policy for a client for which more than `queue_max` bytes would wait. */
enum weir_websocket_slow {
	WEIR_WEBSOCKET_SLOW_REFUSE, /* the message is not sent: WEIR_E_LIMIT; `drained` follows */
	WEIR_WEBSOCKET_SLOW_DROP,   /* neither is it, and the connection is aborted */
};

/* permessage-deflate, for clients that offer it. */
enum weir_websocket_deflate {
	WEIR_WEBSOCKET_DEFLATE_OFF,
	/*
	 * Each message is compressed on its own, by the loop's one compressor: a connection needs
	 * no memory for it, and a message that many share is compressed once.
	 */
	WEIR_WEBSOCKET_DEFLATE,
	/*
	 * Messages are compressed with those before them as context, which is worth it for small
	 * ones that resemble each other. So each connection compresses by itself, and has about
	 * 40 KB of state for each direction in which there were messages; for what is sent, the
	 * number depends on `window_bits`.
	 */
	WEIR_WEBSOCKET_DEFLATE_TAKEOVER,
};

/*
 * Begin with weir_websocket_options_init. The options are not copied: they must outlive all
 * WebSockets that were accepted with them. All callbacks may be NULL.
 */
struct weir_websocket_options {
	weir_websocket_message_fn *message; /* NULL: the three below get messages as they come */
	weir_websocket_begin_fn *begin;
	weir_websocket_piece_fn *piece;
	weir_websocket_end_fn *end;
	weir_websocket_drained_fn *drained;
	weir_websocket_closed_fn *closed;

	/* Subprotocols up to NULL, the preferred first; borrowed. NULL, the default: none. */
	const char *const *protocols;
	/*
	 * Whether a request of a browser must come from a page of this host or of one of `origins`,
	 * such as "https://example.org", up to NULL; borrowed. Another one is refused with 403:
	 * pages of others must not use the cookies of a user. A request without Origin
	 * is of no browser, and is accepted. True, and NULL, by default.
	 */
	bool check_origin;
	const char *const *origins;

	uint32_t frame_max;   /* bytes of a frame that is received; WEIR_WEBSOCKET_FRAME_MAX */
	uint32_t message_max; /* bytes of a message, inflated, too; WEIR_WEBSOCKET_MESSAGE_MAX */
	/*
	 * Bytes that wait for the client, of which a message counts WEIR_WEBSOCKET_MESSAGE_COST at
	 * least, and a producer WEIR_WEBSOCKET_PRODUCER_COST; WEIR_WEBSOCKET_QUEUE_MAX. A larger
	 * message is never sent: weir_websocket_send_producer has no such bound.
	 */
	uint32_t queue_max;
	enum weir_websocket_slow slow; /* WEIR_WEBSOCKET_SLOW_REFUSE by default */

	/* Without input, at most twice that, then a ping; 0: never. WEIR_WEBSOCKET_PING_MS. */
	uint32_t ping_ms;
	uint32_t pong_ms;  /* for the answer to it, any input; WEIR_WEBSOCKET_PONG_MS */
	uint32_t close_ms; /* for the answer to a Close frame; WEIR_WEBSOCKET_CLOSE_MS */

	enum weir_websocket_deflate deflate; /* WEIR_WEBSOCKET_DEFLATE by default */
	/* With TAKEOVER: the logarithm of the window, 9 to 15; WEIR_WEBSOCKET_WINDOW_BITS. */
	uint8_t window_bits;
	/*
	 * With TAKEOVER: connections of a loop that have it; further ones have none.
	 * WEIR_WEBSOCKET_TAKEOVERS_MAX.
	 */
	uint32_t takeovers_max;
};

/* Sets the defaults that the comments above name, and the callbacks to NULL. */
WEIR_API void weir_websocket_options_init(struct weir_websocket_options *options);

/* -- life -------------------------------------------------------------------------------------- */

/* Returns whether the request asks for WebSocket, whether or not it does so by all the rules. */
WEIR_API bool weir_websocket_asked(const struct weir_http_exchange *exchange);

/*
 * Makes the exchange a WebSocket, now or later, but before its reply. Fields that were added to the
 * exchange are sent with 101, or 200 over HTTP/2. `context` is for the callbacks; NULL is the
 * WebSocket itself. `*ret` is set before one of them is called.
 *
 * Returns 0. After an error the exchange has been replied to, and no callback follows:
 *
 *   WEIR_E_SYNTAX  426 if the request does not ask for WebSocket, or for another version than 13;
 *                  400 if its fields are malformed.
 *   -EACCES        403: the Origin is not allowed.
 *   WEIR_E_CLOSED  The exchange had a reply already, or the client has gone.
 *   -ENOMEM        500
 */
WEIR_API int weir_websocket_accept(struct weir_http_exchange *exchange,
        const struct weir_websocket_options *options, void *context, struct weir_websocket **ret);

/* Returns the subprotocol that was chosen, one of the options' texts, or NULL. */
WEIR_API const char *weir_websocket_protocol(const struct weir_websocket *websocket);

/*
 * Sends a Close frame behind all that is queued; messages that come until the client's own are
 * dropped. `code` is 1000 to 1003, 1007 to 1014 or 3000 to 4999; or WEIR_WEBSOCKET_NO_CODE, which
 * sends none. The reason is UTF-8; bytes over 123 are cut off. `closed` is called when the client
 * has answered, or `close_ms` have passed. Returns 0; -EINVAL for another code or reason;
 * WEIR_E_CLOSED if a Close frame was sent already; or -ENOMEM, and the connection is aborted then.
 */
WEIR_API int weir_websocket_close(
        struct weir_websocket *websocket, unsigned code, struct weir_span reason);

/* Ends the connection at once, without a Close frame. `closed` is called, soon. */
WEIR_API void weir_websocket_abort(struct weir_websocket *websocket);

/* -- input ------------------------------------------------------------------------------------- */

/*
 * Stops and resumes reading: back-pressure on the client. Messages that were read from the
 * connection already, WEIR_RECEIVE_SMALL_SIZE bytes at most, still come. An idle client is not sent
 * pings meanwhile. Pauses do not nest.
 */
WEIR_API void weir_websocket_pause(struct weir_websocket *websocket);
WEIR_API void weir_websocket_resume(struct weir_websocket *websocket);

/* -- output ------------------------------------------------------------------------------------ */

/*
 * Makes a message for many receivers of one loop: its frame is composed once and, for clients with
 * permessage-deflate, compressed once. The bytes are copied. Returns 0; WEIR_E_SYNTAX for text that
 * is not UTF-8; WEIR_E_LIMIT for more than WEIR_WEBSOCKET_SEND_MAX bytes; or -ENOMEM.
 */
WEIR_API int weir_websocket_message_create(
        enum weir_websocket_kind kind, struct weir_span bytes, struct weir_websocket_message **ret);

/* A message is counted: the creator has one reference, and each queue that it waits in another. */
WEIR_API struct weir_websocket_message *weir_websocket_message_hold(
        struct weir_websocket_message *message);
/* NULL is allowed. */
WEIR_API void weir_websocket_message_release(struct weir_websocket_message *message);

/*
 * Sends a message, which stays the caller's. Returns 0, or an error with nothing sent:
 *
 *   WEIR_E_LIMIT   More than `queue_max` bytes would wait: see enum weir_websocket_slow.
 *   WEIR_E_CLOSED  A Close frame was sent, or the connection is being aborted.
 *   -ENOMEM
 */
WEIR_API int weir_websocket_send_message(
        struct weir_websocket *websocket, struct weir_websocket_message *message);

/* Sends a copy of the bytes as one message. Returns as the two functions above. */
WEIR_API int weir_websocket_send(
        struct weir_websocket *websocket, enum weir_websocket_kind kind, struct weir_span bytes);

/*
 * Sends what a producer puts as one message of fragments, one for each answer of the producer. It
 * is not compressed, and text is not checked. If the producer fails, the connection is closed with
 * WEIR_WEBSOCKET_SERVER_ERROR. Takes the producer in any case. A producer of NULL is -ENOMEM.
 * Returns as weir_websocket_send_message.
 */
WEIR_API int weir_websocket_send_producer(struct weir_websocket *websocket,
        enum weir_websocket_kind kind, struct weir_producer *producer);

/* Returns the bytes that wait as `queue_max` counts them: the kernel has not taken them whole. */
WEIR_API size_t weir_websocket_queued(const struct weir_websocket *websocket);

WEIR_C_END

#endif
