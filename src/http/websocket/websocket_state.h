/*
 * A WebSocket from the inside, for the files of this folder:
 *
 *   websocket.c             its life: acceptance, pings, time limits, the ways in which it ends
 *   websocket_carrier.c     what it asks of the connection of HTTP/1.1, or the stream of HTTP/2
 *   websocket_handshake.c   the request that asks for it, and the reply
 *   websocket_extension.c   which compression is agreed on
 *   websocket_input.c       from bytes to frames and messages
 *   websocket_output.c      the queue of what is sent, as a producer
 *   websocket_message.c     messages that many share, each composed once
 *   websocket_deflate.c     compression, inflation and their contexts
 *   websocket_frame.c       headers, masks, UTF-8, codes
 *   websocket_metrics.c     what is counted
 *
 * It is a producer. From the first byte to the last it stays in the reply queue of its connection,
 * or is the body of its stream's reply.
 *
 *   OPEN ──our Close queued──▶ CLOSING ──the client's Close──▶ ENDING ──all sent──▶ freed
 *     ├──the client's Close, or a fault: our Close queued──────▶ ENDING
 *     └──abort, the client gone, no answer in time──▶ GONE ──the connection has ended──▶ freed
 *
 * `closed` is called on the way into ENDING or GONE, and no other callback after it.
 */
#ifndef WEIR_HTTP_WEBSOCKET_STATE_H
#define WEIR_HTTP_WEBSOCKET_STATE_H

#include <weir/buffer.h>
#include <weir/loop.h>
#include <weir/metrics.h>
#include <weir/websocket.h>

#include "exchange.h"
#include "websocket_frame.h"

enum websocket_phase {
	WEBSOCKET_OPEN,
	WEBSOCKET_CLOSING, /* nothing but the client's Close frame is awaited */
	WEBSOCKET_ENDING,  /* no input is read; the connection ends with the last byte queued */
	WEBSOCKET_GONE,    /* nothing is sent any more */
};

/* The functions that a WebSocket calls on its connection. */
struct websocket_carrier {
	struct weir_loop *(*loop)(const struct weir_websocket *websocket);
	void (*pause)(struct weir_websocket *websocket);
	void (*resume)(struct weir_websocket *websocket);
	/* Ends the connection, or the stream, without sending more: not within this call. */
	void (*abort)(struct weir_websocket *websocket);
};

/* A part of the queue: a frame of a message, a control frame, or a producer. */
struct websocket_item {
	struct websocket_item *next; /* a ring: the last one's is the first */
	struct weir_websocket_message *message;
	struct weir_producer *producer;
	uint32_t size; /* counted in the queue; the size of a control frame */
	uint32_t at;   /* bytes put */
	uint8_t kind;  /* of a producer: its opcode, until its first fragment was put */
	bool begun;    /* of a producer: the rest of the message must follow */
	bool done;     /* all was put; the peer may not have taken it yet */
	bool control;
	char bytes[]; /* of a control frame */
};

/*
 * Saved input: exists while a message is being gathered, or a control frame has come in part.
 */
struct websocket_saved {
	struct weir_buffer message;
	uint8_t control_size;
	char control[WEBSOCKET_CONTROL_MAX];
};

struct websocket_takeover;

enum websocket_direction {
	WEBSOCKET_RECEIVED,
	WEBSOCKET_SENT,
	WEBSOCKET_DIRECTIONS,
};

/* How a WebSocket has ended, as a label; see websocket_metrics.c. */
enum websocket_end {
	WEBSOCKET_END_NORMAL,
	WEBSOCKET_END_ERROR,
	WEBSOCKET_END_APPLICATION,
	WEBSOCKET_END_ABNORMAL,
	WEBSOCKET_ENDS,
};

struct websocket_cells {
	uint64_t begun;
	uint64_t open;
	uint64_t messages[WEBSOCKET_DIRECTIONS];
	uint64_t bytes[WEBSOCKET_DIRECTIONS]; /* of frames with their headers */
	uint64_t closed[WEBSOCKET_ENDS];
};

/*
 * An idle connection has this struct, a channel and a slot in the reply queue: 512 bytes together,
 * with the overhead of malloc.
 */
struct weir_websocket {
	struct weir_producer producer; /* first */
	const struct websocket_carrier *carrier;
	void *connection; /* the channel; or the exchange, over HTTP/2 */
	const struct weir_websocket_options *options;
	struct websocket_cells *cells; /* of its site, on its loop */
	void *context;
	struct websocket_item *last; /* of the ring; NULL: nothing is queued */
	struct websocket_saved *saved;
	struct websocket_takeover *takeover; /* NULL: there is no context */
	struct weir_timer timer;
	uint32_t queued; /* the items' sizes */

	/* the frame and the message that are being received */
	uint32_t frame_left;                  /* bytes of the payload that have not come */
	uint32_t message_size;                /* bytes so far, of frames as announced */
	uint8_t header[WEBSOCKET_HEADER_MAX]; /* the mask of a frame is in the last four */
	uint8_t header_size;                  /* bytes that have come; 0: between frames */
	uint8_t opcode;                       /* of the frame */
	struct websocket_utf8 utf8;

	uint8_t phase;           /* enum websocket_phase */
	uint8_t protocol;        /* 1 + index into the options' list; 0: none */
	uint8_t window_bits : 4; /* of what is sent compressed */
	uint8_t kind : 2;        /* of the message: enum weir_websocket_kind; 0: between messages */
	bool in_payload : 1;     /* the header is complete */
	bool frame_final : 1;
	bool compressed : 1; /* the message */
	bool deflate : 1;    /* permessage-deflate was agreed on */
	bool client_takeover : 1;
	bool server_takeover : 1;
	bool paused : 1;
	bool aborting : 1; /* weir_websocket_abort: the connection ends soon */
	bool heard : 1;    /* input came since the timer was started */
	bool pinged : 1;   /* an answer is awaited */
	bool refused : 1;  /* a send; `drained` is to be called */
};

/* See the limit of 512 bytes above: a channel has 240, and a reply 64. */
_Static_assert(sizeof(struct weir_websocket) <= 200, "an idle WebSocket is too large");

/* One a loop. */
struct websocket_loop {
	struct websocket_inflater *inflater; /* NULL before the first compressed message */
	unsigned takeovers;                  /* connections that keep contexts */
	uint64_t compressed;                 /* messages that were compressed */
};

/* Returns the loop's state; NULL without memory. */
struct websocket_loop *websocket_loop_state(struct weir_loop *loop);

static inline struct weir_loop *websocket_loop_of(const struct weir_websocket *websocket)
{
	return websocket->carrier->loop(websocket);
}

/* -- websocket.c -- */
/*
 * A fault: the client is sent a Close frame with the code, and the connection ends. `closed` is
 * called.
 */
void websocket_fail(struct weir_websocket *websocket, enum weir_websocket_code code);
/* The client's Close frame has come. `code` is WEIR_WEBSOCKET_NO_CODE if it has none. */
void websocket_on_close_frame(
        struct weir_websocket *websocket, unsigned code, struct weir_span reason);
/* The connection is over, or is to be: calls `closed`, unless it was called before. */
void websocket_lose(struct weir_websocket *websocket);
/* Frees it. The connection does not know it any more. */
void websocket_free(struct weir_websocket *websocket);
/* The server drains: closes with 1001, unless it is closing already. */
void websocket_drain(struct weir_websocket *websocket);
/* Returns 0 if `size` bytes more may be queued, or an error of weir_websocket_send_message. */
int websocket_may_queue(struct weir_websocket *websocket, size_t size);

/* -- websocket_carrier.c -- */
/*
 * Makes a WebSocket for the connection of the exchange; NULL without memory.
 * websocket_carrier_begin replies, and connects the two: returns 0, or an error of
 * weir_http_upgrade with the WebSocket freed.
 */
struct weir_websocket *websocket_carrier_create(struct weir_http_exchange *exchange);
int websocket_carrier_begin(struct weir_websocket *websocket, struct weir_http_exchange *exchange);

/* -- websocket_handshake.c -- */
/*
 * Checks the request, and adds the fields of the reply. Returns 0, or an error of
 * weir_websocket_accept with the status to reply with in *ret_status.
 */
int websocket_handshake(struct weir_websocket *websocket, struct weir_http_exchange *exchange,
        unsigned *ret_status);
/* The value of Sec-WebSocket-Accept for a key: WEBSOCKET_ACCEPT_SIZE characters. */
enum {
	WEBSOCKET_KEY_SIZE = 24,
	WEBSOCKET_ACCEPT_SIZE = 28,
};
bool websocket_accept_value(struct weir_span key, char value[WEBSOCKET_ACCEPT_SIZE]);

/* -- websocket_extension.c -- */
/*
 * Chooses the first offer of permessage-deflate that can be met, and adds the field of the reply.
 * Returns 0, or an error of weir_http_add_field. No offer is no error.
 */
int websocket_extension_agree(
        struct weir_websocket *websocket, struct weir_http_exchange *exchange);

/* -- websocket_metrics.c -- */
/* Returns the cells of the exchange's site; NULL without memory. */
struct websocket_cells *websocket_metrics_of(const struct weir_http_exchange *exchange);
enum websocket_end websocket_metrics_end_of(unsigned code);

/* -- websocket_input.c -- */
void websocket_input(struct weir_websocket *websocket, struct weir_span bytes);
/* The next bytes of a message, inflated; false after a fault, which was handled. */
bool websocket_input_pass(struct weir_websocket *websocket, struct weir_span bytes);

/* -- websocket_output.c -- */
enum weir_more websocket_output_more(struct weir_producer *producer, struct weir_output *out);
/* Queues a message; 0 or -ENOMEM. */
int websocket_output_push(struct weir_websocket *websocket, struct weir_websocket_message *message);
/* Queues a control frame, a Close frame last, others before the messages; 0 or -ENOMEM. */
int websocket_output_push_control(
        struct weir_websocket *websocket, enum websocket_opcode opcode, struct weir_span payload);
/* Before a Close frame that does not wait: cuts off producers, and drops what is behind them. */
void websocket_output_cut(struct weir_websocket *websocket);
/* Frees all. `why` is for producers. */
void websocket_output_finish(struct weir_websocket *websocket, enum weir_close_reason why);

/* -- websocket_message.c -- */

/* A frame that is composed, and perhaps the same message compressed. */
struct weir_websocket_message {
	struct local_refcount references;
	struct weir_websocket_message *compressed; /* by a context of its own; NULL: not made yet */
	bool incompressible;                       /* it did not become smaller */
	uint8_t kind;                              /* enum weir_websocket_kind */
	uint8_t header_size;
	uint32_t size; /* of the payload */
	char bytes[]; /* WEBSOCKET_HEADER_SENT_MAX, of which the last are the header; the payload */
};

static inline struct weir_span websocket_message_payload(
        const struct weir_websocket_message *message)
{
	return weir_span(message->bytes + WEBSOCKET_HEADER_SENT_MAX, message->size);
}

static inline struct weir_span websocket_message_frame(const struct weir_websocket_message *message)
{
	return weir_span(message->bytes + WEBSOCKET_HEADER_SENT_MAX - message->header_size,
	        (size_t)message->header_size + message->size);
}

/*
 * Returns the bytes that a message counts in a queue. An empty one has memory, too: a client that
 * sends many to an echo, and reads none, is bounded by that.
 */
static inline size_t websocket_message_cost(const struct weir_websocket_message *message)
{
	size_t size = websocket_message_frame(message).size;
	return size < WEIR_WEBSOCKET_MESSAGE_COST ? WEIR_WEBSOCKET_MESSAGE_COST : size;
}

/* Room for a payload of `size` bytes, to be written before the seal; NULL without memory. */
struct weir_websocket_message *websocket_message_allocate(size_t size);
/* Writes the header of a message whose payload has `size` bytes. */
void websocket_message_seal(struct weir_websocket_message *message, enum weir_websocket_kind kind,
        bool compressed, size_t size);

/* -- websocket_deflate.c -- */
/*
 * Returns a reference to what is sent of the message on this connection: the message, or a
 * compressed one. NULL without memory.
 */
struct weir_websocket_message *websocket_deflate_choose(
        struct weir_websocket *websocket, struct weir_websocket_message *message);
/*
 * Inflates a whole message, and passes it to websocket_input_pass in pieces. Returns 0;
 * WEIR_E_SYNTAX if it cannot be inflated; WEIR_E_LIMIT if it becomes larger than `message_max`;
 * WEIR_E_CLOSED if a piece was refused; or -ENOMEM.
 */
int websocket_inflate(struct weir_websocket *websocket, struct weir_span bytes);
/* Counts the connection among those with contexts. Returns false if they are too many. */
bool websocket_takeover_begin(struct weir_websocket *websocket);
void websocket_takeover_end(struct weir_websocket *websocket);

#endif
