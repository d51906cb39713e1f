/*
 * An HTTP/2 connection from the inside (RFC 9113), for the files of this folder:
 *
 *   h2_connection.c  its life: preface, sending, errors, time limits, end
 *   h2_control.c     the frames that concern all of it, or the state of a stream
 *   h2_request.c     HEADERS, CONTINUATION and DATA: from frames to exchanges
 *   h2_stream.c      streams: their states, windows, and ends
 *   h2_output.c      the connection as the channel's one reply: frames of all ready streams
 *   h2_data.c        the bodies of replies: DATA frames within the windows
 *   h2_block.c       the field blocks of replies: heads, interim replies, trailers
 *   h2_exchange.c    what an exchange asks of its stream
 *   h2_frame.c       single frames
 *   h2_head.c, h2_field.c, h2_hpack.c, h2_huffman.c   from field blocks to requests
 *   h2_encode.c, h2_table.c, h2_intern.c   fields of replies
 *
 *   channel ──frame──▶ h2_connection ──▶ h2_stream ──▶ exchange ──▶ handler
 *      ▲                                                  │ wake
 *      └──── more() ◀── ready list, by urgency ◀──────────┘
 *
 * The connection is the channel's session, and a producer in its reply queue while there is a
 * stream or a frame to send. So the channel's own time limits apply: with streams, those of a
 * reply; without, the idle one. An idle connection owns its struct and the two tables of HPACK.
 */
#ifndef WEIR_HTTP_H2_CONNECTION_H
#define WEIR_HTTP_H2_CONNECTION_H

#include <weir/buffer.h>
#include <weir/channel.h>
#include <weir/list.h>
#include <weir/loop.h>

#include "exchange.h"
#include "h2_encode.h"
#include "h2_frame.h"
#include "h2_head.h"

/* One a loop. */
struct h2_loop {
	struct h2_stream *free_streams; /* to be used again */
	unsigned free_count;
	struct h2_huffman huffman;
	struct h2_encoded_date date;
	struct h2_intern intern;
	struct h2_head head;
};

enum {
	H2_CLOSED_REMEMBERED = 8,
};

/* A stream that is not there, as far as the connection remembers it. */
enum h2_closed {
	H2_CLOSED_UNKNOWN, /* nothing */
	H2_CLOSED,
	H2_CLOSED_BY_RESET, /* of this side: frames may have been under way */
};

struct h2_connection {
	struct weir_producer producer; /* first: its type is that of h2_session_type */
	struct weir_http_server *server;
	struct weir_channel *channel;
	struct h2_loop *loop_state;
	struct h2_hpack hpack;         /* decodes the client's field blocks */
	struct h2_table table;         /* of the blocks that are sent */
	struct weir_list streams;      /* all, the oldest first */
	struct weir_list ready;        /* those that have something to send, by urgency */
	struct weir_list sent;         /* those that have put all; some bytes may not be sent yet */
	struct weir_buffer control;    /* frames to send before those of streams */
	struct weir_buffer block;      /* the field block of a HEADERS without END_HEADERS */
	struct weir_timer stall_timer; /* runs while a stream has a deadline */
	int64_t stall_at_ms;           /* when it fires */

	int32_t send_window;
	int32_t receive_window;
	uint32_t receive_taken;    /* bytes that were taken and not given back to the window yet */
	int32_t initial_window;    /* the client's SETTINGS_INITIAL_WINDOW_SIZE */
	uint32_t last_stream_id;   /* the highest of the client's */
	uint32_t goaway_stream_id; /* the last one that is handled; see `goaway_sent` */
	uint32_t open_streams;     /* as SETTINGS_MAX_CONCURRENT_STREAMS counts them */
	uint32_t block_stream_id;  /* whose CONTINUATION must come next; 0: none */
	uint8_t block_frames;      /* CONTINUATION frames of the block */
	uint8_t block_flags;       /* of its HEADERS */
	uint8_t closed_next;       /* where the next one belongs in the ring */
	uint8_t closed_reset;      /* bit 1 << i: closed[i] was reset */
	uint32_t closed[H2_CLOSED_REMEMBERED]; /* the last streams that have ended, a ring */

	/* Against floods; see h2_control_count_frame and h2_connection_count_reset. */
	uint64_t bytes;         /* of all frames received */
	uint64_t payload_bytes; /* of fields and bodies, in both directions */
	int32_t resets_left;
	int64_t resets_at_ms; /* when resets_left was brought up to date */

	bool preface_seen : 1;
	bool settings_seen : 1;
	bool queued : 1;           /* it is in the reply queue */
	bool failed : 1;           /* a connection error: only GOAWAY is still sent */
	bool goaway_sent : 1;      /* no stream is accepted any more */
	bool goaway_announced : 1; /* GOAWAY that names no stream yet was sent */
	bool input_held : 1;       /* the channel is paused until `control` has left */
	bool input_ended : 1;      /* no window will grow any more */
	bool output_open : 1;      /* the bytes of the last output may not have been taken */
	uint32_t output_number;    /* counts outputs */
};

/* The body of a request, and the window for it: of a stream whose HEADERS had no END_STREAM. */
struct h2_inbound {
	struct h2_stream *stream;
	struct weir_task task;   /* passes `held` to the receiver */
	struct weir_buffer held; /* while nobody takes it: bounded by the window */
	uint32_t trailers_size;  /* the last bytes of `held` are lines of trailer fields */
	int32_t window;
	uint32_t taken;      /* as `receive_taken` of the connection */
	int64_t body_bytes;  /* so far */
	int64_t body_length; /* its Content-Length, or -1 */
};

/*
 * A stream (RFC 9113 5.1). It ends when both directions are closed and the kernel has all bytes,
 * or at once by RST_STREAM.
 *
 *   open ──END_STREAM received──▶ remote_closed ┐
 *     └────END_STREAM put───────▶ local_closed ─┴▶ both: closed, freed when the bytes have left
 */
struct h2_stream {
	union {
		struct weir_list link;       /* in connection->streams */
		struct h2_stream *next_free; /* it has ended */
	};
	struct weir_list ready_link; /* in connection->ready or connection->sent, or in none */
	struct weir_waiter waiter;   /* of the exchange's producer */
	struct h2_connection *connection;
	struct weir_http_exchange *exchange; /* NULL once it is over */
	struct h2_inbound *inbound;          /* NULL: the request has neither body nor trailers */
	int64_t deadline_ms; /* of a stream that is blocked or lingers: when it is reset */
	uint32_t id;
	uint32_t output_number; /* of the output in which its producer was asked last */
	int32_t send_window;
	struct h2_priority priority;
	bool remote_closed : 1;
	bool local_closed : 1;
	bool counted : 1; /* in connection->open_streams */
	bool blocked : 1; /* by a window */
	bool lingers : 1; /* the reply has left, and the client still sends a body nobody takes */
	bool reading : 1; /* the exchange has a receiver */
	bool woken : 1;   /* while its producer was asked */
	bool failed : 1;  /* its producer has failed: RST_STREAM has been put */
	bool ending : 1;  /* in h2_stream_finish: the exchange may end */
	bool aborted : 1; /* in connection->sent alone: it ends when its last output was taken */
};

/* With an exchange and the producer of a file, a stalled stream has 400 bytes at most. */
_Static_assert(sizeof(struct h2_stream) <= 88, "a stream is too large");

/* -- h2_connection.c -- */

/* The callbacks of the channel, and the type of the producer. */
extern const struct http_session_type h2_session_type;

/* A connection error (RFC 9113 5.4.1): GOAWAY, and the end. All streams are freed. */
void h2_connection_fail(struct h2_connection *connection, enum h2_error code);
/* Appends a frame that is sent before those of streams. `payload` may be empty. */
void h2_connection_send(struct h2_connection *connection, enum h2_frame_type type, unsigned flags,
        uint32_t stream_id, const void *payload, size_t size);
/* Has the channel ask for output. */
void h2_connection_wake(struct h2_connection *connection);
/* `size` bytes of bodies or padding were taken: gives them back to the connection's window. */
void h2_connection_give_back(struct h2_connection *connection, size_t size);
/* Resets streams that are blocked, or linger, for too long. */
void h2_connection_on_stall_time(struct weir_timer *timer);
/* Remembers that a stream has ended, which is not remembered yet. */
void h2_connection_note_closed(struct h2_connection *connection, uint32_t id);
/* Remembers that it was reset. */
void h2_connection_note_reset(struct h2_connection *connection, uint32_t id);
enum h2_closed h2_connection_find_closed(const struct h2_connection *connection, uint32_t id);
/* Counts a stream that ended before its reply (CVE-2023-44487, CVE-2025-8671). */
void h2_connection_count_reset(struct h2_connection *connection);
struct h2_stream *h2_connection_find(struct h2_connection *connection, uint32_t id);
/* Sends GOAWAY with the last stream that is handled; later ones are refused. */
void h2_connection_send_goaway(struct h2_connection *connection);
/* Lets the channel know whether the client is to send a body. */
void h2_connection_expect_bodies(struct h2_connection *connection);

/* -- h2_control.c -- */
/* Handles a whole frame. */
void h2_control_on_frame(struct h2_connection *connection, struct weir_span bytes);

/* -- h2_request.c -- */
void h2_request_on_headers(struct h2_connection *connection, struct h2_frame *frame);
void h2_request_on_continuation(struct h2_connection *connection, const struct h2_frame *frame);
void h2_request_on_data(struct h2_connection *connection, struct h2_frame *frame);

/* -- h2_stream.c -- */
/* `ends`: the request is complete (END_STREAM). NULL without memory. */
struct h2_stream *h2_stream_create(struct h2_connection *connection, uint32_t id, bool ends);
void h2_stream_free_all(struct h2_loop *loop_state);
/*
 * Ends the stream at once, without a frame. The exchange learns that its client is gone: now, or
 * as soon as the bytes that its producer has lent were taken. The stream must not be used any more.
 */
void h2_stream_abort(struct h2_stream *stream);
/* Sends RST_STREAM for any stream, and counts it unless the code is H2_NO_ERROR. */
void h2_stream_send_reset(struct h2_connection *connection, uint32_t id, enum h2_error code);
/* A stream error (RFC 9113 5.4.2): RST_STREAM, and the end. The stream is freed. */
void h2_stream_reset(struct h2_stream *stream, enum h2_error code);
/* The bytes of the reply have left: closes it. The stream may be freed. */
void h2_stream_finish(struct h2_stream *stream);
/* END_STREAM was received, or put. */
void h2_stream_close_remote(struct h2_stream *stream);
void h2_stream_close_local(struct h2_stream *stream);
/* A part of the body has come; `end` if it is the last. The stream may be freed. */
void h2_stream_receive(struct h2_stream *stream, struct weir_span bytes, bool end);
/* The body has ended with trailer fields, a line each. */
void h2_stream_receive_trailers(struct h2_stream *stream, struct weir_span lines);
/* `size` bytes were taken: gives them back to the stream's window. */
void h2_stream_give_back(struct h2_stream *stream, size_t size);
/* Drops what is held, and gives it back to the connection's window. */
void h2_stream_drop_held(struct h2_stream *stream);
/* Passes on what is held, or the end of the body, soon. */
void h2_stream_deliver_held(struct h2_stream *stream);
/* Puts the stream on the ready list. */
void h2_stream_make_ready(struct h2_stream *stream);
/*
 * The stream cannot send before WINDOW_UPDATE comes. It is reset if that takes too long, as a
 * reader is that takes nothing.
 */
void h2_stream_block(struct h2_stream *stream);
/* The client sends nothing any more: streams that wait for it are reset soon. */
void h2_stream_expire_all(struct h2_connection *connection);
/* Has the timer fire at this time, or earlier. */
void h2_stream_start_timer(struct h2_connection *connection, int64_t at_ms);
/* A window has grown. */
void h2_stream_unblock(struct h2_stream *stream);

/* -- h2_output.c -- */
enum weir_more h2_output_more(struct weir_producer *producer, struct weir_output *out);
void h2_output_close(struct weir_producer *producer, enum weir_close_reason why);

/*
 * Scratch of an output in which heads and small bodies of many streams are written, one behind the
 * other. All zero but `out` is one without scratch. Nothing else may be put into the output before
 * h2_writer_commit.
 */
struct h2_writer {
	struct weir_output *out;
	char *begin;
	char *at; /* where the next byte belongs */
	char *end;
};

bool h2_writer_reserve_more(struct h2_writer *writer, size_t size);
void h2_writer_commit(struct h2_writer *writer);

/* Makes room for `size` bytes at writer->at. Returns false without room or memory. */
static inline bool h2_writer_reserve(struct h2_writer *writer, size_t size)
{
	return (size_t)(writer->end - writer->at) >= size || h2_writer_reserve_more(writer, size);
}

enum h2_served {
	H2_SERVED,
	H2_SERVED_NO_ROOM, /* the rest is for the next output */
	H2_SERVED_FAILED,  /* no memory: the connection ends */
};

/* -- h2_data.c -- */
/* The stream has put all: it ends when the bytes have left. */
void h2_data_end(struct h2_stream *stream);
/* Puts some of the body of a reply whose head has been put. */
enum h2_served h2_data_serve(struct h2_stream *stream, struct h2_writer *writer);
/*
 * Returns the size of a body that is lent, if it can be put whole behind `head` more bytes; else 0.
 */
size_t h2_data_lent_size(
        const struct h2_stream *stream, const struct h2_writer *writer, size_t head);
enum {
	H2_DATA_COPY_MAX = 256, /* a smaller one is copied, so that it needs room in the writer */
};
/* Puts it, and the end of the stream. There is room, also for the header of the frame. */
void h2_data_put_lent(struct h2_stream *stream, struct h2_writer *writer, size_t size);

/* -- h2_block.c -- */
/* The room that the head of a reply needs. */
size_t h2_block_head_max(const struct weir_http_exchange *exchange);
/* Writes the head, for which there is room, in HEADERS and CONTINUATION frames. */
void h2_block_put_head(struct h2_stream *stream, struct h2_writer *writer, bool end_stream);
/* Writes all interim replies that wait. Returns false without room or memory. */
bool h2_block_put_interims(struct h2_stream *stream, struct h2_writer *writer);
/* Writes the trailers of a reply, and the end of the stream. Returns likewise. */
bool h2_block_put_trailers(struct h2_stream *stream, struct h2_writer *writer);

/* -- h2_exchange.c -- */
extern const struct http_connection_type h2_connection_type;

#endif
