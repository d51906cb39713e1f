/* The client when something fails or ends: at each byte, each allocation, each time limit. */
#include "fake_origin.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/sources.h>

#include "allocation.h"

static struct weir_loop *loop;
static struct origin origin;
static struct weir_http_client *client;
static struct heard heard;

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define HINTS "HTTP/1.1 103 Hints\r\n\r\n"
#define CHUNKED                                                                                    \
	HINTS "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"                              \
	      "3\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n"
#define CHUNKED_TEXT "(103)200 OK|abcd|A=b."

static void make_client(struct weir_http_client_options options)
{
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
}

#define CLIENT(...) make_client(OPTIONS(weir_http_client_options, __VA_ARGS__))

/* -- each byte --------------------------------------------------------------------------------- */

static void a_close_at_each_byte(void **state)
{
	(void)state;
	CLIENT();
	for (size_t at = 0; at < strlen(CHUNKED); at++) {
		CALL(&heard, client, &origin, "/");
		struct peer peer = origin_accept(&origin);
		peer_read_more(&peer);
		peer_send_bytes(&peer, CHUNKED, at);
		if (at % 2)
			peer_close(&peer);
		else
			peer_reset(&peer);
		heard_await_end(&heard, loop);
		/* A reset may overtake bytes. */
		if (heard.error != WEIR_E_HTTP_SHORT && heard.error != -ECONNRESET)
			fail_msg("at %zu: %s", at, heard.why);
		assert_false(heard.retried);
		heard_clear(&heard);
	}
	assert_int_equal(weir_http_client_connections(client), 0);
	client_stop(client, loop);
}

static void a_reply_byte_by_byte(void **state)
{
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	for (size_t at = 0; at < strlen(CHUNKED); at++) {
		assert_int_equal(heard.ends, 0);
		peer_send_bytes(&peer, CHUNKED + at, 1);
		peer_turn(&peer, 4);
	}
	heard_expect(&heard, loop, CHUNKED_TEXT);
	client_stop(client, loop);
	peer_close(&peer);
}

/* After each byte, and in some turns of the loop before the first. No callback follows. */
static void a_cancel_at_each_byte(void **state)
{
	(void)state;
	CLIENT();
	for (int turns = 0; turns < 6; turns++) {
		CALL(&heard, client, &origin, "/", o.method = "POST",
		        o.body = weir_produce_copied("hello", 5));
		for (int i = 0; i < turns; i++)
			weir_loop_turn(loop, 0);
		weir_http_call_cancel(heard.call);
		heard_clear(&heard);
	}
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	while (!origin_is_left_alone(&origin))
		;
	for (size_t at = 0; at < strlen(CHUNKED); at++) {
		CALL(&heard, client, &origin, "/");
		struct peer peer = origin_accept(&origin);
		peer_send_bytes(&peer, CHUNKED, at);
		peer_turn(&peer, 6);
		size_t size = heard.text.size;
		weir_http_call_cancel(heard.call);
		peer_send(&peer, CHUNKED + at);
		peer_turn(&peer, 4);
		assert_int_equal(heard.text.size, size);
		assert_int_equal(heard.ends, 0);
		assert_true(peer_read_end(&peer));
		peer_close(&peer);
		heard_clear(&heard);
	}
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	client_stop(client, loop);
}

static void a_cancel_in_each_callback(void **state)
{
	static const struct {
		char event;
		const char *text;
	} cases[] = {{'i', "(103)"}, {'h', "(103)200 OK|"}, {'p', "(103)200 OK|abc"},
	        {'t', "(103)200 OK|abcd|A=b"}};
	(void)state;
	CLIENT();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		heard.cancel_at = cases[i].event;
		CALL(&heard, client, &origin, "/");
		struct peer peer = origin_accept(&origin);
		peer_send(&peer, CHUNKED);
		heard_await(&heard, loop, cases[i].text);
		assert_true(peer_read_end(&peer));
		peer_close(&peer);
		assert_int_equal(heard.ends, 0);
		heard_clear(&heard);
	}
	assert_int_equal(weir_http_client_connections(client), 0);
	client_stop(client, loop);
}

static void a_destroy_at_each_byte(void **state)
{
	(void)state;
	for (size_t at = 0; at < strlen(CHUNKED) + 6; at++) {
		struct heard waiting = {0};
		size_t turns = at < strlen(CHUNKED) ? 6 : at - strlen(CHUNKED);
		CLIENT(o.origin_max = 1);
		CALL(&heard, client, &origin, "/", o.method = "POST",
		        o.body = weir_produce_copied("hello", 5));
		CALL(&waiting, client, &origin, "/");
		struct peer peer = {.fd = -1, .loop = loop};
		if (at < strlen(CHUNKED)) {
			peer = origin_accept(&origin);
			peer_send_bytes(&peer, CHUNKED, at);
		}
		for (size_t i = 0; i < turns; i++)
			weir_loop_turn(loop, 0);
		client_stop(client, loop);
		assert_int_equal(heard.ends + waiting.ends, 0);
		heard_clear(&heard);
		heard_clear(&waiting);
		if (peer.fd >= 0)
			peer_close(&peer);
		while (!origin_is_left_alone(&origin))
			;
	}
}

/* -- malformed replies ------------------------------------------------------------------------- */

static void malformed_replies_end_the_connection(void **state)
{
	static const struct {
		const char *reply;
		int error;
	} cases[] = {
	        {"HTTP/1.1 OK\r\n\r\n", WEIR_E_HTTP_STATUS},
	        {"HTTP/1.1 200 OK\n\n", WEIR_E_HTTP_LINE_END},
	        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	                WEIR_E_HTTP_LENGTHS},
	        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
	                WEIR_E_HTTP_CHUNK},
	        {"HTTP/1.1 101 Up\r\nUpgrade: h2c\r\n\r\n", WEIR_E_HTTP_INTERIM},
	        {"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", WEIR_E_HTTP_CODING},
	        {"HTTP/1.1 103 H\r\nTransfer-Encoding: chunked\r\n\r\n", WEIR_E_HTTP_CODING},
	        {"HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\nx", WEIR_E_HTTP_LENGTH},
	        {"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a", WEIR_E_HTTP_BODY_SIZE},
	        {"HTTP/1.1 200 OK\r\n\r\n0123456789a", WEIR_E_HTTP_BODY_SIZE},
	};
	(void)state;
	CLIENT();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CALL(&heard, client, &origin, "/", o.body_max = 10);
		struct peer peer = origin_accept(&origin);
		peer_send(&peer, cases[i].reply);
		heard_expect_error(&heard, loop, cases[i].error);
		assert_true(peer_read_end(&peer));
		peer_close(&peer);
	}
	/* A head without an end. */
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_send(&peer, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 100000 && !heard.ends; i++) {
		peer_send(&peer, "Name: value\r\n");
		weir_loop_turn(loop, 0);
	}
	heard_expect_error(&heard, loop, WEIR_E_HTTP_HEAD_SIZE);
	peer_close(&peer);
	client_stop(client, loop);
}

/* -- time limits ------------------------------------------------------------------------------- */

/* A byte of the text in each millisecond; the last one again and again. */
static void trickle(struct peer *peer, const char *text)
{
	for (size_t at = 0; !heard.ends; at += text[at + 1] != 0) {
		int64_t now = weir_loop_now_ms(loop);
		peer_send_bytes(peer, text + at, 1);
		while (weir_loop_now_ms(loop) == now)
			weir_loop_turn(loop, 1);
	}
}

static void time_limits(void **state)
{
	static const char *const starts[] = {
	        "", "H", HINTS, "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nabc"};
	static const char *const trickles[] = {
	        "HTTP/1.1 200 OK\r\nA: ", /* a head without an end */
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: ",
	};
	(void)state;
	CLIENT(o.head_ms = 25, o.body_ms = 25);
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		CALL(&heard, client, &origin, "/");
		struct peer peer = origin_accept(&origin);
		peer_send(&peer, starts[i]);
		heard_expect_error(&heard, loop, -ETIMEDOUT);
		assert_true(peer_read_end(&peer));
		peer_close(&peer);
	}
	for (size_t i = 0; i < sizeof trickles / sizeof *trickles; i++) {
		CALL(&heard, client, &origin, "/");
		struct peer peer = origin_accept(&origin);
		trickle(&peer, trickles[i]);
		heard_expect_error(&heard, loop, -ETIMEDOUT);
		peer_close(&peer);
	}
	client_stop(client, loop);
	/* A body may be slow for ever, unless a lowest rate is set. */
	CLIENT(o.head_ms = 25, o.body_ms = 25, o.body_rate_min = 1000000);
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	trickle(&peer, "HTTP/1.1 200 OK\r\n\r\nabc");
	heard_expect_error(&heard, loop, -ETIMEDOUT);
	peer_close(&peer);
	client_stop(client, loop);
}

static struct weir_producer *waiting;
static const char *waiting_text;

static enum weir_more waiting_more(void *context, struct weir_output *out)
{
	(void)context;
	if (!waiting_text)
		return WEIR_WAIT;
	weir_output_borrow(out, waiting_text, strlen(waiting_text));
	return WEIR_DONE;
}

/* The server is not at fault while the body of the request is not there. */
static void a_body_that_waits(void **state)
{
	(void)state;
	CLIENT(o.head_ms = 10, o.body_ms = 10);
	waiting_text = NULL;
	waiting = weir_produce_generator(waiting_more, NULL, NULL);
	CALL(&heard, client, &origin, "/", o.method = "POST", o.body = waiting);
	struct peer peer = origin_accept(&origin);
	for (int i = 0; i < 60; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(heard.ends, 0);
	waiting_text = "hello";
	weir_wake(waiting);
	origin_await(&peer, "hello\r\n0\r\n\r\n");
	heard_expect_error(&heard, loop, -ETIMEDOUT);
	peer_close(&peer);
	client_stop(client, loop);
}

/* -- connecting -------------------------------------------------------------------------------- */

static void servers_that_are_not_there(void **state)
{
	struct origin closed;
	(void)state;
	origin_start(&closed, loop);
	origin_stop(&closed);
	CLIENT();
	CALL(&heard, client, &closed, "/");
	heard_expect_error(&heard, loop, -ECONNREFUSED);
	CALL(&heard, client, NULL, "", o.url = "http://nowhere.invalid/");
	heard_expect_error(&heard, loop, -ENOENT);
	CALL(&heard, client, &origin, "/", o.unix_path = "/nonexistent/socket");
	heard_expect_error(&heard, loop, -ENOENT);
	assert_int_equal(weir_http_client_connections(client), 0);
	client_stop(client, loop);
}

/* localhost is ::1, where nobody listens on this port, and 127.0.0.1. */
static void the_next_address_is_tried(void **state)
{
	char url[64];
	(void)state;
	CLIENT();
	snprintf(url, sizeof url, "http://localhost%s/", strchr(origin.authority, ':'));
	heard.without_trailers = true;
	CALL(&heard, client, NULL, "", o.url = url);
	struct peer peer = origin_accept(&origin);
	origin_await(&peer, "Host: localhost:");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	client_stop(client, loop);
	peer_close(&peer);
}

static void a_literal_of_ipv6(void **state)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t size = sizeof address;
	struct origin six = {.loop = loop};
	(void)state;
	six.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (six.listener < 0 || bind(six.listener, (struct sockaddr *)&address, size) < 0)
		skip();
	assert_int_equal(listen(six.listener, 1), 0);
	assert_int_equal(getsockname(six.listener, (struct sockaddr *)&address, &size), 0);
	snprintf(six.authority, sizeof six.authority, "[::1]:%u", ntohs(address.sin6_port));
	CLIENT();
	heard.without_trailers = true;
	CALL(&heard, client, &six, "/");
	struct peer peer = origin_accept(&six);
	origin_expect(&six, &peer, "GET / HTTP/1.1\r\nHost: $\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	client_stop(client, loop);
	peer_close(&peer);
	origin_stop(&six);
}

static void a_unix_socket(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct origin local = {.loop = loop, .authority = "some.example"};
	char folder[] = "/tmp/weir-client-XXXXXX";
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
	local.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(local.listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(local.listener, 1), 0);
	CLIENT();
	struct peer peer = {.fd = -1};
	for (int i = 0; i < 2; i++) {
		heard.without_trailers = true;
		CALL(&heard, client, &local, "/", o.unix_path = address.sun_path,
		        o.redirects_max = 1);
		if (i == 0)
			peer = origin_accept(&local);
		origin_expect(&local, &peer, "GET / HTTP/1.1\r\nHost: $\r\n\r\n");
		/* A redirect to another host does not lead to the same socket. */
		peer_send(&peer, i ? "HTTP/1.1 302 Go\r\nLocation: http://other.example/\r\n"
		                     "Content-Length: 0\r\n\r\n"
		                   : OK);
		heard_expect(&heard, loop, i ? "302 Go|." : "200 OK|ok.");
	}
	client_stop(client, loop);
	peer_close(&peer);
	origin_stop(&local);
	unlink(address.sun_path);
	rmdir(folder);
}

/* -- each allocation --------------------------------------------------------------------------- */

/* A server without allocations: it replies to what it reads with a redirect, and then with this. */
static void serve_without_memory(unsigned *replies)
{
	static int fds[8];
	static unsigned count;
	static const char redirect[] =
	        "HTTP/1.1 307 Go\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
	char bytes[2048];
	int fd = accept4(origin.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		assert_true(count < 8);
		fds[count++] = fd;
	}
	for (unsigned i = 0; i < count; i++) {
		ssize_t got = recv(fds[i], bytes, sizeof bytes, 0);
		if (got > 0 && memmem(bytes, (size_t)got, "0\r\n\r\n", 5)) {
			const char *reply = (*replies)++ ? CHUNKED : redirect;
			assert_true(send(fds[i], reply, strlen(reply), MSG_NOSIGNAL) > 0);
		} else if (got == 0 || (got < 0 && errno != EAGAIN)) {
			close(fds[i]);
			fds[i--] = fds[--count];
		}
	}
}

static enum weir_more put_hello(void *context, struct weir_output *out)
{
	(void)context;
	weir_output_borrow(out, "hello", 5);
	return WEIR_DONE;
}

/* Of unknown size: it is sent chunked. */
static struct weir_producer *make_hello(void *context)
{
	return weir_produce_generator(put_hello, NULL, context);
}

static void each_allocation_fails(void **state)
{
	static const struct weir_http_field field = {WEIR_SPAN("A"), WEIR_SPAN("b")};
	bool failed = true;
	unsigned done = 0;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct weir_http_client_options mine;
		unsigned replies = 0;
		weir_http_client_options_init(&mine);
		/* The notes of the test need memory, too. */
		static const char zeros[256];
		weir_buffer_append(&heard.text, zeros, sizeof zeros, SIZE_MAX);
		heard.text.size = 0;
		fail_allocation_after(good, false);
		int error = weir_http_client_create(loop, &mine, &client);
		if (error == 0) {
			error = heard_start(&heard, client, &origin, "/",
			        OPTIONS(weir_http_call_options, o.method = "PUT", o.fields = &field,
			                o.field_count = 1, o.make_body = make_hello,
			                o.host = "example.org", o.redirects_max = 1));
			for (int i = 0; i < 5000 && error == 0 && !heard.ends; i++) {
				weir_loop_turn(loop, 1);
				serve_without_memory(&replies);
			}
			failed = stop_failing_allocations();
			assert_int_equal(heard.ends, error == 0);
			done += heard.ends && heard.error == 0;
			client_stop(client, loop);
		} else {
			failed = stop_failing_allocations();
		}
		assert_true(error == 0 || error == -ENOMEM);
		serve_without_memory(&replies);
		heard_clear(&heard);
	}
	assert_true(done >= 1);
}

static int setup(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	origin_start(&origin, loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	heard_clear(&heard);
	heard = (struct heard){0};
	origin_stop(&origin);
	weir_loop_destroy(loop);
	return 0;
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CLIENT_TEST(a_close_at_each_byte),
	        CLIENT_TEST(a_reply_byte_by_byte),
	        CLIENT_TEST(a_cancel_at_each_byte),
	        CLIENT_TEST(a_cancel_in_each_callback),
	        CLIENT_TEST(a_destroy_at_each_byte),
	        CLIENT_TEST(malformed_replies_end_the_connection),
	        CLIENT_TEST(time_limits),
	        CLIENT_TEST(a_body_that_waits),
	        CLIENT_TEST(servers_that_are_not_there),
	        CLIENT_TEST(the_next_address_is_tried),
	        CLIENT_TEST(a_literal_of_ipv6),
	        CLIENT_TEST(a_unix_socket),
	        CLIENT_TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
