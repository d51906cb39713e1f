/* The proxy when a side fails, leaves or stalls, and without memory. */
#include "proxied.h"

#include <sys/socket.h>

#include "allocation.h"

/* -- failures ---------------------------------------------------------------------------------- */

static void malformed_replies(void **state)
{
	static const char *const cases[] = {
	        "HTTP/1.1 OK\r\n\r\n",
	        "HTTP/1.1 200 OK\n\n",
	        "HTTP/2 200\r\n\r\n",
	        "hello",
	        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nA: b\rX: y\r\n\r\n",
	        "HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		PLAIN(GROUP());
		passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
		peer_send(&upstream, cases[i]);
		if (status_of_client() != 502)
			fail_msg("%u for %s", status_of_client(), cases[i]);
		assert_true(peer_read_end(&upstream));
		stop_proxy();
	}
}

/* A head without a body: 502. A body without its end: the client's connection ends without one. */
static void a_close_at_each_byte(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char body[] = "3\r\nabc\r\n0\r\n\r\n";
	char reply[sizeof head + sizeof body];
	(void)state;
	size_t size = (size_t)snprintf(reply, sizeof reply, "%s%s", head, body);
	for (size_t at = 0; at < size; at++) {
		PLAIN(GROUP(o.retries_max = 0));
		passes("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
		        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
		peer_send_bytes(&upstream, reply, at);
		peer_finish(&upstream);
		bool begun = at >= strlen(head);
		if (status_of_client() != (begun ? 200u : 502u))
			fail_msg("%u at %zu", status_of_client(), at);
		if (begun) {
			assert_true(peer_read_end(&client));
			assert_null(memmem(client.got.data, client.got.size, "\r\n0\r\n", 5));
		}
		stop_proxy();
	}
}

static void an_upstream_that_is_late(void **state)
{
	(void)state;
	PLAIN(GROUP(o.head_ms = 100));
	passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of_client(), 504);
	assert_true(peer_read_end(&upstream));
	stop_proxy();
}

static void an_upstream_that_is_not_there(void **state)
{
	(void)state;
	origin_stop(&origin);
	PLAIN(GROUP());
	peer_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of_client(), 502);
	stop_proxy();
	origin_start(&origin, loop);
}

static void all_connections_in_use(void **state)
{
	(void)state;
	PLAIN(GROUP(o.connections_max = 1, o.waiting_max = 1, o.wait_ms = 100));
	passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
	struct peer first = client;
	client = peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
	peer_send(&client, "GET /2 HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of_client(), 503);
	peer_close(&client);
	client = first;
	replies(OK, OK);
	stop_proxy();
}

static void a_client_that_leaves(void **state)
{
	(void)state;
	/* Before a reply, in one, and in a request. */
	for (unsigned i = 0; i < 3; i++) {
		PLAIN(GROUP());
		if (i == 2)
			passes("PUT / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nab",
			        "PUT / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nab");
		else
			passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
		if (i == 1)
			replies("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
			        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
		peer_reset(&client);
		client.fd = -1;
		assert_true(peer_read_end(&upstream));
		stop_proxy();
	}
}

/* -- back-pressure ----------------------------------------------------------------------------- */

/* Sends until the other end takes no more; returns how many bytes it took. */
static size_t fill(struct peer *peer, const char *head)
{
	static const char bytes[64 * 1024];
	size_t sent = 0, last = 1;
	peer_send(peer, head);
	while (last) {
		last = peer_send_bytes(peer, bytes, sizeof bytes);
		sent += last;
		assert_true(sent < 64u << 20);
		if (last < sizeof bytes)
			break;
	}
	return sent;
}

static void small_receive_buffer(struct peer *peer)
{
	assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &(int){8192}, sizeof(int)), 0);
}

/* The proxy stores a bounded part of an endless body, in both directions. */
static void a_slow_side_stops_the_fast_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		PLAIN(GROUP());
		/* The loop's own memory is allocated by the first request. */
		passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
		replies(OK, OK);
		if (i == 0) {
			small_receive_buffer(&client);
			passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
		} else {
			passes("PUT / HTTP/1.1\r\n" HOST "Content-Length: 999999999999\r\n\r\n",
			        "PUT / HTTP/1.1\r\n" HOST "Content-Length: 999999999999\r\n\r\n");
			small_receive_buffer(&upstream);
		}
		size_t before = memory_in_use();
		size_t sent = fill(i ? &client : &upstream,
		        i ? "" : "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n");
		size_t after = memory_in_use();
		if (after > before + 64 * 1024)
			fail_msg("%zu bytes more, %zu sent", after - before, sent);
		stop_proxy();
	}
}

/* -- memory ------------------------------------------------------------------------------------ */

static void fail_allocations(const char *request, const char *reply, const char *end)
{
	bool failed = true;
	unsigned done = 0;
	for (unsigned good = 0; failed; good++) {
		PROXY(GROUP());
		fail_allocation_after(good, false);
		peer_send(&client, request);
		for (int i = 0; i < 200 && upstream.fd < 0; i++) {
			upstream.fd = accept(origin.listener, NULL, NULL);
			weir_loop_turn(loop, 0);
		}
		if (upstream.fd >= 0)
			(void)!send(upstream.fd, reply, strlen(reply), MSG_NOSIGNAL);
		for (int i = 0; i < 50; i++)
			weir_loop_turn(loop, 0);
		failed = stop_failing_allocations();
		peer_turn(&client, 5);
		char bytes[1024];
		ssize_t got = recv(client.fd, bytes, sizeof bytes, MSG_DONTWAIT);
		assert_true(got >= 0 || errno == ECONNRESET);
		done += got > 0 && memmem(bytes, (size_t)got, end, strlen(end));
		stop_proxy();
	}
	assert_true(done >= 1);
}

/* Whatever fails, the client gets a reply or the end of its connection, and all is freed. */
static void each_allocation_fails(void **state)
{
	(void)state;
	fail_allocations("POST / HTTP/1.1\r\n" HOST "TE: trailers\r\nContent-Length: 2\r\n\r\nhi",
	        "HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n"
	        "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
	        "2\r\nok\r\n0\r\n");
	fail_allocations(GET_UPGRADE, SWITCHED "\r\nhello", "\r\n\r\nhello");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(malformed_replies),
	        TEST(a_close_at_each_byte),
	        TEST(an_upstream_that_is_late),
	        TEST(an_upstream_that_is_not_there),
	        TEST(all_connections_in_use),
	        TEST(a_client_that_leaves),
	        TEST(a_slow_side_stops_the_fast_one),
	        TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
