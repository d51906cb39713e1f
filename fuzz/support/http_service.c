#include "http_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/loop.h>

/* -- the server -------------------------------------------------------------------------------- */

struct weir_http_server *fuzz_http_start(
        struct weir_loop *loop, struct weir_http_handler *handler, bool http2)
{
	struct weir_http_options options;
	struct weir_http_server *server;
	weir_http_options_init(&options);
	options.listener.address.v4.sin_family = AF_INET;
	options.listener.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	options.http2_prior_knowledge = http2;
	options.sites = weir_http_sites_create(handler);
	if (weir_http_create(loop, &options, &server) < 0)
		abort();
	return server;
}

static void fuzz_http_on_piece(void *context, struct weir_span bytes)
{
	(void)context;
	if (bytes.size == 0)
		abort();
}

static void fuzz_http_on_end(void *context, int error)
{
	if (error == 0)
		weir_http_reply_text(context, 200, "text/plain", WEIR_SPAN("received"));
}

static void fuzz_http_on_request(void *context, struct weir_http_exchange *exchange)
{
	static const struct weir_http_receiver receiver = {fuzz_http_on_piece, fuzz_http_on_end};
	size_t *calls = context;
	(*calls)++;
	if (weir_http_has_body(exchange) && weir_http_path(exchange).size % 2) {
		if (weir_http_receive(exchange, &receiver, exchange, 100) < 0)
			weir_http_reply_error(exchange, 413);
	} else {
		weir_http_reply_text(exchange, 200, "text/plain", weir_http_path(exchange));
	}
}

struct weir_http_handler *fuzz_http_echo(size_t *calls)
{
	return weir_http_function_create("", fuzz_http_on_request, calls);
}

/* -- a client ---------------------------------------------------------------------------------- */

/* From one of many addresses: each has ports for some thousand connections a minute. */
int fuzz_http_connect(struct weir_http_server *server)
{
	static uint32_t count;
	const struct weir_address *to = weir_server_address(weir_http_listener(server));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct weir_address from = {0};
	from.v4.sin_family = AF_INET;
	from.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + count++ % 250);
	if (fd < 0 || bind(fd, &from.any, sizeof from.v4) < 0 ||
	        connect(fd, &to->any, sizeof to->v4) < 0)
		abort();
	return fd;
}

static size_t fuzz_http_drain(int fd)
{
	char bytes[16384];
	ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	return got > 0 ? (size_t)got : 0;
}

size_t fuzz_http_converse(struct weir_loop *loop, struct weir_http_server *server,
        struct weir_span first, const uint8_t *data, size_t size)
{
	struct weir_server *listener = weir_http_listener(server);
	size_t step = size ? (size_t)data[size - 1] * 16 + 1 : 1, received = 0;
	int fd = fuzz_http_connect(server);
	(void)!send(fd, first.data, first.size, MSG_NOSIGNAL);
	for (size_t at = 0; at < size; at += step) {
		size_t part = size - at < step ? size - at : step;
		(void)!send(fd, data + at, part, MSG_NOSIGNAL | MSG_DONTWAIT);
		weir_loop_turn(loop, 0);
		received += fuzz_http_drain(fd);
	}
	shutdown(fd, SHUT_WR);
	for (int turns = 0; turns < 4 || (turns < 1000 && weir_server_channels(listener));
	        turns++) {
		received += fuzz_http_drain(fd);
		weir_loop_turn(loop, turns < 10 ? 0 : 1);
	}
	/* All was sent: so the connection is over. */
	if (weir_server_channels(listener))
		abort();
	close(fd);
	return received;
}

/* -- an upstream ------------------------------------------------------------------------------- */

enum {
	FUZZ_UPSTREAM_CONNECTIONS = 32
};

static struct {
	int listener;
	char folder[sizeof "/tmp/weir-fuzz-XXXXXX"];
	struct sockaddr_un address;
	unsigned count;
	struct {
		int fd;
		size_t sent;
		bool finished;
	} connections[FUZZ_UPSTREAM_CONNECTIONS];
} upstream = {.folder = "/tmp/weir-fuzz-XXXXXX", .address = {.sun_family = AF_UNIX}};

static void fuzz_upstream_stop(void)
{
	close(upstream.listener);
	unlink(upstream.address.sun_path);
	rmdir(upstream.folder);
}

const char *fuzz_upstream_start(void)
{
	struct sockaddr_un *address = &upstream.address;
	if (!mkdtemp(upstream.folder))
		abort();
	snprintf(address->sun_path, sizeof address->sun_path, "%s/socket", upstream.folder);
	upstream.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (upstream.listener < 0 ||
	        bind(upstream.listener, (struct sockaddr *)address, sizeof *address) < 0 ||
	        listen(upstream.listener, FUZZ_UPSTREAM_CONNECTIONS) < 0)
		abort();
	atexit(fuzz_upstream_stop);
	return address->sun_path;
}

void fuzz_upstream_serve(const uint8_t *data, size_t size, size_t step, unsigned most)
{
	char bytes[4096];
	int fd = accept4(upstream.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		if (upstream.count == most || upstream.count == FUZZ_UPSTREAM_CONNECTIONS)
			abort();
		upstream.connections[upstream.count].fd = fd;
		upstream.connections[upstream.count].sent = 0;
		upstream.connections[upstream.count++].finished = false;
	}
	for (unsigned i = 0; i < upstream.count; i++) {
		fd = upstream.connections[i].fd;
		(void)!recv(fd, bytes, sizeof bytes, 0);
		size_t left = size - upstream.connections[i].sent;
		ssize_t put = send(fd, data + upstream.connections[i].sent,
		        left < step ? left : step, MSG_NOSIGNAL);
		if (put > 0)
			upstream.connections[i].sent += (size_t)put;
		if (upstream.connections[i].sent == size && !upstream.connections[i].finished) {
			shutdown(fd, SHUT_WR);
			upstream.connections[i].finished = true;
		}
	}
}

void fuzz_upstream_reset(void)
{
	for (; upstream.count; upstream.count--)
		close(upstream.connections[upstream.count - 1].fd);
}
