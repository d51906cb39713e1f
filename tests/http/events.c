/* Server-sent events: their form, the bound of what waits, and every way in which a stream ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/http_events.h>
#include <weir/limits.h>
#include "allocation.h"
#include "web.h"
#include "with_loop.h"

struct stream {
	struct web web;
	struct weir_http_events *events;
	uint32_t keepalive_ms;
	int closed;
	int fd;
};

static void on_closed(void *context)
{
	struct stream *stream = context;
	stream->closed++;
	stream->events = NULL;
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	struct stream *stream = context;
	stream->events = weir_http_events_open(exchange, stream->keepalive_ms, on_closed, stream);
}

static void start(struct stream *stream, struct weir_loop *loop, const char *request)
{
	stream->closed = 0;
	web_start(&stream->web, loop, weir_http_function_create("", handle, stream));
	stream->fd = web_connect(&stream->web);
	assert_true(web_send(&stream->web, stream->fd, request, strlen(request)));
}

static void stop(struct stream *stream)
{
	close(stream->fd);
	web_stop(&stream->web);
	assert_int_equal(stream->closed, 1);
}

#define GET_1_0 "GET / HTTP/1.0\r\n\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct {
	struct weir_span name, id, data;
	const char *text;
} cases[] = {
        {{"", 0}, {"", 0}, {"a", 1}, "data: a\n\n"},
        {{"n", 1}, {"7", 1}, {"a", 1}, "event: n\nid: 7\ndata: a\n\n"},
        {{"", 0}, {"", 0}, {"", 0}, "data: \n\n"},
        {{"", 0}, {"", 0}, {"a\nb", 3}, "data: a\ndata: b\n\n"},
        {{"", 0}, {"", 0}, {"a\r\nb\rc", 6}, "data: a\ndata: b\ndata: c\n\n"},
        {{"", 0}, {"", 0}, {"a\n", 2}, "data: a\ndata: \n\n"},
        {{"", 0}, {"", 0}, {"\n\r", 2}, "data: \ndata: \ndata: \n\n"},
        {{"", 0}, {"", 0}, {" : x", 4}, "data:  : x\n\n"},
        {{"a\nb", 3}, {"", 0}, {"x", 1}, NULL},
        {{"a\rb", 3}, {"", 0}, {"x", 1}, NULL},
        {{"a\0b", 3}, {"", 0}, {"x", 1}, NULL},
        {{"", 0}, {"1\n", 2}, {"x", 1}, NULL},
};

static void format(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct stream stream = {0};
		start(&stream, *state, GET_1_0);
		web_read(&stream.web, stream.fd, "\r\n\r\n");
		int error = weir_http_events_send(
		        stream.events, cases[i].name, cases[i].id, cases[i].data);
		assert_int_equal(error, cases[i].text ? 0 : WEIR_E_SYNTAX);
		weir_http_events_end(stream.events);
		assert_string_equal(
		        web_read(&stream.web, stream.fd, NULL), cases[i].text ? cases[i].text : "");
		stop(&stream);
	}
}

static int say(struct stream *stream, const char *text)
{
	return weir_http_events_send(
	        stream->events, WEIR_SPAN(""), WEIR_SPAN(""), weir_span_of(text));
}

static void each_leaves_at_once(void **state)
{
	struct stream stream = {0};
	start(&stream, *state, GET);
	const char *head = web_read(&stream.web, stream.fd, "\r\n\r\n");
	assert_contains(head, "Content-Type: text/event-stream\r\n");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(weir_http_events_queued(stream.events), 0);
		assert_int_equal(say(&stream, "hello"), 0);
		web_read(&stream.web, stream.fd, "data: hello\n\n\r\n");
	}
	weir_http_events_end(stream.events);
	web_read(&stream.web, stream.fd, "0\r\n\r\n");
	assert_int_equal(stream.closed, 1);
	/* The connection goes on. */
	assert_true(web_send(&stream.web, stream.fd, GET, strlen(GET)));
	web_read(&stream.web, stream.fd, "200 OK");
	stream.closed = 0;
	stop(&stream);
}

static void what_waits_is_bounded(void **state)
{
	struct stream stream = {0};
	char data[1001];
	int sent = 0, error;
	memset(data, 'x', 1000);
	data[1000] = 0;
	start(&stream, *state, GET_1_0);
	web_read(&stream.web, stream.fd, "\r\n\r\n");
	while ((error = say(&stream, data)) == 0)
		sent++;
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_true(sent <= WEIR_HTTP_EVENTS_QUEUE_MAX / 1000);
	assert_true(sent >= WEIR_HTTP_EVENTS_QUEUE_MAX / 1100);
	assert_int_equal(weir_http_events_queued(stream.events), sent * 1008);
	weir_http_events_end(stream.events);
	assert_int_equal(say(&stream, "late"), WEIR_E_CLOSED);
	assert_int_equal(strlen(web_read(&stream.web, stream.fd, NULL)), sent * 1008);
	stop(&stream);
}

static void a_client_that_does_not_read_is_bounded_too(void **state)
{
	struct stream stream = {0};
	char data[1001];
	int refused = 0;
	memset(data, 'x', 1000);
	data[1000] = 0;
	start(&stream, *state, GET_1_0);
	for (int i = 0; i < 20000 && refused < 100; i++) {
		web_turn(&stream.web, 0);
		weir_loop_turn(stream.web.loop, 0);
		refused += stream.events && say(&stream, data) == WEIR_E_LIMIT;
	}
	assert_int_equal(refused, 100);
	weir_http_events_end(stream.events);
	web_read(&stream.web, stream.fd, NULL);
	stop(&stream);
}

static void silence_is_kept_alive(void **state)
{
	struct stream stream = {.keepalive_ms = 10};
	start(&stream, *state, GET_1_0);
	web_read(&stream.web, stream.fd, ":\n\n:\n\n:\n\n");
	stop(&stream);
}

static void a_client_that_goes_is_noticed(void **state)
{
	struct stream stream = {.keepalive_ms = 10};
	start(&stream, *state, GET);
	web_read(&stream.web, stream.fd, "\r\n\r\n");
	shutdown(stream.fd, SHUT_RDWR);
	close(stream.fd);
	stream.fd = -1;
	for (int i = 0; i < 100 && !stream.closed; i++)
		web_turn(&stream.web, 10);
	assert_int_equal(stream.closed, 1);
	web_stop(&stream.web);
}

static void head_has_no_stream(void **state)
{
	struct stream stream = {0};
	start(&stream, *state, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_contains(web_read(&stream.web, stream.fd, NULL), "text/event-stream");
	stop(&stream);
}

static void memory_may_be_short(void **state)
{
	bool failed = true;
	for (unsigned good = 0; failed && good < 100; good++) {
		struct stream stream = {0};
		start(&stream, *state, "");
		fail_allocation_after(good, false);
		assert_true(web_send(&stream.web, stream.fd, GET_1_0, strlen(GET_1_0)));
		web_turn(&stream.web, 5);
		int error = stream.events ? say(&stream, "hello") : 0;
		failed = stop_failing_allocations();
		assert_true(error == 0 || error == -ENOMEM);
		bool opened = stream.events;
		if (opened)
			weir_http_events_end(stream.events);
		web_read(&stream.web, stream.fd, NULL);
		close(stream.fd);
		web_stop(&stream.web);
		assert_int_equal(stream.closed, opened);
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(format),
	        cmocka_unit_test(each_leaves_at_once),
	        cmocka_unit_test(what_waits_is_bounded),
	        cmocka_unit_test(a_client_that_does_not_read_is_bounded_too),
	        cmocka_unit_test(silence_is_kept_alive),
	        cmocka_unit_test(a_client_that_goes_is_noticed),
	        cmocka_unit_test(head_has_no_stream),
	        cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
