/* Requests and replies that are passed on, and their bodies. */
#include "proxied.h"

#include <weir/network.h>

#define FORWARDED                                                                                  \
	"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example\r\n"

#define VIA "Via: 1.1 weir-################\r\n"

/* -- requests ---------------------------------------------------------------------------------- */

static void a_request_and_its_reply(void **state)
{
	(void)state;
	start_proxy(GROUP(), OPTIONS(weir_http_proxy_options, o.request_id = false));
	passes("GET /a%20b/%7Ec?q=%20 HTTP/1.1\r\n" HOST "Accept: text/html\r\n\r\n",
	        "GET /a%20b/%7Ec?q=%20 HTTP/1.1\r\n" HOST "Accept: text/html\r\n" FORWARDED VIA
	        "\r\n");
	replies(OK, OK);
	/* Both connections are kept. */
	passes("HEAD / HTTP/1.1\r\n" HOST "\r\n", "HEAD / HTTP/1.1\r\n" HOST FORWARDED VIA "\r\n");
	replies("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 7\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 7\r\n\r\n");
	stop_proxy();
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
	stop_proxy();
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
	stop_proxy();
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
	        "GET / HTTP/1.1\r\n" HOST FORWARDED
	        "Forwarded: for=127.0.0.1;proto=http;host=\"a.example\"\r\n\r\n");
	replies(OK, OK);
	stop_proxy();
}

static void a_trusted_client(void **state)
{
	struct weir_network local;
	(void)state;
	assert_int_equal(weir_network_parse(WEIR_SPAN("127.0.0.0/8"), &local), 0);
	start_proxy(GROUP(), OPTIONS(weir_http_proxy_options, o.trusted = &local,
	                             o.trusted_count = 1, o.forwarded = WEIR_HTTP_FORWARDED_BOTH));
	passes("GET / HTTP/1.1\r\n" HOST
	       "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n"
	       "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nForwarded: for=192.0.2.3\r\n"
	       "X-Request-ID: 12\r\nVia: 1.0 other\r\n\r\n",
	        "GET / HTTP/1.1\r\n" HOST "Via: 1.0 other\r\n"
	        "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1\r\n"
	        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
	        "Forwarded: for=192.0.2.3, for=127.0.0.1;proto=http;host=\"a.example\"\r\n"
	        "X-Request-ID: 12\r\n" VIA "\r\n");
	replies(OK, OK);
	stop_proxy();
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
		stop_proxy();
	}
	/* A client without Host: the upstream's. */
	PLAIN(GROUP());
	passes("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: $\r\n\r\n");
	replies(OK, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
	stop_proxy();
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
		stop_proxy();
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
	stop_proxy();
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
	stop_proxy();
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
	stop_proxy();
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
	stop_proxy();
}

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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
