/*
 * Another protocol on a connection of HTTP/1.1: a tunnel that sends each byte back, its ends by
 * either side, and by a drain.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "peer.h"
#include "web.h"
#include "with_loop.h"

struct tunnel {
	struct web web;
	struct weir_producer producer;
	struct weir_buffer bytes;
	int upgraded, ended, closed;
	bool stops; /* the output is complete */
	bool drained;
};

static enum weir_more tunnel_more(struct weir_producer *producer, struct weir_output *out)
{
	struct tunnel *tunnel = WEIR_CONTAINER(producer, struct tunnel, producer);
	size_t put = weir_output_copy(out, tunnel->bytes.data, tunnel->bytes.size);
	weir_buffer_consume(&tunnel->bytes, put);
	return tunnel->bytes.size ? WEIR_MORE : tunnel->stops ? WEIR_DONE : WEIR_WAIT;
}

static void tunnel_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct tunnel *tunnel = WEIR_CONTAINER(producer, struct tunnel, producer);
	(void)why;
	tunnel->closed++;
}

static void on_piece(void *context, struct weir_span bytes)
{
	struct tunnel *tunnel = context;
	weir_buffer_append(&tunnel->bytes, bytes.data, bytes.size, SIZE_MAX);
	weir_wake(&tunnel->producer);
}

static void on_end(void *context, int error)
{
	struct tunnel *tunnel = context;
	tunnel->ended = error ? error : 1;
	tunnel->stops = true;
	weir_wake(&tunnel->producer);
}

static void on_draining(void *context)
{
	struct tunnel *tunnel = context;
	if (!tunnel->stops)
		weir_buffer_append(&tunnel->bytes, "bye", 3, SIZE_MAX);
	tunnel->stops = true;
	weir_wake(&tunnel->producer);
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	static const struct weir_producer_type type = {
	        .name = "tunnel", .more = tunnel_more, .close = tunnel_close};
	static const struct weir_http_receiver receiver = {
	        .piece = on_piece, .end = on_end, .draining = on_draining};
	struct tunnel *tunnel = context;
	weir_producer_init(&tunnel->producer, &type);
	tunnel->upgraded = weir_http_upgrade(
	        exchange, WEIR_SPAN("echo"), &receiver, tunnel, &tunnel->producer);
	if (tunnel->upgraded < 0)
		weir_http_reply_error(exchange, 400);
}

#define ASK "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

/* Returns a connection whose tunnel has sent a byte back. */
static int begin(struct tunnel *tunnel, struct weir_loop *loop)
{
	*tunnel = (struct tunnel){0};
	web_start(&tunnel->web, loop, weir_http_function_create("", handle, tunnel));
	int fd = web_connect(&tunnel->web);
	assert_true(web_send(&tunnel->web, fd, ASK "1", sizeof ASK));
	const char *reply = web_read(&tunnel->web, fd, "\r\n\r\n1");
	assert_contains(reply, "HTTP/1.1 101 ");
	assert_contains(reply, "\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n1");
	return fd;
}

static void end(struct tunnel *tunnel, int fd)
{
	assert_true(TURN_UNTIL(tunnel->web.loop, tunnel->closed));
	close(fd);
	web_stop(&tunnel->web);
	assert_int_equal(tunnel->closed, 1);
	weir_buffer_finish(&tunnel->bytes);
}

static void bytes_pass_until_the_client_ends(void **state)
{
	struct tunnel tunnel;
	int fd = begin(&tunnel, *state);
	assert_true(web_send(&tunnel.web, fd, "two", 3));
	web_read(&tunnel.web, fd, "two");
	shutdown(fd, SHUT_WR);
	assert_string_equal(web_read(&tunnel.web, fd, NULL), "");
	assert_int_equal(tunnel.ended, 1);
	end(&tunnel, fd);
}

static void the_output_ends_the_connection(void **state)
{
	struct tunnel tunnel;
	int fd = begin(&tunnel, *state);
	tunnel.stops = true;
	weir_wake(&tunnel.producer);
	assert_string_equal(web_read(&tunnel.web, fd, NULL), "");
	assert_int_equal(tunnel.ended, 0);
	end(&tunnel, fd);
}

static void a_drain_is_for_the_tunnel_to_end(void **state)
{
	struct tunnel tunnel;
	int fd = begin(&tunnel, *state);
	weir_server_drain(weir_http_listener(tunnel.web.server), NULL, NULL);
	assert_string_equal(web_read(&tunnel.web, fd, NULL), "bye");
	end(&tunnel, fd);
}

static void a_request_that_does_not_ask_is_not_upgraded(void **state)
{
	struct tunnel tunnel = {0};
	web_start(&tunnel.web, *state, weir_http_function_create("", handle, &tunnel));
	assert_contains(web_ask(&tunnel.web, "GET / HTTP/1.0\r\n\r\n"), " 400 ");
	assert_int_equal(tunnel.upgraded, -EINVAL);
	assert_int_equal(tunnel.closed, 1);
	web_stop(&tunnel.web);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bytes_pass_until_the_client_ends),
	        cmocka_unit_test(the_output_ends_the_connection),
	        cmocka_unit_test(a_drain_is_for_the_tunnel_to_end),
	        cmocka_unit_test(a_request_that_does_not_ask_is_not_upgraded),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
