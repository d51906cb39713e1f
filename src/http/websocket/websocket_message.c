/*
 * Messages that are sent: a frame that is composed once, for however many receivers. The header
 * lies directly in front of the payload, so that a frame is one piece of memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "websocket_state.h"

struct weir_websocket_message *websocket_message_allocate(size_t size)
{
	struct weir_websocket_message *message =
	        malloc(sizeof *message + WEBSOCKET_HEADER_SENT_MAX + size);
	if (!message)
		return NULL;
	*message = (struct weir_websocket_message){0};
	local_refcount_init(&message->references);
	return message;
}

void websocket_message_seal(struct weir_websocket_message *message, enum weir_websocket_kind kind,
        bool compressed, size_t size)
{
	char header[WEBSOCKET_HEADER_SENT_MAX];
	unsigned first = WEBSOCKET_FIN | (compressed ? WEBSOCKET_RSV1 : 0u) | (unsigned)kind;
	size_t header_size = websocket_header_put(header, first, size);
	memcpy(message->bytes + WEBSOCKET_HEADER_SENT_MAX - header_size, header, header_size);
	message->kind = (uint8_t)kind;
	message->header_size = (uint8_t)header_size;
	message->size = (uint32_t)size;
}

int weir_websocket_message_create(
        enum weir_websocket_kind kind, struct weir_span bytes, struct weir_websocket_message **ret)
{
	if (bytes.size > WEIR_WEBSOCKET_SEND_MAX)
		return WEIR_E_LIMIT;
	if (kind == WEIR_WEBSOCKET_TEXT && !websocket_utf8_valid(bytes))
		return WEIR_E_SYNTAX;
	struct weir_websocket_message *message = websocket_message_allocate(bytes.size);
	if (!message)
		return -ENOMEM;
	if (bytes.size)
		memcpy(message->bytes + WEBSOCKET_HEADER_SENT_MAX, bytes.data, bytes.size);
	websocket_message_seal(message, kind, false, bytes.size);
	*ret = message;
	return 0;
}

struct weir_websocket_message *weir_websocket_message_hold(struct weir_websocket_message *message)
{
	local_refcount_hold(&message->references);
	return message;
}

void weir_websocket_message_release(struct weir_websocket_message *message)
{
	if (!message || !local_refcount_release(&message->references))
		return;
	weir_websocket_message_release(message->compressed);
	free(message);
}

int weir_websocket_send_message(
        struct weir_websocket *websocket, struct weir_websocket_message *message)
{
	int error = websocket_may_queue(websocket, websocket_message_cost(message));
	return error ? error : websocket_output_push(websocket, message);
}

int weir_websocket_send(
        struct weir_websocket *websocket, enum weir_websocket_kind kind, struct weir_span bytes)
{
	struct weir_websocket_message *message;
	int error = websocket_may_queue(websocket, bytes.size);
	if (!error)
		error = weir_websocket_message_create(kind, bytes, &message);
	if (error)
		return error;
	error = weir_websocket_send_message(websocket, message);
	weir_websocket_message_release(message);
	return error;
}
