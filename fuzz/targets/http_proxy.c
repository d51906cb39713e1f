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
#include <sys/un.h>
#include <unistd.h>

#include <weir/http_proxy.h>
#include <weir/loop.h>

#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CONNECTIONS_MAX = 16, /* each of two requests may be sent again */
	REPLY_MAX = 1 << 20,
	TURNS_MAX = 20000
};

static struct weir_loop *loop;
static struct weir_http_server *server;
static int listener;
static char folder[] = "/tmp/weir-fuzz-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char reply[REPLY_MAX];

/* -- the upstream: each connection sends the input from its beginning, then ends --------------- */

static struct {
	int fd;
	size_t sent;
	bool finished;
} connections[CONNECTIONS_MAX];
static unsigned connection_count;

static void serve(const uint8_t *data, size_t size, size_t step)
{
	char bytes[4096];
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && connection_count == CONNECTIONS_MAX)
		abort();
	if (fd >= 0) {
		connections[connection_count].fd = fd;
		connections[connection_count].sent = 0;
		connections[connection_count++].finished = false;
	}
	for (unsigned i = 0; i < connection_count; i++) {
		(void)!recv(connections[i].fd, bytes, sizeof bytes, 0);
		size_t left = size - connections[i].sent;
		ssize_t put = send(connections[i].fd, data + connections[i].sent,
		        left < step ? left : step, MSG_NOSIGNAL);
		if (put > 0)
			connections[i].sent += (size_t)put;
		if (connections[i].sent == size && !connections[i].finished) {
			shutdown(connections[i].fd, SHUT_WR);
			connections[i].finished = true;
		}
	}
}

/* -- the proxy --------------------------------------------------------------------------------- */

static struct weir_http_handler *make_proxy(void)
{
	char url[sizeof address.sun_path + 8];
	struct weir_http_upstream one = {.url = url, .weight = 1};
	struct weir_http_upstreams_options group;
	struct weir_http_proxy_options options;
	snprintf(url, sizeof url, "unix:%s", address.sun_path);
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
	close(listener);
	unlink(address.sun_path);
	rmdir(folder);
}

static void start(void)
{
	struct weir_http_options options;
	weir_http_options_init(&options);
	options.listener.address.v4.sin_family = AF_INET;
	options.listener.address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!mkdtemp(folder) || weir_loop_create(&loop) < 0)
		abort();
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
	        listen(listener, CONNECTIONS_MAX) < 0)
		abort();
	options.sites = weir_http_sites_create(make_proxy());
	if (weir_http_create(loop, &options, &server) < 0)
		abort();
	atexit(stop);
}

/* -- the client -------------------------------------------------------------------------------- */

/* From one of many addresses: each has ports for some thousand connections a minute. */
static int connect_to(const struct weir_address *to)
{
	static uint32_t count;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct weir_address from = {0};
	from.v4.sin_family = AF_INET;
	from.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + count++ % 250);
	if (fd < 0 || bind(fd, &from.any, sizeof from.v4) < 0 ||
	        connect(fd, &to->any, sizeof to->v4) < 0)
		abort();
	return fd;
}

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
	        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "2\r\nab\r\n0\r\nX: y\r\n\r\n",
	        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"};
	size_t got = 0;
	if (size < 2)
		return 0;
	if (!server)
		start();
	connection_count = 0;
	int fd = connect_to(weir_server_address(weir_http_listener(server)));
	const char *request = requests[data[0] % 4];
	for (unsigned i = 0; i < 2; i++)
		if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
			abort();
	shutdown(fd, SHUT_WR);
	for (int turns = 0;; turns++) {
		if (turns == TURNS_MAX)
			abort();
		serve(data + 2, size - 2, (size_t)data[1] * 16 + 1);
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
	for (unsigned i = 0; i < connection_count; i++)
		close(connections[i].fd);
	for (int i = 0; i < 8; i++)
		weir_loop_turn(loop, 0);
	return 0;
}
