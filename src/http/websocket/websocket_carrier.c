/*
 * A WebSocket is carried by the channel of HTTP/1.1, whose session it becomes when its exchange
 * ends with 101; or by a stream of HTTP/2, whose exchange stays as a tunnel.
 *
 * Of a stream, two parties end: the exchange closes the output as the reply's body, and ends the
 * input as a body's receiver, unless the output was complete. The last of the two frees the
 * WebSocket.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "websocket_state.h"

/* -- HTTP/1.1 ---------------------------------------------------------------------------------- */

static struct weir_channel *websocket_channel(const struct weir_websocket *websocket)
{
	return websocket->connection;
}

static struct weir_loop *websocket_channel_loop(const struct weir_websocket *websocket)
{
	return weir_channel_loop(websocket_channel(websocket));
}

static void websocket_channel_pause(struct weir_websocket *websocket)
{
	weir_channel_pause(websocket_channel(websocket));
}

static void websocket_channel_resume(struct weir_websocket *websocket)
{
	weir_channel_resume(websocket_channel(websocket));
}

static void websocket_channel_abort(struct weir_websocket *websocket)
{
	weir_channel_abort(websocket_channel(websocket), -ECONNABORTED);
}

/* The session may have gone before: then the channel ends anyway. */
static void websocket_channel_on_output_closed(
        struct weir_producer *producer, enum weir_close_reason why)
{
	struct weir_websocket *websocket =
	        WEIR_CONTAINER(producer, struct weir_websocket, producer);
	if (why == WEIR_CLOSE_DONE)
		weir_channel_close(websocket_channel(websocket));
}

static void websocket_channel_on_piece(void *session, struct weir_span bytes)
{
	websocket_input(session, bytes);
}

/* A terminator that has no end cuts no request, and refuses nothing. */
static void websocket_channel_on_request(void *session, struct weir_span request)
{
	(void)session, (void)request;
}

static void websocket_channel_on_overflow(void *session)
{
	(void)session;
}

/* Behind a Close frame the client may end its input, while the rest of the queue is sent. */
static void websocket_channel_on_eof(void *session)
{
	struct weir_websocket *websocket = session;
	if (websocket->phase < WEBSOCKET_ENDING)
		websocket_channel_abort(websocket);
}

static void websocket_channel_on_timeout(void *session, enum weir_timeout which)
{
	(void)session, (void)which; /* the client takes nothing: the channel is aborted */
}

static void websocket_channel_on_draining(void *session)
{
	websocket_drain(session);
}

static void websocket_channel_on_close(void *session)
{
	struct weir_websocket *websocket = session;
	websocket_lose(websocket);
	weir_channel_set_session(websocket_channel(websocket), NULL);
	websocket_free(websocket);
}

static const struct http_session_type websocket_session_type = {
        .producer =
                {
                        .name = "websocket",
                        .more = websocket_output_more,
                        .close = websocket_channel_on_output_closed,
                },
        .on_request = websocket_channel_on_request,
        .on_piece = websocket_channel_on_piece,
        .on_overflow = websocket_channel_on_overflow,
        .on_eof = websocket_channel_on_eof,
        .on_timeout = websocket_channel_on_timeout,
        .on_draining = websocket_channel_on_draining,
        .on_close = websocket_channel_on_close,
};

static const struct websocket_carrier websocket_channel_carrier = {
        .loop = websocket_channel_loop,
        .pause = websocket_channel_pause,
        .resume = websocket_channel_resume,
        .abort = websocket_channel_abort,
};

/* -- HTTP/2 ------------------------------------------------------------------------------------ */

struct websocket_stream {
	struct weir_websocket websocket; /* first */
	struct weir_task abort;
	bool output_closed, input_ended;
};

static struct websocket_stream *websocket_stream_of(struct weir_websocket *websocket)
{
	return WEIR_CONTAINER(websocket, struct websocket_stream, websocket);
}

static struct weir_http_exchange *websocket_exchange(const struct weir_websocket *websocket)
{
	return websocket->connection;
}

static struct weir_loop *websocket_stream_loop(const struct weir_websocket *websocket)
{
	return weir_http_loop(websocket_exchange(websocket));
}

static void websocket_stream_pause(struct weir_websocket *websocket)
{
	weir_http_pause(websocket_exchange(websocket));
}

static void websocket_stream_resume(struct weir_websocket *websocket)
{
	weir_http_resume(websocket_exchange(websocket));
}

static void websocket_stream_on_abort(struct weir_task *task)
{
	struct websocket_stream *stream = WEIR_CONTAINER(task, struct websocket_stream, abort);
	struct weir_http_exchange *exchange = websocket_exchange(&stream->websocket);
	if (exchange->stream)
		exchange->connection->abort(exchange);
}

/* A stream that is reset frees its exchange at once, so not within a callback of it. */
static void websocket_stream_abort(struct weir_websocket *websocket)
{
	struct websocket_stream *stream = websocket_stream_of(websocket);
	stream->abort.run = websocket_stream_on_abort;
	weir_loop_defer(websocket_stream_loop(websocket), &stream->abort);
}

static void websocket_stream_free_if_over(struct websocket_stream *stream)
{
	if (!stream->output_closed || !stream->input_ended)
		return;
	weir_loop_cancel(websocket_stream_loop(&stream->websocket), &stream->abort);
	websocket_free(&stream->websocket);
}

static void websocket_stream_on_output_closed(
        struct weir_producer *producer, enum weir_close_reason why)
{
	struct weir_websocket *websocket =
	        WEIR_CONTAINER(producer, struct weir_websocket, producer);
	struct websocket_stream *stream = websocket_stream_of(websocket);
	websocket_lose(websocket);
	stream->output_closed = true;
	stream->input_ended |= why == WEIR_CLOSE_DONE;
	websocket_stream_free_if_over(stream);
}

static void websocket_stream_on_piece(void *context, struct weir_span bytes)
{
	websocket_input(context, bytes);
}

static void websocket_stream_on_end(void *context, int error)
{
	struct weir_websocket *websocket = context;
	struct websocket_stream *stream = websocket_stream_of(websocket);
	(void)error;
	stream->input_ended = true;
	if (!stream->output_closed && websocket->phase < WEBSOCKET_ENDING) {
		websocket_lose(websocket);
		websocket_stream_abort(websocket);
	}
	websocket_stream_free_if_over(stream);
}

static void websocket_stream_on_draining(void *context)
{
	websocket_drain(context);
}

static const struct websocket_carrier websocket_stream_carrier = {
        .loop = websocket_stream_loop,
        .pause = websocket_stream_pause,
        .resume = websocket_stream_resume,
        .abort = websocket_stream_abort,
};

/* -- beginning --------------------------------------------------------------------------------- */

struct weir_websocket *websocket_carrier_create(struct weir_http_exchange *exchange)
{
	static const struct weir_producer_type stream_type = {
	        .name = "websocket",
	        .more = websocket_output_more,
	        .close = websocket_stream_on_output_closed,
	};
	bool streams = exchange->connection->frames_bodies;
	struct websocket_stream *stream = streams ? calloc(1, sizeof *stream) : NULL;
	struct weir_websocket *websocket =
	        streams ? (stream ? &stream->websocket : NULL) : calloc(1, sizeof *websocket);
	if (!websocket)
		return NULL;
	weir_producer_init(
	        &websocket->producer, streams ? &stream_type : &websocket_session_type.producer);
	websocket->carrier = streams ? &websocket_stream_carrier : &websocket_channel_carrier;
	websocket->connection = streams ? (void *)exchange : (void *)exchange->channel;
	/* Nothing is called before the connection is made. */
	websocket->phase = WEBSOCKET_GONE;
	return websocket;
}

int websocket_carrier_begin(struct weir_websocket *websocket, struct weir_http_exchange *exchange)
{
	static const struct weir_http_receiver receiver = {
	        .piece = websocket_stream_on_piece,
	        .end = websocket_stream_on_end,
	        .draining = websocket_stream_on_draining,
	};
	struct weir_span protocol = WEIR_SPAN("websocket");
	if (!exchange->connection->frames_bodies) {
		int error = http_upgrade_take_over(exchange, protocol, &websocket->producer);
		if (error)
			websocket_free(websocket);
		return error;
	}
	struct websocket_stream *stream = websocket_stream_of(websocket);
	/* After an error the output is closed, and frees it. */
	stream->input_ended = true;
	int error =
	        weir_http_upgrade(exchange, protocol, &receiver, websocket, &websocket->producer);
	if (!error)
		stream->input_ended = false;
	return error;
}
