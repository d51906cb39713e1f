/* Groups of upstreams: the choice of one, requests that are sent again, tunnels. */
#include "proxied.h"

#include <sys/socket.h>

/* -- several upstreams ------------------------------------------------------------------------- */

static void another_upstream_is_asked(void **state)
{
	struct origin dead;
	char urls[2][128];
	struct weir_http_upstream two[] = {
	        {.url = urls[0], .weight = 1}, {.url = urls[1], .weight = 1, .backup = true}};
	(void)state;
	origin_start(&dead, loop);
	origin_stop(&dead);
	snprintf(urls[0], sizeof urls[0], "http://%s", dead.authority);
	snprintf(urls[1], sizeof urls[1], "http://%s", origin.authority);
	PLAIN(GROUP(o.upstreams = two, o.count = 2));
	/* Nothing was sent, so the method does not matter. */
	for (unsigned i = 0; i < 5; i++) {
		passes("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
		        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
		replies(OK, OK);
	}
	stop_proxy();
}

/* A request that may have had its effect is not sent again. */
static void requests_that_are_sent_again(void **state)
{
	static const struct {
		const char *request;
		bool again;
	} cases[] = {
	        {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
	        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", false},
	        {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		PLAIN(GROUP(o.retries_max = 1));
		passes(cases[i].request, cases[i].request);
		peer_reset(&upstream);
		upstream.fd = -1;
		if (cases[i].again) {
			upstream = origin_accept(&origin);
			origin_expect(&origin, &upstream, cases[i].request);
			peer_reset(&upstream);
			upstream.fd = -1;
		}
		assert_int_equal(status_of_client(), 502);
		assert_true(origin_is_left_alone(&origin));
		stop_proxy();
	}
}

enum {
	ORIGINS = 3
};

/* Sends requests, each on a connection of its own, and notes by which origin they were answered. */
static void ask_origins(struct origin *origins, const char *request, unsigned count, char *ret)
{
	for (unsigned n = 0; n < count; n++) {
		client = peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
		peer_send(&client, request);
		struct peer peer = {.fd = -1, .loop = loop};
		unsigned i = 0;
		for (int turn = 0; turn < 5000 && peer.fd < 0; turn++) {
			i = (i + 1) % ORIGINS;
			peer.fd = accept4(
			        origins[i].listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			weir_loop_turn(loop, peer.fd < 0);
		}
		assert_true(peer.fd >= 0);
		peer_send(
		        &peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(status_of_client(), 200);
		ret[n] = (char)('a' + i);
		peer_close(&peer);
		peer_close(&client);
	}
	ret[count] = 0;
}

static unsigned count_of(const char *text, char letter)
{
	unsigned count = 0;
	for (; *text; text++)
		count += *text == letter;
	return count;
}

static void the_choice_of_an_upstream(void **state)
{
	struct origin origins[ORIGINS];
	char urls[ORIGINS][128], got[64], more[64];
	struct weir_http_upstream group[ORIGINS];
	(void)state;
	for (unsigned i = 0; i < ORIGINS; i++) {
		origin_start(&origins[i], loop);
		snprintf(urls[i], sizeof urls[i], "http://%s", origins[i].authority);
		group[i] = (struct weir_http_upstream){.url = urls[i], .weight = i == 0 ? 2 : 1};
	}
	PLAIN(GROUP(
	        o.upstreams = group, o.count = ORIGINS, o.balance = WEIR_HTTP_BALANCE_ROUND_ROBIN));
	peer_close(&client);
	ask_origins(origins, "GET / HTTP/1.1\r\n" HOST "\r\n", 8, got);
	assert_int_equal(count_of(got, 'a'), 4);
	assert_int_equal(count_of(got, 'b'), 2);
	assert_int_equal(count_of(got, 'c'), 2);
	client.fd = -1;
	stop_proxy();

	PLAIN(GROUP(o.upstreams = group, o.count = ORIGINS, o.balance = WEIR_HTTP_BALANCE_COOKIE,
	        o.key = "id"));
	peer_close(&client);
	ask_origins(origins, "GET / HTTP/1.1\r\n" HOST "Cookie: id=1\r\n\r\n", 4, got);
	assert_int_equal(count_of(got, *got), 4);
	for (unsigned i = 0; i < 20; i++) {
		char request[128];
		snprintf(request, sizeof request,
		        "GET / HTTP/1.1\r\n" HOST "Cookie: a=b; id=%u\r\n\r\n", i * 7919);
		ask_origins(origins, request, 1, more + i);
	}
	/* They are spread; each is missed by chance with 1 in 3,325. */
	for (char c = 'a'; c < 'a' + ORIGINS; c++)
		assert_int_not_equal(count_of(more, c), 20);
	client.fd = -1;
	stop_proxy();

	static const enum weir_http_balance others[] = {WEIR_HTTP_BALANCE_RANDOM,
	        WEIR_HTTP_BALANCE_LEAST, WEIR_HTTP_BALANCE_CLIENT, WEIR_HTTP_BALANCE_PATH,
	        WEIR_HTTP_BALANCE_FIELD};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		PLAIN(GROUP(o.upstreams = group, o.count = ORIGINS, o.balance = others[i],
		        o.key = "X-Key"));
		peer_close(&client);
		ask_origins(origins, "GET / HTTP/1.1\r\n" HOST "X-Key: 5\r\n\r\n", 4, got);
		if (others[i] >= WEIR_HTTP_BALANCE_CLIENT)
			assert_int_equal(count_of(got, *got), 4);
		client.fd = -1;
		stop_proxy();
	}
	for (unsigned i = 0; i < ORIGINS; i++)
		origin_stop(&origins[i]);
}

static void groups_that_cannot_work(void **state)
{
	static const struct {
		const char *url;
		int error;
	} cases[] = {
	        {"ftp://a", WEIR_E_SYNTAX},
	        {"http://a/path", WEIR_E_SYNTAX},
	        {"http://a?q", WEIR_E_SYNTAX},
	        {"http://a/#f", WEIR_E_SYNTAX},
	        {"unix:relative", WEIR_E_SYNTAX},
	        {"https://a", -EINVAL},
	};
	struct weir_http_upstreams *upstreams;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_http_upstream one = {.url = cases[i].url, .weight = 1};
		struct weir_http_upstreams_options options =
		        OPTIONS(weir_http_upstreams_options, o.upstreams = &one, o.count = 1);
		assert_int_equal(weir_http_upstreams_create(&options, &upstreams), cases[i].error);
	}
	struct weir_http_upstream heavy = {.url = "http://a", .weight = 1001};
	struct weir_http_upstreams_options options =
	        OPTIONS(weir_http_upstreams_options, o.upstreams = &heavy, o.count = 1);
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), -EINVAL);
	heavy.weight = 1;
	options.balance = WEIR_HTTP_BALANCE_COOKIE;
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), -EINVAL);
}

/* -- tunnels ----------------------------------------------------------------------------------- */

static void open_tunnel(void)
{
	passes(GET_UPGRADE, GET_UPGRADE);
	replies(SWITCHED "Sec-WebSocket-Accept: a\r\n\r\nhello",
	        SWITCHING "Sec-WebSocket-Accept: a\r\nUpgrade: WebSocket\r\n"
	                  "Connection: Upgrade\r\n\r\nhello");
}

static void tunnels(void **state)
{
	(void)state;
	/* The end of either side ends it, once all has been passed on. */
	for (unsigned i = 0; i < 4; i++) {
		PLAIN(GROUP());
		open_tunnel();
		passes("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n");
		peer_send(&upstream, "HTTP/1.1");
		assert_true(peer_read(&client, 8));
		assert_true(peer_got(&client, "HTTP/1.1"));
		struct peer *first = i % 2 ? &client : &upstream;
		struct peer *second = i % 2 ? &upstream : &client;
		peer_send(first, "the last");
		if (i < 2)
			peer_finish(first);
		else
			peer_reset(first);
		peer_read_end(second);
		if (i < 2)
			assert_true(peer_got(second, "the last"));
		if (i >= 2)
			first->fd = -1;
		stop_proxy();
	}
}

/* Bytes behind the request of a client are part of the tunnel, or another request. */
static void bytes_before_a_tunnel(void **state)
{
	(void)state;
	PLAIN(GROUP());
	passes(GET_UPGRADE "GET /next HTTP/1.1\r\n" HOST "\r\n", GET_UPGRADE);
	peer_turn(&client, 5);
	assert_true(peer_got(&upstream, ""));
	replies(SWITCHED "\r\n", SWITCHING "Upgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n");
	origin_expect(&origin, &upstream, "GET /next HTTP/1.1\r\n" HOST "\r\n");
	stop_proxy();

	PLAIN(GROUP());
	passes(GET_UPGRADE "GET /next HTTP/1.1\r\n" HOST "X-Forwarded-For: 1\r\n\r\n", GET_UPGRADE);
	replies(OK, OK);
	origin_expect(&origin, &upstream, "GET /next HTTP/1.1\r\n" HOST "\r\n");
	replies(OK, OK);
	stop_proxy();
}

static void protocols_that_are_not_passed_on(void **state)
{
	static const char *const requests[] = {
	        "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: a, b\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: HTTP/3\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		PLAIN(GROUP());
		passes(requests[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
		replies(OK, OK);
		stop_proxy();
	}
	PLAIN(GROUP());
	passes("POST / HTTP/1.1\r\n" HOST UPGRADE "Content-Length: 2\r\n\r\nhi",
	        "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
	replies(OK, OK);
	stop_proxy();
}

static void a_101_that_is_not_valid(void **state)
{
	static const char *const cases[] = {
	        "HTTP/1.1 101 Up\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
	        "HTTP/1.1 101 Up\r\nUpgrade: websocket\r\n\r\n",
	        "HTTP/1.1 101 Up\r\nConnection: Upgrade\r\n\r\n",
	        "HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n"
	        "Connection: Upgrade\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		PLAIN(GROUP());
		passes(GET_UPGRADE, GET_UPGRADE);
		peer_send(&upstream, cases[i]);
		assert_int_equal(status_of_client(), 502);
		assert_true(peer_read_end(&upstream));
		stop_proxy();
	}
}

/* The time counts from the last byte, in either direction. */
static void a_tunnel_that_is_idle(void **state)
{
	(void)state;
	PLAIN(GROUP(o.tunnel_ms = 300, o.body_ms = 100, o.head_ms = 100));
	open_tunnel();
	for (unsigned i = 0; i < 3; i++) {
		web_turn(&web, 120);
		passes("x", "x");
	}
	assert_true(peer_read_end(&client));
	assert_true(peer_read_end(&upstream));
	stop_proxy();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(another_upstream_is_asked),
	        TEST(requests_that_are_sent_again),
	        TEST(the_choice_of_an_upstream),
	        TEST(groups_that_cannot_work),
	        TEST(tunnels),
	        TEST(bytes_before_a_tunnel),
	        TEST(protocols_that_are_not_passed_on),
	        TEST(a_101_that_is_not_valid),
	        TEST(a_tunnel_that_is_idle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
