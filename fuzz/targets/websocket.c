/*
 * A WebSocket as a client sees it. Whatever bytes follow the handshake, in whatever reads, with or
 * without compression, in pieces or whole: the server lives, calls back in order, lets go of the
 * connection, and does no more than a bounded amount of work for each byte.
 *
 * The first byte of the input chooses how the server is set up, the last one how large reads are.
 */
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/websocket.h>

#include "http_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MESSAGE_MAX = 4096,
	FRAME_LEAST = 6,
	/* A byte of deflate becomes at most 1032. */
	INFLATED_MAX = 1032,
	/* The head of the reply, a ping, a Close frame. */
	RECEIVED_BESIDE = 4096,
};

static struct weir_loop *loop;
static struct weir_http_server *server;
static struct weir_websocket_options setups[8];
static struct weir_websocket *open;
static size_t messages, pieces_size, message_size;
static unsigned closed, setup;
static bool within;

static void on_message(void *context, enum weir_websocket_kind kind, struct weir_span message)
{
	(void)context;
	if (closed || message.size > MESSAGE_MAX)
		abort();
	messages++;
	pieces_size += message.size;
	weir_websocket_send(open, kind, message);
}

static void on_begin(void *context, enum weir_websocket_kind kind)
{
	(void)context, (void)kind;
	if (closed || within)
		abort();
	within = true;
	message_size = 0;
}

static void on_piece(void *context, struct weir_span bytes)
{
	(void)context;
	message_size += bytes.size;
	if (closed || !within || bytes.size == 0 || message_size > MESSAGE_MAX)
		abort();
	pieces_size += bytes.size;
}

static void on_end(void *context)
{
	(void)context;
	if (closed || !within)
		abort();
	within = false;
	messages++;
	if (messages % 3 == 0)
		weir_websocket_close(open, 1000, WEIR_SPAN("enough"));
}

static void on_closed(void *context, unsigned code, struct weir_span reason)
{
	(void)context, (void)reason;
	if (code < 1000 || code > 4999)
		abort();
	closed++;
	open = NULL;
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	if (weir_websocket_accept(exchange, &setups[setup], NULL, &open) < 0)
		abort();
}

static void start(void)
{
	if (weir_loop_create(&loop) < 0)
		abort();
	for (unsigned i = 0; i < sizeof setups / sizeof *setups; i++) {
		weir_websocket_options_init(&setups[i]);
		setups[i].message = i & 1 ? on_message : NULL;
		setups[i].begin = on_begin;
		setups[i].piece = on_piece;
		setups[i].end = on_end;
		setups[i].closed = on_closed;
		setups[i].message_max = MESSAGE_MAX;
		setups[i].deflate = i & 4   ? WEIR_WEBSOCKET_DEFLATE_TAKEOVER
		                    : i & 2 ? WEIR_WEBSOCKET_DEFLATE
		                            : WEIR_WEBSOCKET_DEFLATE_OFF;
	}
	server = fuzz_http_start(loop, weir_http_function_create("", handle, NULL), false);
}

static void stop(void)
{
	weir_http_destroy(server);
	weir_loop_destroy(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_span request = WEIR_SPAN(
	        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	        "Sec-WebSocket-Version: 13\r\n"
	        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
	if (!server) {
		start();
		atexit(stop);
	}
	if (size == 0)
		return 0;
	setup = data[0] % (sizeof setups / sizeof *setups);
	messages = pieces_size = 0;
	closed = 0;
	within = false;
	size_t received = fuzz_http_converse(loop, server, request, data + 1, size - 1);
	/* The end of the WebSocket was reported once. */
	if (closed != 1 || messages > size / FRAME_LEAST || pieces_size > size * INFLATED_MAX ||
	        received > RECEIVED_BESIDE + size * INFLATED_MAX)
		abort();
	return 0;
}
