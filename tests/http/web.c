/* See the header. Left out: more than one site, TLS, replies larger than the buffer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "web.h"

enum {
	PATIENCE_MS = 5000
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool sentinel_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	(void)handler, (void)exchange;
	return false;
}

static void sentinel_destroy(struct weir_http_handler *handler)
{
	struct web_sentinel *sentinel = (struct web_sentinel *)handler;
	sentinel->destroyed = true;
}

static const struct weir_http_handler_type sentinel_type = {
        .match = sentinel_match, .destroy = sentinel_destroy};

/* The server destroys its chain of handlers when the last exchange has ended. */
static void sentinel_append(struct web_sentinel *sentinel, struct weir_http_handler *handlers)
{
	while (handlers->next)
		handlers = handlers->next;
	*sentinel = (struct web_sentinel){.base = {.type = &sentinel_type}};
	handlers->next = &sentinel->base;
}

void web_start(struct web *web, struct weir_loop *loop, struct weir_http_handler *handlers)
{
	sentinel_append(&web->sentinel, handlers);
	struct weir_http_options options;
	weir_http_options_init(&options);
	if (web->request_ms)
		options.listener.bounds.request_ms = web->request_ms;
	options.sites = weir_http_sites_create(handlers);
	web->loop = loop;
	assert_non_null(options.sites);
	assert_int_equal(
	        weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &options.listener.address), 0);
	assert_int_equal(weir_http_create(loop, &options, &web->server), 0);
}

void web_stop(struct web *web)
{
	weir_http_destroy(web->server);
	for (int64_t until = now_ms() + PATIENCE_MS; !web->sentinel.destroyed;) {
		assert_true(now_ms() < until);
		weir_loop_turn(web->loop, 1);
	}
	web_turn(web, 2);
}

struct weir_http_handler *web_chain(
        struct weir_http_handler *first, struct weir_http_handler *second)
{
	assert_non_null(first);
	assert_non_null(second);
	first->next = second;
	return first;
}

void web_turn(struct web *web, int ms)
{
	for (int64_t until = now_ms() + ms; now_ms() < until;)
		weir_loop_turn(web->loop, 1);
}

int web_connect(struct web *web)
{
	const struct weir_address *address = weir_server_address(weir_http_listener(web->server));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &address->any, weir_address_size(address)), 0);
	return fd;
}

bool web_send(struct web *web, int fd, const void *data, size_t size)
{
	int64_t until = now_ms() + PATIENCE_MS;
	for (size_t sent = 0; sent < size && now_ms() < until;) {
		ssize_t put = send(
		        fd, (const char *)data + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			return false;
		sent += put > 0 ? (size_t)put : 0;
		weir_loop_turn(web->loop, put > 0 ? 0 : 1);
		if (sent == size)
			return true;
	}
	return size == 0;
}

const char *web_read(struct web *web, int fd, const char *text)
{
	static char buffer[4 * 1024 * 1024];
	int64_t until = now_ms() + PATIENCE_MS;
	size_t size = 0;
	buffer[0] = 0;
	while (!text || !strstr(buffer, text)) {
		ssize_t got = recv(fd, buffer + size, sizeof buffer - 1 - size, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno == ECONNRESET && !text))
			return buffer;
		if (got > 0)
			size += (size_t)got;
		buffer[size] = 0;
		if (now_ms() > until)
			fail_msg("waited for \"%s\", got: %s", text ? text : "the end", buffer);
		weir_loop_turn(web->loop, got > 0 ? 0 : 1);
	}
	return buffer;
}

const char *web_ask(struct web *web, const char *request)
{
	int fd = web_connect(web);
	assert_true(web_send(web, fd, request, strlen(request)));
	const char *reply = web_read(web, fd, NULL);
	close(fd);
	return reply;
}
