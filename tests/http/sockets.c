/* See the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "sockets.h"
#include "websocket_frame.h"

#define NOTE(buffer, ...) weir_buffer_format(buffer, SIZE_MAX, __VA_ARGS__)

/* -- the server -------------------------------------------------------------------------------- */

static void note_bytes(struct weir_buffer *buffer, struct weir_span bytes)
{
	if (bytes.size > 60)
		NOTE(buffer, "%zu", bytes.size);
	else
		NOTE(buffer, "\"%.*s\"", (int)bytes.size, bytes.size ? bytes.data : "");
}

static char letter(enum weir_websocket_kind kind)
{
	return kind == WEIR_WEBSOCKET_TEXT ? 'T' : 'B';
}

static void on_message(void *context, enum weir_websocket_kind kind, struct weir_span message)
{
	struct sockets *sockets = context;
	if (!sockets->quiet) {
		NOTE(&sockets->events, "%c", letter(kind));
		note_bytes(&sockets->events, message);
		NOTE(&sockets->events, " ");
	}
	if (sockets->echoes)
		weir_websocket_send(sockets->last, kind, message);
}

static void on_begin(void *context, enum weir_websocket_kind kind)
{
	struct sockets *sockets = context;
	NOTE(&sockets->events, "%c( ", letter(kind));
}

static void on_piece(void *context, struct weir_span bytes)
{
	struct sockets *sockets = context;
	if (sockets->quiet)
		return;
	note_bytes(&sockets->events, bytes);
	NOTE(&sockets->events, " ");
}

static void on_end(void *context)
{
	struct sockets *sockets = context;
	NOTE(&sockets->events, ") ");
}

static void on_drained(void *context)
{
	struct sockets *sockets = context;
	NOTE(&sockets->events, "drained ");
}

static void on_closed(void *context, unsigned code, struct weir_span reason)
{
	struct sockets *sockets = context;
	NOTE(&sockets->events, "closed%u", code);
	note_bytes(&sockets->events, reason);
	NOTE(&sockets->events, " ");
	sockets->last = NULL;
	sockets->open--;
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	struct sockets *sockets = context;
	struct weir_websocket *websocket;
	if (sockets->streams)
		sockets->options.message = NULL;
	sockets->error = weir_websocket_accept(exchange, &sockets->options, sockets, &websocket);
	if (sockets->error)
		return;
	sockets->last = websocket;
	sockets->open++;
	sockets->accepted++;
	if (sockets->on_accepted)
		sockets->on_accepted(sockets);
}

void sockets_start(struct sockets *sockets, struct weir_loop *loop)
{
	struct weir_http_options options;
	*sockets = (struct sockets){.loop = loop, .echoes = true};
	weir_websocket_options_init(&sockets->options);
	sockets->options.message = on_message;
	sockets->options.begin = on_begin;
	sockets->options.piece = on_piece;
	sockets->options.end = on_end;
	sockets->options.drained = on_drained;
	sockets->options.closed = on_closed;
	weir_http_options_init(&options);
	options.listener.address = local_address();
	options.http2_prior_knowledge = options.http2_extended_connect = true;
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, sockets));
	assert_int_equal(weir_http_create(loop, &options, &sockets->server), 0);
}

void sockets_stop(struct sockets *sockets)
{
	weir_http_destroy(sockets->server);
	weir_loop_turn(sockets->loop, 0);
	assert_int_equal(sockets->open, 0);
	weir_buffer_finish(&sockets->events);
}

static bool buffer_is(struct weir_buffer *buffer, const char *text)
{
	return weir_span_equal(weir_buffer_span(buffer), weir_span_of(text));
}

void sockets_expect(struct sockets *sockets, const char *events)
{
	if (!TURN_UNTIL(sockets->loop, buffer_is(&sockets->events, events)))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)sockets->events.size,
		        sockets->events.size ? sockets->events.data : "", events);
	sockets->events.size = 0;
}

/* -- the client -------------------------------------------------------------------------------- */

struct socket_client socket_connect(struct sockets *sockets, const char *lines)
{
	struct socket_client client = {0};
	char request[2000];
	client.peer = peer_connect(
	        sockets->loop, weir_server_address(weir_http_listener(sockets->server)), 0);
	snprintf(request, sizeof request,
	        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\n"
	        "Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
	        "Sec-WebSocket-Key: " SOCKET_KEY "\r\n%s\r\n",
	        lines);
	peer_send(&client.peer, request);
	struct weir_buffer *got = &client.peer.got;
	char *end = NULL;
	while (!end) {
		assert_true(peer_read_more(&client.peer));
		end = memmem(got->data, got->size, "\r\n\r\n", 4);
	}
	assert_memory_equal(got->data, "HTTP/1.1 101 ", 13);
	weir_buffer_consume(got, (size_t)(end + 4 - got->data));
	return client;
}

void socket_send(
        struct socket_client *client, unsigned first, const void *payload, size_t size, size_t step)
{
	static const uint8_t mask[4] = {0x12, 0xab, 0x00, 0xff};
	char *frame = malloc(size + WEBSOCKET_HEADER_MAX);
	assert_non_null(frame);
	size_t header = websocket_header_put(frame, first, size);
	frame[1] = (char)(frame[1] | (char)WEBSOCKET_MASKED);
	memcpy(frame + header, mask, 4);
	header += 4;
	for (size_t i = 0; i < size; i++)
		frame[header + i] = (char)(((const char *)payload)[i] ^ mask[i % 4]);
	size += header;
	step = step ? step : size;
	for (size_t at = 0; at < size; at += step) {
		peer_send_bytes(&client->peer, frame + at, size - at < step ? size - at : step);
		if (step < size)
			peer_turn(&client->peer, 1);
	}
	free(frame);
}

static const char *name_of(unsigned opcode)
{
	static const char *const names[16] = {
	        "cont", "text", "binary", [8] = "close", "ping", "pong"};
	return names[opcode] ? names[opcode] : "unknown";
}

/* Notes a frame that has come whole. Returns false if there is none. */
static bool note_frame(struct socket_client *client)
{
	struct weir_buffer *got = &client->peer.got;
	const uint8_t *bytes = (const uint8_t *)got->data;
	if (got->size < 2 || got->size < websocket_header_size(bytes))
		return false;
	size_t header = websocket_header_size(bytes), size = bytes[1];
	assert_false(bytes[1] & WEBSOCKET_MASKED);
	if (size >= 126) {
		size = 0;
		for (size_t i = 2; i < header; i++)
			size = size << 8 | bytes[i];
	}
	if (got->size < header + size)
		return false;
	struct weir_span payload = weir_span(bytes + header, size);
	client->first = bytes[0];
	client->last.size = 0;
	weir_buffer_append(&client->last, payload.data, payload.size, SIZE_MAX);
	NOTE(&client->text, "%s%s%s", name_of(bytes[0] & 15), bytes[0] & WEBSOCKET_FIN ? "" : "+",
	        bytes[0] & WEBSOCKET_RSV1 ? "~" : "");
	if ((bytes[0] & 15) == WEBSOCKET_CLOSE && size >= 2) {
		NOTE(&client->text, "%u",
		        (unsigned)(uint8_t)payload.data[0] << 8 | (uint8_t)payload.data[1]);
		payload = weir_span_skip(payload, 2);
	}
	note_bytes(&client->text, payload);
	NOTE(&client->text, " ");
	weir_buffer_consume(got, header + size);
	return true;
}

void socket_note(struct socket_client *client)
{
	note_frame(client);
}

static bool client_has(struct socket_client *client, const char *text)
{
	char bytes[65536];
	ssize_t size = recv(client->peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (size > 0)
		weir_buffer_append(&client->peer.got, bytes, (size_t)size, SIZE_MAX);
	while (note_frame(client))
		;
	if (size == 0 && !client->peer.eof) {
		client->peer.eof = true;
		NOTE(&client->text, "end ");
	}
	return buffer_is(&client->text, text);
}

void socket_expect(struct socket_client *client, const char *text)
{
	if (!TURN_UNTIL(client->peer.loop, client_has(client, text)))
		fail_msg("\"%.*s\" instead of \"%s\"", (int)client->text.size,
		        client->text.size ? client->text.data : "", text);
	client->text.size = 0;
}

void socket_close(struct socket_client *client)
{
	peer_close(&client->peer);
	weir_buffer_finish(&client->text);
	weir_buffer_finish(&client->last);
}
