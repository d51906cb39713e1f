/*
 * The reverse proxy: requests and replies as each side sees them. The client, the proxy and the
 * upstream are on one loop; the test is both ends.
 */
#include "fake_origin.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/http_proxy.h>
#include <weir/network.h>

#include "allocation.h"
#include "web.h"

static struct weir_loop *loop;
static struct origin origin;
static struct web web;
static struct peer client, upstream;

#define HOST "Host: a.example\r\n"
#define TOLD                                                                                       \
	"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* -- the proxy --------------------------------------------------------------------------------- */

static struct weir_http_upstreams *make_group(struct weir_http_upstreams_options options)
{
	struct weir_http_upstreams *upstreams;
	char url[128];
	struct weir_http_upstream one = {.url = url, .weight = 1};
	snprintf(url, sizeof url, "http://%s", origin.authority);
	if (!options.upstreams) {
		options.upstreams = &one;
		options.count = 1;
	}
	assert_int_equal(weir_http_upstreams_create(&options, &upstreams), 0);
	return upstreams;
}

#define GROUP(...) make_group(OPTIONS(weir_http_upstreams_options, __VA_ARGS__))

static void start(struct weir_http_upstreams *upstreams, struct weir_http_proxy_options options)
{
	options.upstreams = upstreams;
	struct weir_http_handler *handler = weir_http_proxy_create(&options);
	assert_non_null(handler);
	weir_http_upstreams_release(upstreams);
	web = (struct web){0};
	web_start(&web, loop, handler);
	client = peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
	upstream = (struct peer){.fd = -1, .loop = loop};
}

/* Without the fields that each request has, so that the tests show what they are about. */
#define PROXY(group, ...)                                                                          \
	start(group, OPTIONS(weir_http_proxy_options, o.via = o.request_id = false, ##__VA_ARGS__))
#define PLAIN(group, ...) PROXY(group, o.forwarded = WEIR_HTTP_FORWARDED_OFF, ##__VA_ARGS__)

static void stop(void)
{
	if (client.fd >= 0)
		peer_close(&client);
	if (upstream.fd >= 0)
		peer_close(&upstream);
	web_stop(&web);
}

/* The client sends this, and the upstream gets that. */
static void passes(const char *request, const char *expected)
{
	peer_send(&client, request);
	if (upstream.fd < 0)
		upstream = origin_accept(&origin);
	origin_expect(&origin, &upstream, expected);
}

/* The client has got this, without the line of the date. */
static void client_expects(const char *text)
{
	size_t size = strlen(text) + strlen("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	peer_read(&client, size);
	char *date = memmem(client.got.data, client.got.size, "Date: ", 6);
	assert_non_null(date);
	char *end = memmem(date, client.got.size - (size_t)(date - client.got.data), "\r\n", 2);
	memmove(date, end + 2, client.got.size - (size_t)(end + 2 - client.got.data));
	client.got.size -= (size_t)(end + 2 - date);
	if (!weir_span_equal(weir_buffer_span(&client.got), weir_span_of(text)))
		fail_msg("wanted \"%s\", and got \"%.*s\"", text, (int)client.got.size,
		        client.got.data);
	client.got.size = 0;
}

static void replies(const char *reply, const char *expected)
{
	peer_send(&upstream, reply);
	client_expects(expected);
}

/* -- requests ---------------------------------------------------------------------------------- */

static void a_request_and_its_reply(void **state)
{
	(void)state;
	start(GROUP(), OPTIONS(weir_http_proxy_options, o.request_id = false));
	passes("GET /a%20b/%7Ec?q=%20 HTTP/1.1\r\n" HOST "Accept: text/html\r\n\r\n",
	        "GET /a%20b/%7Ec?q=%20 HTTP/1.1\r\n" HOST "Accept: text/html\r\n" TOLD
	        "Via: 1.1 weir\r\n\r\n");
	replies(OK, OK);
	/* Both connections are kept. */
	passes("HEAD / HTTP/1.1\r\n" HOST "\r\n",
	        "HEAD / HTTP/1.1\r\n" HOST TOLD "Via: 1.1 weir\r\n\r\n");
	replies("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 7\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 7\r\n\r\n");
	stop();
}

static void paths(void **state)
{
	static const struct {
		const char *path, *passed;
	} cases[] = {
	        {"/app", "/"},
	        {"/app/", "/"},
	        {"/app/x", "/x"},
	        {"/app//x/./%2e/y/", "/x/y/"},
	        {"/app/x/..", "/"},
	        {"/y/%2E%2e/app/a;b=c,d@e:f%3B", "/a;b=c,d@e:f%3B"},
	        {"/%61pp/x?a?b/../c", "/x?a?b/../c"},
	        {"/app/x?", "/x?"},
	};
	(void)state;
	PLAIN(GROUP(), o.prefix = "app", o.strip = true);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char request[256], passed[256];
		snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].path);
		snprintf(passed, sizeof passed, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].passed);
		passes(request, passed);
		replies(OK, OK);
	}
	/* Other paths are for the next handler. */
	peer_send(&client, "GET /apple HTTP/1.1\r\n" HOST "\r\n");
	assert_true(peer_read(&client, 12));
	assert_memory_equal(client.got.data, "HTTP/1.1 404", 12);
	stop();
}

/* Fields of the connection, and those that Connection names. */
static void fields_that_are_not_passed_on(void **state)
{
	(void)state;
	PLAIN(GROUP());
	passes("GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, X-Mine,,x-other \r\n"
	       "Connection: X-Third\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n"
	       "X-Mine: 1\r\nX-Other: 2\r\nX-THIRD: 3\r\nX-Fourth: 4\r\nUpgrade: h2c\r\n"
	       "TE: gzip\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "X-Fourth: 4\r\n\r\n");
	replies("HTTP/1.1 200 OK\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 3\r\n"
	        "Upgrade: h2c\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: a=b\r\n"
	        "Set-Cookie: c=d\r\nContent-Length: 0\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: "
	        "0\r\n\r\n");
	stop();
}

/* A client's own fields of these names are replaced, however they are written. */
static void a_client_that_lies(void **state)
{
	(void)state;
	PROXY(GROUP(), o.forwarded = WEIR_HTTP_FORWARDED_BOTH);
	passes("GET / HTTP/1.1\r\n" HOST
	       "X-Forwarded-For: 192.0.2.1\r\nx_forwarded-for: 192.0.2.2\r\n"
	       "X-Forwarded-Proto: https\r\nX_Forwarded_Host: b\r\nForwarded: for=192.0.2.3\r\n"
	       "X-Request_ID: 1\r\nConnection: X-Forwarded-For, X-Forwarded-Proto\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST TOLD
	        "Forwarded: for=127.0.0.1;proto=http;host=\"a.example\"\r\n\r\n");
	replies(OK, OK);
	stop();
}

static void a_trusted_client(void **state)
{
	struct weir_network local;
	(void)state;
	assert_int_equal(weir_network_parse(WEIR_SPAN("127.0.0.0/8"), &local), 0);
	start(GROUP(), OPTIONS(weir_http_proxy_options, o.trusted = &local, o.trusted_count = 1,
	                       o.forwarded = WEIR_HTTP_FORWARDED_BOTH));
	passes("GET / HTTP/1.1\r\n" HOST
	       "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n"
	       "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nForwarded: for=192.0.2.3\r\n"
	       "X-Request-ID: 12\r\nVia: 1.0 other\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Via: 1.0 other\r\n"
	        "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1\r\n"
	        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
	        "Forwarded: for=192.0.2.3, for=127.0.0.1;proto=http;host=\"a.example\"\r\n"
	        "X-Request-ID: 12\r\nVia: 1.1 weir\r\n\r\n");
	replies(OK, OK);
	stop();
}

static void the_field_host(void **state)
{
	static const char *const hosts[][2] = {
	        {NULL, HOST}, {"", "Host: $\r\n"}, {"b:1", "Host: b:1\r\n"}};
	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		char expected[128];
		PLAIN(GROUP(), o.host = hosts[i][0]);
		snprintf(expected, sizeof expected, "GET / HTTP/1.1\r\n%s\r\n", hosts[i][1]);
		passes("GET / HTTP/1.1\r\n" HOST "\r\n", expected);
		replies(OK, OK);
		stop();
	}
	/* A client without Host: the upstream's. */
	PLAIN(GROUP());
	passes("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: $\r\n\r\n");
	replies(OK, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
	stop();
}

static void requests_that_are_refused(void **state)
{
	static const char *const requests[][2] = {
	        {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", "413"},
	        {"GET / HTTP/1.1\r\n" HOST
	         "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
	         "a,a,a,a,a,a,a,a,a,a,a,a,a\r\n\r\n",
	                "400"},
	        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "404"},
	        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		PLAIN(GROUP(), o.body_max = 10);
		peer_send(&client, requests[i][0]);
		assert_true(peer_read(&client, 12));
		assert_memory_equal(client.got.data + 9, requests[i][1], 3);
		assert_true(origin_is_left_alone(&origin));
		stop();
	}
}

/* -- bodies ------------------------------------------------------------------------------------ */

static void bodies(void **state)
{
	(void)state;
	PLAIN(GROUP());
	passes("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Type: a/b\r\n\r\nhello",
	        "POST / HTTP/1.1\r\n" HOST "Content-Type: a/b\r\nContent-Length: 5\r\n\r\nhello");
	replies("HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n",
	        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
	/* Chunks are made anew. Trailer fields pass in both directions where they are asked for. */
	passes("POST / HTTP/1.1\r\n" HOST "TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
	       "3;x=y\r\nabc\r\n",
	        "POST / HTTP/1.1\r\n" HOST "TE: trailers\r\nConnection: TE\r\n"
	        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	passes("0\r\nDigest: d\r\n\r\n", "0\r\nDigest: d\r\n\r\n");
	replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
	peer_send(&upstream, "0\r\nServer-Timing: 1\r\n\r\n");
	peer_read(&client, 23);
	assert_true(peer_got(&client, "0\r\nServer-Timing: 1\r\n\r\n"));
	/* An empty body. */
	passes("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
	        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
	replies("HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n");
	/* A body that ends with its connection is chunked for the client. */
	passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
	replies("HTTP/1.1 200 OK\r\n\r\nto the end",
	        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nto the end\r\n");
	peer_finish(&upstream);
	peer_read(&client, 5);
	assert_true(peer_got(&client, "0\r\n\r\n"));
	stop();
}

static void replies_without_a_body(void **state)
{
	static const char *const cases[][3] = {
	        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
	        {"HEAD", "HTTP/1.1 304 Same\r\nETag: \"a\"\r\n\r\n",
	                "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"},
	        {"GET", "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n",
	                "HTTP/1.1 304 Not Modified\r\n\r\n"},
	        {"GET", "HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
	        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	        {"DELETE", "HTTP/1.1 205 R\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
	};
	(void)state;
	PLAIN(GROUP());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char request[128];
		snprintf(request, sizeof request, "%s / HTTP/1.1\r\n" HOST "\r\n", cases[i][0]);
		passes(request, request);
		replies(cases[i][1], cases[i][2]);
	}
	stop();
}

/* 100 comes when the upstream wants the body; 103 passes at once. */
static void interim_replies(void **state)
{
	(void)state;
	PLAIN(GROUP());
	passes("PUT / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
	        "PUT / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	peer_turn(&client, 5);
	assert_true(peer_got(&client, ""));
	peer_send(&upstream, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_true(peer_read(&client, 25));
	assert_true(peer_got(&client, "HTTP/1.1 100 Continue\r\n\r\n"));
	passes("hi", "hi");
	peer_send(&upstream, "HTTP/1.1 103 Hints\r\nLink: a\r\nConnection: X-B\r\nX-B: c\r\n\r\n");
	assert_true(peer_read(&client, 37));
	assert_true(peer_got(&client, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"));
	replies(OK, OK);
	/* An upstream that refuses at once is not sent the body. */
	passes("PUT / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
	        "PUT / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	replies("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
	        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	assert_true(peer_read_end(&client));
	stop();
}

/* An early reply: the rest of the body is read and dropped, and belongs to no later request. */
static void a_reply_before_the_end_of_the_body(void **state)
{
	(void)state;
	PLAIN(GROUP());
	passes("POST / HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\nGET",
	        "POST / HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\nGET");
	replies("HTTP/1.1 413 Large\r\nContent-Length: 1\r\n\r\nx",
	        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 1\r\n\r\nx");
	assert_true(peer_read_end(&upstream));
	peer_close(&upstream);
	upstream.fd = -1;
	passes(" /smuggled HTTP/1.1\r\nHost: a\r\n\r\n12345GET / HTTP/1.1\r\n" HOST "\r\n",
	        "GET / HTTP/1.1\r\n" HOST "\r\n");
	replies(OK, OK);
	stop();
}

/* -- failures ---------------------------------------------------------------------------------- */

static unsigned status_of_client(void)
{
	assert_true(peer_read(&client, 12));
	unsigned status = (unsigned)atoi(client.got.data + 9);
	return status;
}

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
		stop();
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
		stop();
	}
}

static void an_upstream_that_is_late(void **state)
{
	(void)state;
	PLAIN(GROUP(o.head_ms = 100));
	passes("GET / HTTP/1.1\r\n" HOST "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of_client(), 504);
	assert_true(peer_read_end(&upstream));
	stop();
}

static void an_upstream_that_is_not_there(void **state)
{
	(void)state;
	origin_stop(&origin);
	PLAIN(GROUP());
	peer_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(status_of_client(), 502);
	stop();
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
	stop();
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
		stop();
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
		stop();
	}
}

/* -- tunnels ----------------------------------------------------------------------------------- */

#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define SWITCHED "HTTP/1.1 101 Up\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define GET_UPGRADE "GET / HTTP/1.1\r\n" HOST UPGRADE "Sec-WebSocket-Key: k\r\n\r\n"

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
		stop();
	}
}

/* What the client sends behind its request is part of the tunnel, or another request. */
static void bytes_before_a_tunnel(void **state)
{
	(void)state;
	PLAIN(GROUP());
	passes(GET_UPGRADE "GET /next HTTP/1.1\r\n" HOST "\r\n", GET_UPGRADE);
	peer_turn(&client, 5);
	assert_true(peer_got(&upstream, ""));
	replies(SWITCHED "\r\n", SWITCHING "Upgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n");
	origin_expect(&origin, &upstream, "GET /next HTTP/1.1\r\n" HOST "\r\n");
	stop();

	PLAIN(GROUP());
	passes(GET_UPGRADE "GET /next HTTP/1.1\r\n" HOST "X-Forwarded-For: 1\r\n\r\n", GET_UPGRADE);
	replies(OK, OK);
	origin_expect(&origin, &upstream, "GET /next HTTP/1.1\r\n" HOST "\r\n");
	replies(OK, OK);
	stop();
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
		stop();
	}
	PLAIN(GROUP());
	passes("POST / HTTP/1.1\r\n" HOST UPGRADE "Content-Length: 2\r\n\r\nhi",
	        "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
	replies(OK, OK);
	stop();
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
		stop();
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
	stop();
}

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
	stop();
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
		stop();
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
	stop();

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
	stop();

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
		stop();
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
		stop();
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
	origin_stop(&origin);
	weir_loop_destroy(loop);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_request_and_its_reply),
	        TEST(paths),
	        TEST(fields_that_are_not_passed_on),
	        TEST(a_client_that_lies),
	        TEST(a_trusted_client),
	        TEST(the_field_host),
	        TEST(requests_that_are_refused),
	        TEST(bodies),
	        TEST(replies_without_a_body),
	        TEST(interim_replies),
	        TEST(a_reply_before_the_end_of_the_body),
	        TEST(malformed_replies),
	        TEST(a_close_at_each_byte),
	        TEST(an_upstream_that_is_late),
	        TEST(an_upstream_that_is_not_there),
	        TEST(all_connections_in_use),
	        TEST(a_client_that_leaves),
	        TEST(a_slow_side_stops_the_fast_one),
	        TEST(tunnels),
	        TEST(bytes_before_a_tunnel),
	        TEST(protocols_that_are_not_passed_on),
	        TEST(a_101_that_is_not_valid),
	        TEST(a_tunnel_that_is_idle),
	        TEST(another_upstream_is_asked),
	        TEST(requests_that_are_sent_again),
	        TEST(the_choice_of_an_upstream),
	        TEST(groups_that_cannot_work),
	        TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
