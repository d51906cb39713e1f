/*
 * The reverse proxy and whatever an upstream sends, in whatever pieces: the client gets replies
 * whose heads are well-formed, the connection lets go of them, and no upstream connection is left.
 * The first two bytes of the input choose the requests and the pieces.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/http_proxy.h>
#include <weir/loop.h>

#include "head.h"
#include "http_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CONNECTIONS_MAX = 16, /* each of two requests may be sent again */
	REPLY_MAX = 1 << 20,
	TURNS_MAX = 20000
};

static struct weir_loop *loop;
static struct weir_http_server *server;
static char reply[REPLY_MAX];

/* -- the proxy --------------------------------------------------------------------------------- */

static struct weir_http_handler *make_proxy(const char *socket_path)
{
	char url[128];
	struct weir_http_upstream one = {.url = url, .weight = 1};
	struct weir_http_upstreams_options group;
	struct weir_http_proxy_options options;
	snprintf(url, sizeof url, "unix:%s", socket_path);
	weir_http_upstreams_options_init(&group);
	weir_http_proxy_options_init(&options);
	group.upstreams = &one;
	group.count = 1;
	if (weir_http_upstreams_create(&group, &options.upstreams) < 0)
		abort();
	struct weir_http_handler *handler = weir_http_proxy_create(&options);
	weir_http_upstreams_release(options.upstreams);
	return handler;
}

static void stop(void)
{
	weir_http_destroy(server);
	weir_loop_destroy(loop);
}

static void start(void)
{
	if (weir_loop_create(&loop) < 0)
		abort();
	server = fuzz_http_start(loop, make_proxy(fuzz_upstream_start()), false);
	atexit(stop);
}

/* -- the client -------------------------------------------------------------------------------- */

/* Whatever the upstream has sent, the first head is one that our own parser accepts. */
static void check_reply(size_t size)
{
	struct http_head_scan scan = {0};
	struct http_reply_head head;
	size_t used;
	if (size &&
	        (http_head_scan(&scan, weir_span(reply, size), &used) != WEIR_HTTP_SCAN_COMPLETE ||
	                http_reply_head_parse(weir_span(reply, used), &head) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const requests[] = {"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
	        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
	        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "2\r\nab\r\n0\r\nX: y\r\n\r\n"),
	        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"};
	size_t got = 0;
	if (size < 2)
		return 0;
	if (!server)
		start();
	int fd = fuzz_http_connect(server);
	const char *request = requests[data[0] % 4];
	for (unsigned i = 0; i < 2; i++)
		if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
			abort();
	shutdown(fd, SHUT_WR);
	for (int turns = 0;; turns++) {
		if (turns == TURNS_MAX)
			abort();
		fuzz_upstream_serve(data + 2, size - 2, (size_t)data[1] * 16 + 1, CONNECTIONS_MAX);
		weir_loop_turn(loop, turns % 64 == 63);
		ssize_t put = recv(fd, reply + got, sizeof reply - got, MSG_DONTWAIT);
		if (put > 0)
			got += (size_t)put;
		/* The end, a reset, or as much as can be stored. */
		if (put == 0 || (put < 0 && errno != EAGAIN))
			break;
	}
	check_reply(got);
	close(fd);
	fuzz_upstream_reset();
	for (int i = 0; i < 8; i++)
		weir_loop_turn(loop, 0);
	return 0;
}
