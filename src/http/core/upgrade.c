/*
 * Another protocol on the connection of an exchange (RFC 9110 7.8), or on its stream (RFC 8441).
 *
 *   tunnel    the exchange stays: its body is the client's input, its reply's body the output
 *   takeover  of HTTP/1.1: the exchange ends with its 101, and another session has the channel
 *
 * Nothing that the client sends behind its request is read before the reply, so that it is either
 * part of the other protocol or a request of its own.
 */
#include <errno.h>

#include <weir/error.h>

#include "exchange.h"
#include "syntax.h"

bool weir_http_may_upgrade(const struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = exchange->handling->request;
	const struct weir_http_field *field = NULL;
	if (!request || request->minor == 0 || !request->first[WEIR_HTTP_UPGRADE] ||
	        !exchange->keep_alive || (exchange->had_body && !exchange->extended_connect))
		return false;
	while ((field = weir_http_request_next(request, WEIR_HTTP_CONNECTION, field)))
		if (http_list_has(field->value, WEIR_SPAN("Upgrade")))
			return true;
	return false;
}

/* Returns 0 if the reply may change the protocol now. */
static int http_upgrade_check(const struct weir_http_exchange *exchange)
{
	if (exchange->reply_state != HTTP_REPLY_AWAITED || !exchange->channel)
		return WEIR_E_CLOSED;
	return weir_http_may_upgrade(exchange) ? 0 : -EINVAL;
}

/* 101 with the protocol; or 200, which is all that RFC 8441 needs. */
static int http_upgrade_prepare(struct weir_http_exchange *exchange, struct weir_span protocol)
{
	bool stream = exchange->connection->frames_bodies;
	exchange->framing = stream ? HTTP_FRAMED_BY_STREAM : HTTP_FRAMED_BY_UPGRADE;
	return stream ? 0 : weir_http_add_field(exchange, "Upgrade", protocol);
}

int weir_http_upgrade(struct weir_http_exchange *exchange, struct weir_span protocol,
        const struct weir_http_receiver *receiver, void *context, struct weir_producer *output)
{
	int error = http_upgrade_check(exchange);
	if (!error && !output)
		error = -ENOMEM;
	if (!error)
		error = http_upgrade_prepare(exchange, protocol);
	if (error) {
		weir_producer_close(output, WEIR_CLOSE_ABORTED);
		return error;
	}
	struct http_handling *handling = exchange->handling;
	handling->receiver = receiver;
	handling->receiver_context = context;
	handling->body_max = UINT64_MAX;
	exchange->received = true;
	exchange->body_state = HTTP_BODY_TUNNEL;
	exchange->keep_alive = exchange->connection->frames_bodies;
	if (receiver->draining)
		weir_channel_notify_drain(exchange->channel, true);
	exchange->connection->begin_tunnel(exchange);
	http_reply_begin(exchange, exchange->connection->frames_bodies ? 200 : 101, output);
	return 0;
}

void http_upgrade_end_tunnel(struct weir_http_exchange *exchange)
{
	exchange->handling->receiver = NULL;
	exchange->body_state = HTTP_BODY_NONE;
}

int http_upgrade_take_over(struct weir_http_exchange *exchange, struct weir_span protocol,
        struct weir_producer *session)
{
	struct weir_channel *channel = exchange->channel;
	int error = http_upgrade_check(exchange);
	if (!error)
		error = http_upgrade_prepare(exchange, protocol);
	if (error)
		return error;
	weir_channel_set_session(channel, session);
	weir_channel_set_reads(channel, WEIR_READS_SMALL);
	weir_channel_stream(channel, weir_everything());
	weir_channel_notify_drain(channel, true);
	weir_channel_resume(channel);
	/* The reply is in the queue: nothing else connects the two any more. */
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	http_reply_begin(exchange, 101, NULL);
	exchange->channel = NULL;
	http_exchange_leave_handler(exchange, before);
	http_exchange_free_if_unused(exchange);
	/* Without memory the producer is closed, and the channel ends. */
	weir_channel_push(channel, session);
	return 0;
}
