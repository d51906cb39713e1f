/*
 * Receiving a body: pauses, giving up, clients that stall or go away, and that an exchange always
 * ends (the handler's destroy is called only when it has).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/list.h>
#include "web.h"
#include "with_loop.h"

struct receiver {
	struct weir_http_handler handler;
	struct web web;
	struct weir_http_exchange *exchange;
	uint64_t max;
	uint64_t got;
	uint64_t pause_at;   /* after so many bytes */
	uint64_t discard_at; /* after so many bytes, with a 507 */
	bool later;          /* receives when the test calls receive() */
	int ends;
	int error;
	int destroyed;
};

static void on_piece(void *context, struct weir_span bytes)
{
	struct receiver *receiver = context;
	receiver->got += bytes.size;
	if (receiver->discard_at && receiver->got >= receiver->discard_at) {
		weir_http_discard(receiver->exchange);
		weir_http_reply_error(receiver->exchange, 507);
	} else if (receiver->pause_at && receiver->got >= receiver->pause_at) {
		receiver->pause_at = 0;
		weir_http_pause(receiver->exchange);
	}
}

static void on_end(void *context, int error)
{
	struct receiver *receiver = context;
	receiver->ends++;
	receiver->error = error;
	if (error == 0)
		weir_http_reply_text(receiver->exchange, 200, "text/plain", WEIR_SPAN("done"));
}

static void receive(struct receiver *receiver)
{
	static const struct weir_http_receiver type = {on_piece, on_end};
	if (weir_http_receive(receiver->exchange, &type, receiver, receiver->max) < 0)
		weir_http_reply_error(receiver->exchange, 413);
}

static void handle(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct receiver *receiver = WEIR_CONTAINER(handler, struct receiver, handler);
	receiver->exchange = exchange;
	receiver->got = 0;
	if (!receiver->later)
		receive(receiver);
}

static void destroy(struct weir_http_handler *handler)
{
	WEIR_CONTAINER(handler, struct receiver, handler)->destroyed++;
}

static const struct weir_http_handler_type type = {"receiver", NULL, handle, destroy};

static int start(struct receiver *receiver, struct weir_loop *loop, const char *request)
{
	receiver->handler.type = &type;
	if (!receiver->max)
		receiver->max = UINT64_MAX;
	web_start(&receiver->web, loop, &receiver->handler);
	int fd = web_connect(&receiver->web);
	assert_true(web_send(&receiver->web, fd, request, strlen(request)));
	return fd;
}

static void stop(struct receiver *receiver, int fd)
{
	if (fd >= 0)
		close(fd);
	web_stop(&receiver->web);
	assert_int_equal(receiver->destroyed, 1);
}

#define PUT_OF(size) "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " size "\r\n"
#define CHUNKED "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void a_pause_holds_the_client(void **state)
{
	struct receiver receiver = {.pause_at = 1};
	static char megabytes[8 << 20];
	int fd = start(&receiver, *state, PUT_OF("8388608") "\r\n");
	size_t sent = 0;
	for (ssize_t put; sent < sizeof megabytes; sent += (size_t)put) {
		put = send(fd, megabytes + sent, sizeof megabytes - sent, MSG_DONTWAIT);
		if (put < 0)
			break;
		web_turn(&receiver.web, 2);
	}
	web_turn(&receiver.web, 50);
	assert_true(receiver.got <= WEIR_RECEIVE_SIZE);
	weir_http_resume(receiver.exchange);
	assert_true(web_send(&receiver.web, fd, megabytes + sent, sizeof megabytes - sent));
	assert_contains(web_read(&receiver.web, fd, "done"), "200 OK");
	assert_int_equal(receiver.got, sizeof megabytes);
	stop(&receiver, fd);
}

/* Bytes behind the body are the next request, which must not wait for this one's disk. */
static void a_pause_at_the_last_byte_ends_with_the_body(void **state)
{
	struct receiver receiver = {.pause_at = 3};
	int fd = start(&receiver, *state, PUT_OF("3") "\r\nabc");
	web_read(&receiver.web, fd, "done");
	assert_true(
	        web_send(&receiver.web, fd, PUT_OF("2") "\r\nab", strlen(PUT_OF("2") "\r\nab")));
	web_read(&receiver.web, fd, "done");
	assert_int_equal(receiver.ends, 2);
	stop(&receiver, fd);
}

static void a_later_receiver_gets_all(void **state)
{
	struct receiver receiver = {.later = true};
	int fd = start(&receiver, *state, PUT_OF("3") "Expect: 100-continue\r\n\r\n");
	web_turn(&receiver.web, 30);
	receive(&receiver);
	web_read(&receiver.web, fd, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_true(web_send(&receiver.web, fd, "abc", 3));
	assert_contains(web_read(&receiver.web, fd, "done"), "200 OK");
	assert_int_equal(receiver.got, 3);
	stop(&receiver, fd);
}

/* The body is dropped by then, or the connection ends. */
static void nothing_is_received_after_the_reply(void **state)
{
	static const struct weir_http_receiver other = {on_piece, on_end};
	struct receiver receiver = {.later = true};
	int fd = start(&receiver, *state, PUT_OF("3") "\r\n");
	web_turn(&receiver.web, 30);
	weir_http_reply_text(receiver.exchange, 200, "text/plain", WEIR_SPAN("early"));
	assert_int_equal(
	        weir_http_receive(receiver.exchange, &other, &receiver, 10), WEIR_E_CLOSED);
	assert_true(web_send(&receiver.web, fd, "abc", 3));
	web_read(&receiver.web, fd, "early");
	assert_int_equal(receiver.got, 0);
	assert_int_equal(receiver.ends, 0);
	stop(&receiver, fd);
}

static void a_body_is_received_once(void **state)
{
	static const struct weir_http_receiver other = {NULL, NULL};
	struct receiver receiver = {.later = true};
	int fd = start(&receiver, *state, PUT_OF("3") "\r\n");
	web_turn(&receiver.web, 30);
	receive(&receiver);
	assert_int_equal(weir_http_receive(receiver.exchange, &other, NULL, 10), WEIR_E_CLOSED);
	assert_true(web_send(&receiver.web, fd, "abc", 3));
	assert_contains(web_read(&receiver.web, fd, "done"), "200 OK");
	assert_int_equal(receiver.got, 3);
	stop(&receiver, fd);
}

static void giving_up_keeps_the_connection_for_a_small_rest(void **state)
{
	static const char next[] = CHUNKED "2\r\nab\r\n";
	struct receiver receiver = {.discard_at = 2};
	int fd = start(&receiver, *state, PUT_OF("5") "\r\nab");
	web_read(&receiver.web, fd, "507");
	assert_true(web_send(&receiver.web, fd, "cde", 3));
	assert_true(web_send(&receiver.web, fd, next, sizeof next - 1));
	web_read(&receiver.web, fd, "507");
	receiver.discard_at = 0;
	assert_true(web_send(&receiver.web, fd, "1\r\nc\r\n0\r\n\r\n" PUT_OF("1") "\r\nz",
	        strlen("1\r\nc\r\n0\r\n\r\n" PUT_OF("1") "\r\nz")));
	web_read(&receiver.web, fd, "done");
	assert_int_equal(receiver.got, 1);
	assert_int_equal(receiver.ends, 1);
	stop(&receiver, fd);
}

static void giving_up_ends_the_connection_for_a_large_rest(void **state)
{
	struct receiver receiver = {.discard_at = 2};
	int fd = start(&receiver, *state, PUT_OF("5000000000") "\r\nab");
	assert_contains(web_read(&receiver.web, fd, NULL), "507");
	assert_int_equal(receiver.ends, 0);
	stop(&receiver, fd);
}

static void giving_up_while_paused(void **state)
{
	struct receiver receiver = {.pause_at = 1};
	int fd = start(&receiver, *state, PUT_OF("5") "\r\nab");
	web_turn(&receiver.web, 20);
	weir_http_discard(receiver.exchange);
	weir_http_reply_error(receiver.exchange, 507);
	web_read(&receiver.web, fd, "507");
	assert_true(web_send(
	        &receiver.web, fd, "cde" PUT_OF("1") "\r\nz", strlen("cde" PUT_OF("1") "\r\nz")));
	web_read(&receiver.web, fd, "done");
	stop(&receiver, fd);
}

static void a_client_that_goes_ends_it(void **state)
{
	static const char *const beginnings[] = {
	        PUT_OF("5") "\r\nab", CHUNKED, CHUNKED "5\r\nab", CHUNKED "1\r\na\r\n"};
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
		struct receiver receiver = {0};
		struct linger reset = {1, 0};
		int fd = start(&receiver, *state, beginnings[i]);
		web_turn(&receiver.web, 10);
		if (i & 1)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
		web_turn(&receiver.web, 50);
		assert_int_equal(receiver.ends, 1);
		assert_int_equal(receiver.error, -ECONNRESET);
		stop(&receiver, -1);
	}
}

static void a_server_that_ends_ends_it(void **state)
{
	struct receiver receiver = {0};
	int fd = start(&receiver, *state, PUT_OF("5") "\r\nab");
	web_turn(&receiver.web, 10);
	stop(&receiver, fd);
	assert_int_equal(receiver.ends, 1);
}

static void a_receiver_that_comes_too_late(void **state)
{
	struct receiver receiver = {.later = true};
	int fd = start(&receiver, *state, PUT_OF("5") "\r\nab");
	web_turn(&receiver.web, 10);
	weir_http_destroy(receiver.web.server);
	receiver.web.server = NULL;
	assert_int_equal(receiver.destroyed, 0);
	receive(&receiver);
	assert_int_equal(receiver.error, -ECONNRESET);
	stop(&receiver, fd);
}

/* Nothing of the server may be looked at any more. */
static void a_reply_that_comes_too_late(void **state)
{
	struct receiver receiver = {.later = true};
	int fd = start(&receiver, *state, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	web_turn(&receiver.web, 10);
	weir_http_destroy(receiver.web.server);
	receiver.web.server = NULL;
	assert_int_equal(receiver.destroyed, 0);
	assert_true(weir_http_gone(receiver.exchange));
	weir_http_reply_error(receiver.exchange, 404);
	stop(&receiver, fd);
}

static void a_client_that_stalls_is_told_so(void **state)
{
	static const char *const beginnings[] = {PUT_OF("5") "\r\n", PUT_OF("5") "\r\nab", CHUNKED,
	        CHUNKED "5", CHUNKED "5\r\nab", CHUNKED "1\r\na\r\n", CHUNKED "0\r\n"};
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
		struct receiver receiver = {.web.request_ms = 50};
		int fd = start(&receiver, *state, beginnings[i]);
		assert_contains(web_read(&receiver.web, fd, NULL), "408 ");
		assert_int_equal(receiver.error, -ETIMEDOUT);
		stop(&receiver, fd);
	}
}

/* The time limits are the client's, not the handler's. */
static void a_handler_that_thinks_is_not_hurried(void **state)
{
	struct receiver receiver = {.web.request_ms = 50, .later = true};
	int fd = start(&receiver, *state, PUT_OF("3") "\r\n");
	web_turn(&receiver.web, 400);
	receive(&receiver);
	assert_true(web_send(&receiver.web, fd, "abc", 3));
	assert_contains(web_read(&receiver.web, fd, "done"), "200 OK");
	stop(&receiver, fd);
}

static void larger_than_asked_for(void **state)
{
	static const char *const requests[] = {
	        PUT_OF("5") "\r\nabcde", CHUNKED "5\r\nabcde\r\n0\r\n\r\n"};
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		struct receiver receiver = {.max = 4};
		int fd = start(&receiver, *state, requests[i]);
		web_read(&receiver.web, fd, "413 ");
		stop(&receiver, fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_pause_holds_the_client),
	        cmocka_unit_test(a_pause_at_the_last_byte_ends_with_the_body),
	        cmocka_unit_test(a_later_receiver_gets_all),
	        cmocka_unit_test(nothing_is_received_after_the_reply),
	        cmocka_unit_test(a_body_is_received_once),
	        cmocka_unit_test(giving_up_keeps_the_connection_for_a_small_rest),
	        cmocka_unit_test(giving_up_ends_the_connection_for_a_large_rest),
	        cmocka_unit_test(giving_up_while_paused),
	        cmocka_unit_test(a_client_that_goes_ends_it),
	        cmocka_unit_test(a_server_that_ends_ends_it),
	        cmocka_unit_test(a_receiver_that_comes_too_late),
	        cmocka_unit_test(a_reply_that_comes_too_late),
	        cmocka_unit_test(a_client_that_stalls_is_told_so),
	        cmocka_unit_test(a_handler_that_thinks_is_not_hurried),
	        cmocka_unit_test(larger_than_asked_for),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
