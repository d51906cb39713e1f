/* Bodies in both directions: framing, back-pressure, 100 (Continue), replies that come early. */
#include "fake_origin.h"

#include <sys/socket.h>

#include <weir/sources.h>

#include "client_state.h"

static struct weir_loop *loop;
static struct origin origin;
static struct weir_http_client *client;
static struct heard heard;

enum {
	PATIENCE_MS = 700
};

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define POST "POST / HTTP/1.1\r\nHost: $\r\n"

static void make_client(struct weir_http_client_options options)
{
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
}

#define CLIENT(...) make_client(OPTIONS(weir_http_client_options, __VA_ARGS__))

/* -- a body under the control of the test ------------------------------------------------------ */

static struct {
	struct weir_producer *producer;
	enum weir_more answer; /* with `text` */
	const char *text;      /* to be put next; NULL: it waits */
	uint64_t put;
	bool endless; /* puts bytes without end */
	unsigned closes;
	enum weir_close_reason why;
} source;

static enum weir_more source_more(void *context, struct weir_output *out)
{
	static const char zeros[4096];
	const char *text = source.text;
	(void)context;
	if (source.endless) {
		source.put += weir_output_borrow(out, zeros, sizeof zeros);
		return WEIR_MORE;
	}
	source.text = NULL;
	if (!text)
		return WEIR_WAIT;
	source.put += weir_output_borrow(out, text, strlen(text));
	return source.answer;
}

static void source_close(void *context, enum weir_close_reason why)
{
	(void)context;
	source.closes++;
	source.why = why;
	source.producer = NULL;
}

static struct weir_producer *source_make(void)
{
	memset(&source, 0, sizeof source);
	source.producer = weir_produce_generator(source_more, source_close, NULL);
	assert_non_null(source.producer);
	return source.producer;
}

static void source_put(const char *text, enum weir_more answer)
{
	source.text = text;
	source.answer = answer;
	weir_wake(source.producer);
}

static size_t write_trailer(void *context, char *text, size_t room)
{
	(void)context;
	return (size_t)snprintf(text, room, "Digest: 1\r\n");
}

/* -- tests ------------------------------------------------------------------------------------- */

static void bodies_of_requests(void **state)
{
	static const struct weir_http_field type = {
	        WEIR_SPAN("Content-Type"), WEIR_SPAN("text/plain")};
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/", o.method = "POST");
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer, POST "Content-Length: 0\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");

	CALL(&heard, client, &origin, "/", o.method = "POST", o.fields = &type, o.field_count = 1,
	        o.body = weir_produce_copied("hello", 5));
	origin_expect(
	        &origin, &peer, POST "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");

	CALL(&heard, client, &origin, "/", o.method = "POST", o.body = weir_produce_copied("", 0));
	origin_expect(&origin, &peer, POST "Content-Length: 0\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");

	CALL(&heard, client, &origin, "/", o.method = "POST", o.body = source_make(),
	        o.trailers = write_trailer);
	origin_expect(&origin, &peer, POST "Transfer-Encoding: chunked\r\n\r\n");
	source_put("hello", WEIR_WAIT);
	origin_expect(&origin, &peer, "5\r\nhello\r\n");
	source_put("you", WEIR_DONE);
	origin_expect(&origin, &peer, "3\r\nyou\r\n0\r\nDigest: 1\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_int_equal(source.closes, 1);
	assert_int_equal(source.why, WEIR_CLOSE_DONE);
	assert_int_equal(weir_http_client_idle(client), 1);
	client_stop(client, loop);
	peer_close(&peer);
}

/* The server must not take the next request for the rest of this body. */
static void bodies_that_fail(void **state)
{
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/", o.method = "PUT", o.body = source_make());
	struct peer peer = origin_accept(&origin);
	source_put("hello", WEIR_FAILED);
	heard_expect_error(&heard, loop, -EIO);
	assert_true(peer_read_end(&peer));
	assert_int_equal(peer.error, ECONNRESET);
	assert_int_equal(weir_http_client_connections(client), 0);
	peer_close(&peer);
	/* A file that has become shorter since its size was announced. */
	FILE *file = tmpfile();
	assert_non_null(file);
	fputs("short", file);
	fflush(file);
	CALL(&heard, client, &origin, "/", o.method = "PUT",
	        o.body = weir_produce_file(fileno(file), false, 0, 10));
	peer = origin_accept(&origin);
	heard_expect_error(&heard, loop, -EIO);
	fclose(file);
	peer_close(&peer);
	client_stop(client, loop);
}

/* A server that does not read stops the producer of the request. */
static void back_pressure_on_the_request(void **state)
{
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/", o.method = "PUT", o.body = source_make());
	source.endless = true;
	struct peer peer = origin_accept(&origin);
	uint64_t before;
	do {
		before = source.put;
		peer_turn(&peer, 20);
	} while (source.put > before);
	assert_true(source.put > 0);
	while (source.put == before)
		assert_true(peer_read_more(&peer));
	weir_http_call_cancel(heard.call);
	assert_true(TURN_UNTIL(loop, source.closes));
	assert_int_equal(source.why, WEIR_CLOSE_ABORTED);
	heard_clear(&heard);
	client_stop(client, loop);
	peer_close(&peer);
}

/* A paused call stops the server, and does not count as its delay. */
static void back_pressure_on_the_reply(void **state)
{
	static char zeros[64 * 1024];
	size_t sent = 0, size;
	(void)state;
	CLIENT(o.body_ms = PATIENCE_MS);
	heard.pause_at_head = true;
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
	heard_await(&heard, loop, "200 OK|");
	setsockopt(peer.fd, SOL_SOCKET, SO_SNDBUF, &(int){8192}, sizeof(int));
	do {
		size = peer_send_bytes(&peer, zeros, sizeof zeros);
		sent += size;
	} while (size && sent + sizeof zeros <= 20000000);
	assert_true(sent < 20000000 - sizeof zeros);
	size_t heard_size = heard.text.size;
	int64_t until = weir_loop_now_ms(loop) + 3 * PATIENCE_MS;
	while (weir_loop_now_ms(loop) < until)
		weir_loop_turn(loop, 10);
	assert_int_equal(heard.text.size, heard_size);
	assert_int_equal(heard.ends, 0);
	weir_http_call_resume(heard.call);
	while (sent < 20000000) {
		size_t left = 20000000 - sent;
		sent += peer_send_bytes(&peer, zeros, left < sizeof zeros ? left : sizeof zeros);
	}
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, 0);
	assert_int_equal(heard.text.size, strlen("200 OK|.") + 20000000);
	heard_clear(&heard);
	assert_int_equal(weir_http_client_idle(client), 1);
	client_stop(client, loop);
	peer_close(&peer);
}

/* The end of a paused reply waits for the resume; a cancel does not. */
static void a_pause_at_the_end(void **state)
{
	(void)state;
	CLIENT();
	for (int i = 0; i < 2; i++) {
		heard.pause_at_head = true;
		CALL(&heard, client, &origin, "/");
		struct peer peer = origin_accept(&origin);
		peer_send(&peer, "HTTP/1.1 200 OK\r\n\r\nabc");
		peer_finish(&peer);
		heard_await(&heard, loop, "200 OK|");
		peer_turn(&peer, 20);
		assert_int_equal(heard.ends, 0);
		if (i) {
			weir_http_call_cancel(heard.call);
			peer_turn(&peer, 5);
			assert_int_equal(heard.ends, 0);
			heard_clear(&heard);
		} else {
			weir_http_call_resume(heard.call);
			heard_expect(&heard, loop, "200 OK|abc.");
		}
		peer_close(&peer);
	}
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	client_stop(client, loop);
}

/* -- 100 (Continue) ---------------------------------------------------------------------------- */

#define EXPECTING POST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"

static void expect_continue(void **state)
{
	(void)state;
	CLIENT(o.continue_ms = 100000);
	CALL(&heard, client, &origin, "/", o.method = "POST", o.expect_continue = true,
	        o.body = weir_produce_copied("hello", 5));
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer, EXPECTING);
	assert_true(origin_is_left_alone(&origin));
	peer_send(&peer, "HTTP/1.1 103 Hints\r\n\r\n");
	heard_await(&heard, loop, "(103)");
	peer_send(&peer, "HTTP/1.1 100 Continue\r\n\r\n");
	origin_expect(&origin, &peer, "hello");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "(103)(100)200 OK|ok.");
	/* The body is not wanted, so it is not sent, and the connection is closed. */
	CALL(&heard, client, &origin, "/", o.method = "POST", o.expect_continue = true,
	        o.body = weir_produce_copied("hello", 5));
	origin_expect(&origin, &peer, EXPECTING);
	peer_send(&peer, "HTTP/1.1 413 Large\r\nContent-Length: 1\r\n\r\nx");
	heard_expect(&heard, loop, "413 Large|x.");
	assert_true(peer_read_end(&peer));
	assert_int_equal(peer.got.size, 0);
	assert_int_equal(weir_http_client_connections(client), 0);
	peer_close(&peer);
	client_stop(client, loop);
}

/* Servers of HTTP/1.0 and some proxies never send 100. */
static void a_continue_that_never_comes(void **state)
{
	(void)state;
	CLIENT(o.continue_ms = 10);
	CALL(&heard, client, &origin, "/", o.method = "POST", o.expect_continue = true,
	        o.body = weir_produce_copied("hello", 5));
	struct peer peer = origin_accept(&origin);
	origin_await(&peer, "Expect: 100-continue\r\n\r\nhello");
	peer_send(&peer, "HTTP/1.1 100 Continue\r\n\r\n" OK); /* late */
	heard_expect(&heard, loop, "(100)200 OK|ok.");
	client_stop(client, loop);
	peer_close(&peer);
}

/* -- early replies ----------------------------------------------------------------------------- */

/* The reply ends while the body is still sent: the call is complete, the connection closed. */
static void a_reply_before_the_end_of_the_request(void **state)
{
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/", o.method = "POST", o.body = source_make());
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer, POST "Transfer-Encoding: chunked\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_true(peer_read_end(&peer));
	assert_int_equal(source.closes, 1);
	assert_int_equal(source.why, WEIR_CLOSE_ABORTED);
	peer_close(&peer);
	client_stop(client, loop);
}

/* Both bodies are sent at the same time. */
static void a_reply_beside_the_request(void **state)
{
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/", o.method = "POST", o.body = source_make());
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer, POST "Transfer-Encoding: chunked\r\n\r\n");
	peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
	heard_await(&heard, loop, "200 OK|o");
	source_put("hello", WEIR_DONE);
	origin_expect(&origin, &peer, "5\r\nhello\r\n0\r\n\r\n");
	peer_send(&peer, "k");
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_int_equal(weir_http_client_idle(client), 1);
	client_stop(client, loop);
	peer_close(&peer);
}

static struct peer closing;

/* Between the wait for events and the next send of the client. */
static void reply_and_reset(struct weir_timer *timer)
{
	static const char reply[] = "HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno";
	(void)timer;
	assert_int_equal(send(closing.fd, reply, strlen(reply), 0), strlen(reply));
	peer_close(&closing); /* with unread input: a reset */
	source_put("more", WEIR_WAIT);
}

/* The server replies and closes without reading the body: its reset must not hide the reply. */
static void a_reply_before_a_reset(void **state)
{
	struct weir_timer timer = {0};
	(void)state;
	CLIENT();
	for (int endless = 0; endless < 2; endless++) {
		CALL(&heard, client, &origin, "/", o.method = "POST", o.body = source_make());
		source.endless = endless;
		source_put("hello", WEIR_WAIT);
		closing = origin_accept(&origin);
		peer_turn(&closing, 10);
		assert_true(source.put > 0);
		weir_timer_start(loop, &timer, 0, reply_and_reset);
		heard_expect(&heard, loop, "413 Large|no.");
		assert_true(TURN_UNTIL(loop, source.closes));
	}
	client_stop(client, loop);
}

static int setup(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	heard.without_trailers = true;
	origin_start(&origin, loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	heard_clear(&heard);
	origin_stop(&origin);
	weir_loop_destroy(loop);
	return 0;
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int window_of(const struct weir_http_call *call)
{
	int fd = weir_channel_ref(call->connection->channel).fd, size = 0;
	socklen_t length = sizeof size;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length), 0);
	return size / 2; /* the kernel doubles what it is asked for */
}

/* The kernel holds little of a reply that is paused at its beginning. */
static void the_window(void **state)
{
	enum {
		PART = 60000
	};
	static const char part[PART];
	(void)state;
	CLIENT(o.small_pieces = true);
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	origin_skip_request(&peer);
	assert_int_equal(window_of(heard.call), WEIR_HTTP_CLIENT_WINDOW);
	peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 180000\r\n\r\n");
	assert_int_equal(peer_send_bytes(&peer, part, PART), PART);
	assert_true(TURN_UNTIL(loop, heard.text.size >= PART));
	assert_int_equal(window_of(heard.call), WEIR_HTTP_CLIENT_WINDOW);
	http_call_set_pace(heard.call, true);
	assert_int_equal(window_of(heard.call), WEIR_HTTP_CLIENT_WINDOW);
	assert_int_equal(peer_send_bytes(&peer, part, PART), PART);
	assert_true(TURN_UNTIL(loop, heard.text.size >= 2 * PART));
	assert_int_equal(window_of(heard.call), WEIR_HTTP_CLIENT_WINDOW);
	assert_true(http_call_wants_pace(heard.call));
	http_call_set_pace(heard.call, false);
	assert_true(window_of(heard.call) >= WEIR_HTTP_CLIENT_WINDOW_OPEN);
	assert_false(http_call_wants_pace(heard.call));
	assert_int_equal(peer_send_bytes(&peer, part, PART), PART);
	heard_await_end(&heard, loop);
	heard_clear(&heard);
	client_stop(client, loop);
	peer_close(&peer);
}

/* A receiver that keeps up gets a wider window for what follows. */
static void the_window_of_a_receiver_that_keeps_up(void **state)
{
	(void)state;
	CLIENT(o.small_pieces = true);
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	origin_skip_request(&peer);
	peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcde");
	assert_true(TURN_UNTIL(loop, heard.text.size >= 5));
	http_call_set_pace(heard.call, false);
	assert_int_equal(window_of(heard.call), WEIR_HTTP_CLIENT_WINDOW_TAKEN);
	peer_send(&peer, "abcde");
	heard_await_end(&heard, loop);
	heard_clear(&heard);
	client_stop(client, loop);
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CLIENT_TEST(bodies_of_requests),
	        CLIENT_TEST(bodies_that_fail),
	        CLIENT_TEST(back_pressure_on_the_request),
	        CLIENT_TEST(back_pressure_on_the_reply),
	        CLIENT_TEST(the_window),
	        CLIENT_TEST(the_window_of_a_receiver_that_keeps_up),
	        CLIENT_TEST(a_pause_at_the_end),
	        CLIENT_TEST(expect_continue),
	        CLIENT_TEST(a_continue_that_never_comes),
	        CLIENT_TEST(a_reply_before_the_end_of_the_request),
	        CLIENT_TEST(a_reply_beside_the_request),
	        CLIENT_TEST(a_reply_before_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
