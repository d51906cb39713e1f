/* Requests that are sent again: redirects, and kept connections that the server has closed. */
#include "fake_origin.h"

#include <weir/sources.h>

static struct weir_loop *loop;
static struct origin origin;
static struct weir_http_client *client;
static struct heard heard;
static unsigned bodies; /* that were made */

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: $\r\n\r\n"

static struct weir_producer *make_hello(void *context)
{
	assert_ptr_equal(context, &bodies);
	bodies++;
	return weir_produce_copied("hello", 5);
}

#define MAKES_HELLO o.make_body = make_hello, o.make_body_context = &bodies

static void send_redirect(struct peer *peer, unsigned status, const char *location)
{
	char reply[512];
	snprintf(reply, sizeof reply,
	        "HTTP/1.1 %u Go\r\nLocation: %s\r\nContent-Length: 4\r\n\r\ngone", status,
	        location);
	peer_send(peer, reply);
}

/* -- redirects --------------------------------------------------------------------------------- */

/* RFC 9110 15.4. */
static void methods_and_bodies(void **state)
{
	static const struct weir_http_field type = {WEIR_SPAN("Content-Type"), WEIR_SPAN("a/b")};
	static const struct {
		const char *method;
		unsigned status;
		bool get; /* the second request is GET, without body */
	} cases[] = {
	        {"POST", 301, true},
	        {"POST", 302, true},
	        {"POST", 303, true},
	        {"PUT", 303, true},
	        {"POST", 307, false},
	        {"POST", 308, false},
	        {"PUT", 301, false},
	        {"PUT", 302, false},
	        {"DELETE", 302, false},
	};
	(void)state;
	struct peer peer = {.fd = -1};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char request[256];
		bodies = 0;
		CALL(&heard, client, &origin, "/a", o.method = cases[i].method, o.redirects_max = 1,
		        o.fields = &type, o.field_count = 1, MAKES_HELLO);
		if (peer.fd < 0)
			peer = origin_accept(&origin);
		snprintf(request, sizeof request,
		        "%s /a HTTP/1.1\r\nHost: $\r\nContent-Type: a/b\r\n"
		        "Content-Length: 5\r\n\r\nhello",
		        cases[i].method);
		origin_expect(&origin, &peer, request);
		send_redirect(&peer, cases[i].status, "/b");
		if (!cases[i].get) {
			request[strlen(cases[i].method) + 2] = 'b';
			origin_expect(&origin, &peer, request);
		} else {
			origin_expect(&origin, &peer, GET("/b"));
		}
		peer_send(&peer, OK);
		heard_expect(&heard, loop, "200 OK|ok.");
		assert_int_equal(bodies, cases[i].get ? 1 : 2);
	}
	/* HEAD stays HEAD. */
	CALL(&heard, client, &origin, "/a", o.method = "HEAD", o.redirects_max = 1);
	origin_expect(&origin, &peer, "HEAD /a HTTP/1.1\r\nHost: $\r\n\r\n");
	peer_send(&peer, "HTTP/1.1 303 See\r\nLocation: b\r\n\r\n");
	origin_expect(&origin, &peer, "HEAD /b HTTP/1.1\r\nHost: $\r\n\r\n");
	peer_send(&peer, "HTTP/1.1 200 OK\r\n\r\n");
	heard_expect(&heard, loop, "200 OK|.");
	peer_close(&peer);
}

/* The user gets the redirect itself. */
static void redirects_that_are_not_followed(void **state)
{
	(void)state;
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer, GET("/"));
	send_redirect(&peer, 302, "/b");
	heard_expect(&heard, loop, "302 Go|gone.");
	/* One too many. */
	CALL(&heard, client, &origin, "/", o.redirects_max = 2);
	origin_expect(&origin, &peer, GET("/"));
	send_redirect(&peer, 302, "/b");
	origin_expect(&origin, &peer, GET("/b"));
	send_redirect(&peer, 302, "/c");
	origin_expect(&origin, &peer, GET("/c"));
	send_redirect(&peer, 302, "/d");
	heard_expect(&heard, loop, "302 Go|gone.");
	static const char *const locations[] = {
	        "ftp://a/", "https://a/", "http://", "http://a@b/", "//a b/", "http:// x/"};
	for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
		CALL(&heard, client, &origin, "/", o.redirects_max = 5);
		origin_skip_request(&peer);
		send_redirect(&peer, 302, locations[i]);
		heard_expect(&heard, loop, "302 Go|gone.");
	}
	/* No Location, a body that is sent once, and 304, which is no redirect. */
	CALL(&heard, client, &origin, "/", o.redirects_max = 5);
	origin_skip_request(&peer);
	peer_send(&peer, "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n");
	heard_expect(&heard, loop, "302 Go|.");
	CALL(&heard, client, &origin, "/", o.redirects_max = 5, o.method = "POST",
	        o.body = weir_produce_copied("a", 1));
	origin_skip_request(&peer);
	send_redirect(&peer, 307, "/b");
	heard_expect(&heard, loop, "307 Go|gone.");
	peer_close(&peer);
	CALL(&heard, client, &origin, "/", o.redirects_max = 5);
	peer = origin_accept(&origin);
	peer_send(&peer, "HTTP/1.1 304 Same\r\nLocation: /b\r\n\r\n");
	heard_expect(&heard, loop, "304 Same|.");
	peer_close(&peer);
}

static const struct weir_http_field secrets[] = {
        {WEIR_SPAN("authorization"), WEIR_SPAN("Basic YTpi")},
        {WEIR_SPAN("Cookie"), WEIR_SPAN("a=b")},
        {WEIR_SPAN("Accept"), WEIR_SPAN("x/y")},
};

/* Credentials and the field Host are for the first origin. */
static void another_origin(void **state)
{
	struct origin second;
	char location[128];
	(void)state;
	origin_start(&second, loop);
	CALL(&heard, client, &origin, "/a", o.redirects_max = 3, o.fields = secrets,
	        o.field_count = 3, o.host = "example.org");
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer,
	        "GET /a HTTP/1.1\r\nHost: example.org\r\nAccept: x/y\r\n"
	        "authorization: Basic YTpi\r\nCookie: a=b\r\n\r\n");
	send_redirect(&peer, 302, "b");
	origin_expect(&origin, &peer,
	        "GET /b HTTP/1.1\r\nHost: example.org\r\nAccept: x/y\r\n"
	        "authorization: Basic YTpi\r\nCookie: a=b\r\n\r\n");
	snprintf(location, sizeof location, "http://%s/c", second.authority);
	send_redirect(&peer, 302, location);
	struct peer other = origin_accept(&second);
	origin_expect(&second, &other, "GET /c HTTP/1.1\r\nHost: $\r\nAccept: x/y\r\n\r\n");
	/* And they do not come back. */
	snprintf(location, sizeof location, "http://%s/d", origin.authority);
	send_redirect(&other, 302, location);
	origin_expect(&origin, &peer, "GET /d HTTP/1.1\r\nHost: $\r\nAccept: x/y\r\n\r\n");
	peer_send(&peer, OK);
	heard_await_end(&heard, loop);
	assert_non_null(strstr(heard.url, origin.authority));
	assert_string_equal(heard.url + strlen(heard.url) - 2, "/d");
	heard_expect(&heard, loop, "200 OK|ok.");
	peer_close(&peer);
	peer_close(&other);
	origin_stop(&second);
}

/* It is read if it is small; else the connection is closed. The bound is for the last reply. */
static void the_body_of_a_redirect(void **state)
{
	(void)state;
	CALL(&heard, client, &origin, "/a", o.redirects_max = 1, o.body_max = 2);
	struct peer peer = origin_accept(&origin);
	peer_send(&peer, "HTTP/1.1 302 Go\r\nLocation: /b\r\nTransfer-Encoding: chunked\r\n\r\n"
	                 "a\r\n0123456789\r\n0\r\nA: b\r\n\r\n");
	origin_expect(&origin, &peer, GET("/a") GET("/b"));
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	static const char *const large[] = {
	        "Content-Length: 10000000\r\n\r\n",
	        "Transfer-Encoding: chunked\r\n\r\n80000\r\n",
	        "\r\n",
	};
	for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
		static char zeros[200 * 1024];
		CALL(&heard, client, &origin, "/a", o.redirects_max = 1);
		origin_skip_request(&peer);
		peer_send(&peer, "HTTP/1.1 302 Go\r\nLocation: /b\r\n");
		peer_send(&peer, large[i]);
		peer_send_bytes(&peer, zeros, sizeof zeros);
		struct peer other = origin_accept(&origin);
		origin_expect(&origin, &other, GET("/b"));
		peer_send(&other, OK);
		heard_expect(&heard, loop, "200 OK|ok.");
		peer_close(&peer);
		peer = other;
	}
	peer_close(&peer);
}

/* -- kept connections -------------------------------------------------------------------------- */

enum ending {
	ENDS,
	RESETS
};

/* Has one kept connection, on which a call is sent; the server reads that and closes. */
static void lose_kept(struct weir_http_call_options options, enum ending ending, const char *sends)
{
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_read_more(&peer);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	peer.got.size = 0;
	assert_int_equal(heard_start(&heard, client, &origin, "/", options), 0);
	assert_true(peer_read_more(&peer));
	peer_send(&peer, sends);
	if (ending == ENDS)
		peer_close(&peer);
	else
		peer_reset(&peer);
}

#define LOSE_KEPT(ending, sends, ...)                                                              \
	lose_kept(OPTIONS(weir_http_call_options, __VA_ARGS__), ending, sends)

static void retries(void **state)
{
	static const char *const idempotent[] = {
	        "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
	(void)state;
	for (size_t i = 0; i < sizeof idempotent / sizeof *idempotent; i++) {
		for (enum ending ending = ENDS; ending <= RESETS; ending++) {
			LOSE_KEPT(ending, "", o.method = idempotent[i]);
			struct peer peer = origin_accept(&origin);
			peer_read_more(&peer);
			assert_memory_equal(peer.got.data, idempotent[i], 3);
			peer_send(&peer, "HTTP/1.1 204 No\r\n\r\n");
			heard_await_end(&heard, loop);
			assert_true(heard.retried);
			heard_expect(&heard, loop, "204 No|.");
			peer_close(&peer);
			assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
		}
	}
	/* A body that is made anew. */
	bodies = 0;
	LOSE_KEPT(ENDS, "", o.method = "PUT", MAKES_HELLO);
	struct peer peer = origin_accept(&origin);
	origin_expect(
	        &origin, &peer, "PUT / HTTP/1.1\r\nHost: $\r\nContent-Length: 5\r\n\r\nhello");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_int_equal(bodies, 2);
	peer_close(&peer);
}

static void no_retries(void **state)
{
	(void)state;
	/* Not idempotent; an unknown method may be so. */
	LOSE_KEPT(ENDS, "", o.method = "POST");
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	LOSE_KEPT(ENDS, "", o.method = "BREW");
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	LOSE_KEPT(ENDS, "", o.method = "PATCH", MAKES_HELLO);
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	/* A body that is sent once. */
	LOSE_KEPT(ENDS, "", o.method = "PUT", o.body = weir_produce_copied("a", 1));
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	/* A byte of the reply came. */
	LOSE_KEPT(ENDS, "H", o.method = "GET");
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	LOSE_KEPT(ENDS, "HTTP/1.1 100 C\r\n\r\n", o.method = "GET");
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	/* A new connection, on which the server closes. */
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_read_more(&peer);
	peer_close(&peer);
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	/* The second time it fails, too. */
	LOSE_KEPT(ENDS, "", o.method = "GET");
	peer = origin_accept(&origin);
	peer_read_more(&peer);
	peer_close(&peer);
	heard_await_end(&heard, loop);
	assert_true(heard.retried);
	heard_expect_error(&heard, loop, WEIR_E_HTTP_SHORT);
	assert_true(origin_is_left_alone(&origin));
}

static int setup(void **state)
{
	struct weir_http_client_options options;
	(void)state;
	weir_http_client_options_init(&options);
	if (weir_loop_create(&loop) < 0 || weir_http_client_create(loop, &options, &client) < 0)
		return -1;
	heard.without_trailers = true;
	origin_start(&origin, loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	heard_clear(&heard);
	client_stop(client, loop);
	origin_stop(&origin);
	weir_loop_destroy(loop);
	return 0;
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CLIENT_TEST(methods_and_bodies),
	        CLIENT_TEST(redirects_that_are_not_followed),
	        CLIENT_TEST(another_origin),
	        CLIENT_TEST(the_body_of_a_redirect),
	        CLIENT_TEST(retries),
	        CLIENT_TEST(no_retries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
