/* Calls and their replies, and the pool of kept connections. */
#include "fake_origin.h"

#include <sys/socket.h>

#include <weir/sources.h>

static struct weir_loop *loop;
static struct origin origin;
static struct weir_http_client *client;
static struct heard heard;

#define TRAILERS "TE: trailers\r\nConnection: TE\r\n"
#define PLAIN "GET / HTTP/1.1\r\nHost: $\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void make_client(struct weir_http_client_options options)
{
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
}

#define CLIENT(...) make_client(OPTIONS(weir_http_client_options, __VA_ARGS__))

static void replies(void **state)
{
	static const struct {
		const char *method, *reply, *text;
		bool closes; /* the server ends the connection behind the reply */
	} cases[] = {
	        {"GET", OK, "200 OK|ok."},
	        {"GET", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "404 |."},
	        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "200 OK|."},
	        {"GET", "HTTP/1.1 204 No\r\n\r\n", "204 No|."},
	        {"GET", "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "204 No|."},
	        {"GET", "HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", "304 Same|."},
	        {"GET",
	                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	                "3\r\nabc\r\n1;x\r\nd\r\n0\r\nDigest: 1\r\nB: 2\r\n\r\n",
	                "200 OK|abcd|Digest=1|B=2."},
	        {"GET", "HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 P\r\n\r\n" OK,
	                "(103)(102)200 OK|ok."},
	        {"GET", "HTTP/1.1 200 OK\r\n\r\nto the end", "200 OK|to the end.", true},
	        {"GET", "HTTP/1.0 200 OK\r\n\r\n", "200 OK|.", true},
	        {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
	                "200 OK|x.", true},
	};
	(void)state;
	CLIENT();
	struct peer peer = {.fd = -1};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char request[128];
		CALL(&heard, client, &origin, "/", o.method = cases[i].method);
		if (peer.fd < 0)
			peer = origin_accept(&origin);
		snprintf(request, sizeof request, "%s / HTTP/1.1\r\nHost: $\r\n" TRAILERS "\r\n",
		        cases[i].method);
		origin_expect(&origin, &peer, request);
		peer_send(&peer, cases[i].reply);
		if (cases[i].closes)
			peer_finish(&peer);
		heard_expect(&heard, loop, cases[i].text);
		if (cases[i].closes) {
			assert_true(peer_read_end(&peer));
			peer_close(&peer);
		}
		assert_int_equal(weir_http_client_idle(client), !cases[i].closes);
	}
	client_stop(client, loop);
}

/* The field TE is sent where trailer fields are wanted, and Host may be set. */
static void the_request(void **state)
{
	static const struct weir_http_field fields[] = {
	        {WEIR_SPAN("Accept"), WEIR_SPAN("text/html")},
	        {WEIR_SPAN("Authorization"), WEIR_SPAN("Basic YTpi")},
	        {WEIR_SPAN("X-Empty"), WEIR_SPAN("")},
	};
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/a%20b?q=1#part", o.host = "example.org", o.fields = fields,
	        o.field_count = 3);
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer,
	        "GET /a%20b?q=1 HTTP/1.1\r\nHost: example.org\r\n" TRAILERS
	        "Accept: text/html\r\nX-Empty: \r\nAuthorization: Basic YTpi\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	/* An empty path is "/", also before a query. */
	heard.without_trailers = true;
	CALL(&heard, client, &origin, "?q");
	origin_expect(&origin, &peer, "GET /?q HTTP/1.1\r\nHost: $\r\n\r\n");
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	client_stop(client, loop);
	peer_close(&peer);
}

static int refusal(struct weir_http_call_options options)
{
	return heard_start(&heard, client, &origin, "/", options);
}

#define REFUSED(...) refusal(OPTIONS(weir_http_call_options, __VA_ARGS__))

static int refused_field(const char *name, const char *value)
{
	struct weir_http_field field = {weir_span_of(name), weir_span_of(value)};
	return REFUSED(o.fields = &field, o.field_count = 1);
}

static struct weir_producer *make_nothing(void *context)
{
	(void)context;
	return NULL;
}

static void requests_that_are_refused(void **state)
{
	char long_path[200];
	(void)state;
	memset(long_path, 'x', sizeof long_path);
	long_path[sizeof long_path - 1] = 0;
	CLIENT();
	assert_int_equal(REFUSED(o.url = "ftp://a/"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.url = "http://"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.url = "http://user@host/"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.url = "http://a/b c"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.url = "http://a/\r\nB: c"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.url = "https://a/"), -EINVAL);
	assert_int_equal(REFUSED(o.method = "G T"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.method = ""), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.method = "CONNECT"), -EINVAL);
	assert_int_equal(REFUSED(o.host = "a\r\nB: c"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.host = "a, b"), WEIR_E_SYNTAX);
	assert_int_equal(REFUSED(o.unix_path = ""), -EINVAL);
	assert_int_equal(REFUSED(o.unix_path = long_path), -EINVAL);
	assert_int_equal(refused_field("A b", "c"), WEIR_E_SYNTAX);
	assert_int_equal(refused_field("", "c"), WEIR_E_SYNTAX);
	assert_int_equal(refused_field("A", "b\r\nC: d"), WEIR_E_SYNTAX);
	assert_int_equal(refused_field("host", "c"), -EINVAL);
	assert_int_equal(refused_field("Content-Length", "1"), -EINVAL);
	assert_int_equal(refused_field("TRANSFER-ENCODING", "chunked"), -EINVAL);
	assert_int_equal(refused_field("Upgrade", "websocket"), -EINVAL);
	assert_int_equal(
	        REFUSED(o.body = weir_produce_copied("a", 1), o.make_body = make_nothing), -EINVAL);
	assert_int_equal(heard.ends, 0);
	client_stop(client, loop);
	assert_true(origin_is_left_alone(&origin));
}

/* -- the pool ---------------------------------------------------------------------------------- */

static void a_connection_has_one_request_at_a_time(void **state)
{
	struct heard others[2] = {{.without_trailers = true}, {.without_trailers = true}};
	(void)state;
	CLIENT(o.origin_max = 1);
	heard.without_trailers = true;
	CALL(&heard, client, &origin, "/");
	CALL(&others[0], client, &origin, "/");
	CALL(&others[1], client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	origin_expect(&origin, &peer, PLAIN);
	assert_true(origin_is_left_alone(&origin));
	assert_false(peer.got.size);
	peer_send(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
	heard_await(&heard, loop, "200 OK|o");
	peer_turn(&peer, 10);
	assert_int_equal(recv(peer.fd, (char[1]){0}, 1, MSG_DONTWAIT), -1);
	peer_send(&peer, "k");
	heard_expect(&heard, loop, "200 OK|ok.");
	for (int i = 0; i < 2; i++) {
		origin_expect(&origin, &peer, PLAIN);
		peer_send(&peer, OK);
		heard_expect(&others[i], loop, "200 OK|ok.");
	}
	assert_int_equal(weir_http_client_connections(client), 1);
	assert_int_equal(weir_http_client_idle(client), 1);
	client_stop(client, loop);
	peer_close(&peer);
}

/* A bound on all connections closes those of other origins that are idle. */
static void bounds_of_the_pool(void **state)
{
	struct origin second;
	struct heard others[3] = {{0}, {0}, {0}};
	(void)state;
	origin_start(&second, loop);
	CLIENT(o.connections_max = 2, o.waiting_max = 2);
	CALL(&heard, client, &origin, "/");
	CALL(&others[0], client, &origin, "/");
	/* Two wait; the third is one too many. */
	assert_int_equal(
	        heard_start(&others[1], client, &origin, "/", OPTIONS(weir_http_call_options)),
	        WEIR_E_LIMIT);
	struct peer first = origin_accept(&origin), other = origin_accept(&origin);
	CALL(&others[1], client, &second, "/");
	assert_true(origin_is_left_alone(&second));
	peer_read_more(&first);
	peer_send(&first, OK);
	assert_true(TURN_UNTIL(loop, heard.ends || others[0].ends));
	/* The connection that became idle is closed for the other origin. */
	assert_true(peer_read_end(&first));
	struct peer third = origin_accept(&second);
	assert_int_equal(weir_http_client_connections(client), 2);
	peer_read_more(&third);
	peer_send(&third, OK);
	heard_expect(&others[1], loop, "200 OK|ok.");
	peer_read_more(&other);
	peer_send(&other, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	heard_expect(&others[0], loop, "200 OK|ok.");
	client_stop(client, loop);
	peer_close(&first);
	peer_close(&other);
	peer_close(&third);
	origin_stop(&second);
}

/* The time to wait for a connection of the pool is bounded. */
static void a_call_without_a_connection(void **state)
{
	struct heard other = {0};
	(void)state;
	CLIENT(o.origin_max = 1, o.wait_ms = 1000);
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	origin_skip_request(&peer);
	peer_send(&peer, "HTTP/1.1 200 OK\r\n\r\n");
	heard_await(&heard, loop, "200 OK|");
	CALL(&other, client, &origin, "/");
	heard_expect_error(&other, loop, WEIR_E_LIMIT);
	peer_close(&peer);
	heard_expect(&heard, loop, "200 OK|.");
	client_stop(client, loop);
}

static unsigned extras;

static void count_extra(void *context, const char *name)
{
	assert_string_equal(context, "context");
	assert_int_equal(strncmp(name, "http://127.0.0.1:", 17), 0);
	extras++;
}

/* Bytes behind a reply, and an end, take a connection out of the pool. */
static void kept_connections_that_end(void **state)
{
	(void)state;
	extras = 0;
	CLIENT(o.extra = count_extra, o.context = (void *)"context");
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_send(&peer, OK "H");
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_true(TURN_UNTIL(loop, extras == 1));
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	peer_close(&peer);

	CALL(&heard, client, &origin, "/");
	peer = origin_accept(&origin);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_int_equal(weir_http_client_idle(client), 1);
	peer_send(&peer, OK); /* for a request that was never sent */
	assert_true(TURN_UNTIL(loop, extras == 2));
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	peer_close(&peer);

	CALL(&heard, client, &origin, "/");
	peer = origin_accept(&origin);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	assert_int_equal(extras, 2);
	client_stop(client, loop);
}

/* A call that starts when the end has come, but was not seen yet, gets another connection. */
static void an_end_that_was_not_seen(void **state)
{
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	peer_close(&peer);
	CALL(&heard, client, &origin, "/", o.method = "POST");
	peer = origin_accept(&origin);
	peer_send(&peer, OK);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, 0);
	assert_false(heard.retried);
	heard_clear(&heard);
	client_stop(client, loop);
	peer_close(&peer);
}

static void idle_connections_are_closed(void **state)
{
	(void)state;
	CLIENT(o.idle_ms = 10);
	CALL(&heard, client, &origin, "/");
	struct peer peer = origin_accept(&origin);
	peer_send(&peer, OK);
	heard_expect(&heard, loop, "200 OK|ok.");
	assert_true(TURN_UNTIL(loop, weir_http_client_connections(client) == 0));
	assert_true(peer_read_end(&peer));
	assert_int_equal(peer.error, 0);
	client_stop(client, loop);
	peer_close(&peer);
}

static void options_that_cannot_work(void **state)
{
	struct weir_http_client_options options = {0};
	(void)state;
	assert_int_equal(weir_http_client_create(loop, &options, &client), -EINVAL);
	weir_http_client_options_init(&options);
	options.origin_max = 0;
	assert_int_equal(weir_http_client_create(loop, &options, &client), -EINVAL);
	weir_http_client_destroy(NULL);
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
	        CLIENT_TEST(replies),
	        CLIENT_TEST(the_request),
	        CLIENT_TEST(requests_that_are_refused),
	        CLIENT_TEST(a_connection_has_one_request_at_a_time),
	        CLIENT_TEST(bounds_of_the_pool),
	        CLIENT_TEST(a_call_without_a_connection),
	        CLIENT_TEST(kept_connections_that_end),
	        CLIENT_TEST(an_end_that_was_not_seen),
	        CLIENT_TEST(idle_connections_are_closed),
	        CLIENT_TEST(options_that_cannot_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
