/*
 * A connection of HTTP/2 as a client sees it. Whatever frames follow the preface, in whatever
 * reads, the server lives, lets go of the connection, and does no more than a bounded amount of
 * work for each byte: handlers are called at most once for each HEADERS frame.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/http.h>
#include <weir/loop.h>
#include <weir/sources.h>

#include "h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEADERS_FRAME_LEAST = 9,
	/* An output is asked for at most so often for each byte that came. */
	RECEIVED_MAX = 1 << 20,
};

static struct weir_loop *loop;
static struct weir_http_server *server;
static size_t handled;

static void on_piece(void *context, struct weir_span bytes)
{
	(void)context;
	if (bytes.size == 0)
		abort();
}

static void on_end(void *context, int error)
{
	if (error == 0)
		weir_http_reply_text(context, 200, "text/plain", WEIR_SPAN("received"));
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	static const struct weir_http_receiver receiver = {on_piece, on_end};
	(void)context;
	handled++;
	if (weir_http_has_body(exchange) && weir_http_path(exchange).size % 2) {
		if (weir_http_receive(exchange, &receiver, exchange, 100) < 0)
			weir_http_reply_error(exchange, 413);
	} else {
		weir_http_reply_text(exchange, 200, "text/plain", weir_http_path(exchange));
	}
}

static void start(void)
{
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address.v4.sin_family = AF_INET;
	options.listener.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	options.http2_prior_knowledge = true;
	if (weir_loop_create(&loop) < 0)
		abort();
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
	static const char first[] = H2_PREFACE "\0\0\0\4\0\0\0\0";
	if (!server) {
		start();
		atexit(stop);
	}
	struct weir_server *listener = weir_http_listener(server);
	int fd = connect_to(weir_server_address(listener));
	size_t step = size ? (size_t)data[size - 1] * 16 + 1 : 1, received = 0;
	handled = 0;
	(void)!send(fd, first, sizeof first,
	        MSG_NOSIGNAL); /* with its NUL: the last byte of SETTINGS */
	for (size_t at = 0; at < size; at += step) {
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
	/* All was sent: so the connection is over. */
	if (weir_server_channels(listener) || handled > size / HEADERS_FRAME_LEAST ||
	        received > RECEIVED_MAX)
		abort();
	close(fd);
	return 0;
}
