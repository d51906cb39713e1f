/* The functions that an exchange calls on its stream; see struct http_connection_type. */
#include <weir/error.h>

#include "h2_connection.h"

/* The bytes of the reply's body; its head is composed in h2_output.c. */
static enum weir_more h2_exchange_more(struct weir_producer *producer, struct weir_output *out)
{
	struct weir_http_exchange *exchange =
	        WEIR_CONTAINER(producer, struct weir_http_exchange, producer);
	return http_response_put_body(exchange, out);
}

static int h2_exchange_attach(struct weir_http_exchange *exchange)
{
	static const struct weir_producer_type type = {
	        .name = "http2-response",
	        .more = h2_exchange_more,
	        .close = http_response_close,
	};
	struct h2_stream *stream = exchange->stream;
	exchange->producer.type = &type;
	exchange->producer.waiter = &stream->waiter;
	stream->exchange = exchange;
	return 0;
}

static void h2_exchange_read_body(struct weir_http_exchange *exchange)
{
	struct h2_stream *stream = exchange->stream;
	stream->reading = true;
	h2_stream_deliver_held(stream);
	h2_connection_expect_bodies(stream->connection);
}

static void h2_exchange_pause_body(struct weir_http_exchange *exchange)
{
	h2_connection_expect_bodies(exchange->stream->connection);
}

static void h2_exchange_resume_body(struct weir_http_exchange *exchange)
{
	struct h2_stream *stream = exchange->stream;
	h2_stream_deliver_held(stream);
	h2_connection_expect_bodies(stream->connection);
}

/* Frames that come later are dropped, and the stream is reset behind the reply. */
static void h2_exchange_drop_body(struct weir_http_exchange *exchange)
{
	exchange->body_state = HTTP_BODY_NONE;
	h2_stream_drop_held(exchange->stream);
	h2_connection_expect_bodies(exchange->stream->connection);
}

static void h2_exchange_end_body(struct weir_http_exchange *exchange)
{
	if (exchange->stream)
		h2_connection_expect_bodies(exchange->stream->connection);
}

static void h2_exchange_fail_body(struct weir_http_exchange *exchange)
{
	h2_stream_drop_held(exchange->stream);
}

static bool h2_exchange_release_body(struct weir_http_exchange *exchange)
{
	return exchange->body_state != HTTP_BODY_NONE;
}

static void h2_exchange_abort(struct weir_http_exchange *exchange)
{
	h2_stream_reset(exchange->stream, H2_CANCEL);
}

/* Behind a tunnel's output the client need not go on. */
static void h2_exchange_reply_left(struct weir_http_exchange *exchange)
{
	if (exchange->body_state == HTTP_BODY_TUNNEL)
		http_upgrade_end_tunnel(exchange);
}

static void h2_exchange_freed(struct weir_http_exchange *exchange)
{
	struct h2_stream *stream = exchange->stream;
	if (!stream)
		return;
	exchange->stream = NULL;
	stream->exchange = NULL;
	if (stream->ending)
		return;
	/* The body has ended behind the reply: the stream is closed, or the client need not go on.
	 */
	if (stream->remote_closed)
		h2_stream_abort(stream);
	else
		h2_stream_reset(stream, H2_NO_ERROR);
}

const struct http_connection_type h2_connection_type = {
        .major = 2,
        .frames_bodies = true,
        .attach = h2_exchange_attach,
        .read_body = h2_exchange_read_body,
        .pause_body = h2_exchange_pause_body,
        .resume_body = h2_exchange_resume_body,
        .drop_body = h2_exchange_drop_body,
        .end_body = h2_exchange_end_body,
        .fail_body = h2_exchange_fail_body,
        .release_body = h2_exchange_release_body,
        .begin_tunnel = h2_exchange_read_body,
        .abort = h2_exchange_abort,
        .reply_left = h2_exchange_reply_left,
        .freed = h2_exchange_freed,
};
