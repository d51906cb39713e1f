/*
 * A WebSocket as a client sees it. Whatever bytes follow the handshake, in whatever reads, with or
 * without compression, in pieces or whole: the server lives, calls back in order, lets go of the
 * connection, and does no more than a bounded amount of work for each byte.
 *
 * The first byte of the input chooses how the server is set up, the last one how large reads are.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/http.h>
#include <weir/loop.h>
#include <weir/websocket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MESSAGE_MAX = 4096,
	FRAME_LEAST = 6,
	/* A byte of deflate becomes at most 1032. */
	INFLATED_MAX = 1032,
	PONG_MAX = 2,
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
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address.v4.sin_family = AF_INET;
	options.listener.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
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
	options.sites = weir_http_sites_create(weir_http_function_create("", handle, NULL));
	if (weir_http_create(loop, &options, &server) < 0)
		abort();
}

static void stop(void)
{
	weir_http_destroy(server);
	weir_loop_destroy(loop);
}

/* From one of many addresses: each has ports for some thousand connections a minute. */
static int connect_to(const struct weir_address *address)
{
	static uint32_t count;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct weir_address from = {0};
	from.v4.sin_family = AF_INET;
	from.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + count++ % 250);
	if (fd < 0 || bind(fd, &from.any, sizeof from.v4) < 0 ||
	        connect(fd, &address->any, sizeof address->v4) < 0)
		abort();
	return fd;
}

static size_t drain(int fd)
{
	char bytes[16384];
	ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	return got > 0 ? (size_t)got : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char request[] =
	        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
	if (!server) {
		start();
		atexit(stop);
	}
	if (size == 0)
		return 0;
	struct weir_server *listener = weir_http_listener(server);
	int fd = connect_to(weir_server_address(listener));
	size_t step = (size_t)data[size - 1] * 16 + 1, received = 0;
	setup = data[0] % (sizeof setups / sizeof *setups);
	messages = pieces_size = 0;
	closed = 0;
	within = false;
	(void)!send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
	for (size_t at = 1; at < size; at += step) {
		size_t part = size - at < step ? size - at : step;
		(void)!send(fd, data + at, part, MSG_NOSIGNAL | MSG_DONTWAIT);
		weir_loop_turn(loop, 0);
		received += drain(fd);
	}
	shutdown(fd, SHUT_WR);
	for (int turns = 0; turns < 4 || (turns < 1000 && weir_server_channels(listener));
	        turns++) {
		received += drain(fd);
		weir_loop_turn(loop, turns < 10 ? 0 : 1);
	}
	/* All was sent: so the connection is over, and its end was reported once. */
	if (weir_server_channels(listener) || closed != 1 || messages > size / FRAME_LEAST ||
	        pieces_size > size * INFLATED_MAX || received > 4096 + size * INFLATED_MAX)
		abort();
	close(fd);
	return 0;
}
