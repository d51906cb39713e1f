/* Calls to applications by FastCGI: each byte of the request, keeping, retries, failures. */
#include "fake_origin.h"

#include <unistd.h>

#include <weir/sources.h>

#include "allocation.h"
#include "records.h"

static struct weir_loop *loop;
static struct origin origin;
static struct weir_http_client *client;
static struct heard heard;
static char url[128];
static struct weir_buffer reply; /* "hello" */

#define CLIENT(...) make_client(OPTIONS(weir_http_client_options, __VA_ARGS__))
#define CALL_APP(...) CALL(&heard, client, &origin, "", o.url = url, ##__VA_ARGS__)

static void make_client(struct weir_http_client_options options)
{
	assert_int_equal(weir_http_client_create(loop, &options, &client), 0);
}

static void send_reply(struct peer *peer)
{
	assert_int_equal(peer_send_bytes(peer, reply.data, reply.size), reply.size);
}

/* Reads up to the end of STDIN, and compares. */
static void gets(struct peer *peer, const char *text)
{
	static const char end[] = "\1\5\0\1\0\0\0";
	struct weir_buffer described = {0};
	while (peer->got.size < 8 || memcmp(peer->got.data + peer->got.size - 8, end, 8) != 0)
		assert_true(peer_read_more(peer));
	record_describe(weir_buffer_span(&peer->got), &described);
	if (!weir_span_equal(weir_buffer_span(&described), weir_span_of(text)))
		fail_msg("wanted \"%s\", and got \"%.*s\"", text, (int)described.size,
		        described.data);
	weir_buffer_finish(&described);
	peer->got.size = 0;
}

#define ALWAYS(method, uri)                                                                        \
	"GATEWAY_INTERFACE=CGI/1.1\n"                                                              \
	"HTTP_HOST=app\n"                                                                          \
	"QUERY_STRING=\n"                                                                          \
	"REQUEST_METHOD=" method "\n"                                                              \
	"REQUEST_URI=" uri "\n"

/* -- requests ---------------------------------------------------------------------------------- */

static void the_bytes_of_a_request(void **state)
{
	(void)state;
	CLIENT(o.fastcgi_keep = true);
	CALL_APP(o.host = "a");
	struct peer peer = origin_accept(&origin);
	static const char expected[] = "\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0"
	                               "\1\4\0\1\0\125\0\0"
	                               "\21\7GATEWAY_INTERFACECGI/1.1"
	                               "\16\3REQUEST_METHODGET"
	                               "\14\0QUERY_STRING"
	                               "\13\1REQUEST_URI/"
	                               "\11\1HTTP_HOSTa"
	                               "\1\4\0\1\0\0\0\0"
	                               "\1\5\0\1\0\0\0\0";
	peer_read(&peer, sizeof expected - 1);
	assert_int_equal(peer.got.size, sizeof expected - 1);
	assert_memory_equal(peer.got.data, expected, sizeof expected - 1);
	send_reply(&peer);
	heard_expect(&heard, loop, "200 OK|hello.");
	client_stop(client, loop);
	peer_close(&peer);
}

static void fields_become_variables(void **state)
{
	static const struct weir_http_field fields[] = {
	        {WEIR_SPAN("user-Agent"), WEIR_SPAN("a")},
	        {WEIR_SPAN("Proxy"), WEIR_SPAN("http://evil.example")},
	        {WEIR_SPAN("X_Forwarded_For"), WEIR_SPAN("evil")},
	        {WEIR_SPAN("X-A"), WEIR_SPAN("1")},
	        {WEIR_SPAN("Cookie"), WEIR_SPAN("a=b")},
	        {WEIR_SPAN("x-a"), WEIR_SPAN("2")},
	        {WEIR_SPAN("cookie"), WEIR_SPAN("c=d")},
	        {WEIR_SPAN("Content-Type"), WEIR_SPAN("text/plain")},
	};
	static const struct weir_http_field params[] = {
	        {WEIR_SPAN("SCRIPT_NAME"), WEIR_SPAN("/a.php")},
	        {WEIR_SPAN("EMPTY"), WEIR_SPAN("")},
	};
	(void)state;
	CLIENT();
	snprintf(url, sizeof url, "fastcgi://%s/a%%20b?c=d&e", origin.authority);
	CALL_APP(o.host = "app", o.method = "POST", o.fields = fields,
	        o.field_count = sizeof fields / sizeof *fields, o.params = params,
	        o.param_count = 2, o.body = weir_produce_copied("hi", 2));
	struct peer peer = origin_accept(&origin);
	gets(&peer, "CONTENT_LENGTH=2\n"
	            "CONTENT_TYPE=text/plain\n"
	            "EMPTY=\n"
	            "GATEWAY_INTERFACE=CGI/1.1\n"
	            "HTTP_COOKIE=a=b; c=d\n"
	            "HTTP_HOST=app\n"
	            "HTTP_USER_AGENT=a\n"
	            "HTTP_X_A=1, 2\n"
	            "QUERY_STRING=c=d&e\n"
	            "REQUEST_METHOD=POST\n"
	            "REQUEST_URI=/a%20b?c=d&e\n"
	            "SCRIPT_NAME=/a.php\n"
	            "stdin: hi");
	send_reply(&peer);
	heard_expect(&heard, loop, "200 OK|hello.");
	/* The application was not asked to keep the connection. */
	assert_true(peer_read_end(&peer));
	client_stop(client, loop);
	peer_close(&peer);
}

static void a_body_of_many_records(void **state)
{
	enum {
		SIZE = 300 * 1000
	};
	struct weir_buffer text = {0};
	(void)state;
	CLIENT();
	char *bytes = malloc(SIZE + 1);
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)('a' + i * 7 % 26);
	bytes[SIZE] = 0;
	assert_int_equal(weir_buffer_format(&text, SIZE_MAX,
	                         "CONTENT_LENGTH=%d\n" ALWAYS("PUT", "/") "stdin: %s", SIZE, bytes),
	        0);
	assert_int_equal(weir_buffer_append(&text, "", 1, SIZE_MAX), 0);
	CALL_APP(o.host = "app", o.method = "PUT", o.body = weir_produce_owned(bytes, SIZE));
	struct peer peer = origin_accept(&origin);
	gets(&peer, text.data);
	send_reply(&peer);
	heard_expect(&heard, loop, "200 OK|hello.");
	weir_buffer_finish(&text);
	client_stop(client, loop);
	peer_close(&peer);
}

static int starts(struct weir_http_call_options options)
{
	options.url = url;
	int error = heard_start(&heard, client, &origin, "", options);
	if (!error)
		weir_http_call_cancel(heard.call);
	heard_clear(&heard);
	return error;
}
#define STARTS(...) starts(OPTIONS(weir_http_call_options, __VA_ARGS__))

static struct weir_producer *unsized(void)
{
	return weir_produce_gzip(weir_produce_copied("x", 1));
}

static void what_fastcgi_does_not_have(void **state)
{
	static const struct weir_http_field bad = {WEIR_SPAN("A b"), WEIR_SPAN("")};
	static const struct weir_http_field own = {WEIR_SPAN("Host"), WEIR_SPAN("a")};
	static const struct weir_http_field nameless = {WEIR_SPAN(""), WEIR_SPAN("a")};
	(void)state;
	CLIENT();
	assert_int_equal(STARTS(), 0);
	assert_int_equal(STARTS(o.upgrade = "websocket"), -EINVAL);
	assert_int_equal(STARTS(o.redirects_max = 1), -EINVAL);
	assert_int_equal(STARTS(o.body = unsized()), -EINVAL);
	assert_int_equal(
	        STARTS(o.body = weir_produce_copied("a", 1), o.expect_continue = true), -EINVAL);
	assert_int_equal(STARTS(o.fields = &bad, o.field_count = 1), WEIR_E_SYNTAX);
	assert_int_equal(STARTS(o.fields = &own, o.field_count = 1), -EINVAL);
	assert_int_equal(STARTS(o.params = &nameless, o.param_count = 1), WEIR_E_SYNTAX);
	char *large = malloc(70000);
	assert_non_null(large);
	memset(large, 'a', 70000);
	struct weir_http_field param = {WEIR_SPAN("A"), weir_span(large, 70000)};
	assert_int_equal(STARTS(o.params = &param, o.param_count = 1), WEIR_E_LIMIT);
	free(large);
	client_stop(client, loop);
}

/* -- connections ------------------------------------------------------------------------------- */

static void kept_connections(void **state)
{
	(void)state;
	CLIENT(o.fastcgi_keep = true);
	CALL_APP(o.host = "app");
	struct peer peer = origin_accept(&origin);
	for (unsigned i = 0; i < 3; i++) {
		gets(&peer, "keep\n" ALWAYS("GET", "/") "stdin: ");
		send_reply(&peer);
		heard_expect(&heard, loop, "200 OK|hello.");
		assert_int_equal(weir_http_client_idle(client), 1);
		CALL_APP(o.host = "app");
	}
	/* It closes instead of replying: the request is sent again. */
	gets(&peer, "keep\n" ALWAYS("GET", "/") "stdin: ");
	peer_close(&peer);
	peer = origin_accept(&origin);
	gets(&peer, "keep\n" ALWAYS("GET", "/") "stdin: ");
	send_reply(&peer);
	heard_await_end(&heard, loop);
	assert_true(heard.retried);
	heard_expect(&heard, loop, "200 OK|hello.");
	/* A byte that belongs to no reply. */
	peer_send_bytes(&peer, "\1", 1);
	assert_true(peer_read_end(&peer));
	assert_int_equal(weir_http_client_idle(client), 0);
	client_stop(client, loop);
	peer_close(&peer);
}

/* A single byte of a record is one of the reply: the request is not sent again. */
static void a_close_at_each_byte(void **state)
{
	(void)state;
	CLIENT(o.fastcgi_keep = true);
	for (size_t at = 0; at < reply.size; at++) {
		CALL_APP(o.host = "app");
		struct peer peer = origin_accept(&origin);
		gets(&peer, "keep\n" ALWAYS("GET", "/") "stdin: ");
		send_reply(&peer);
		heard_expect(&heard, loop, "200 OK|hello.");
		CALL_APP(o.host = "app");
		gets(&peer, "keep\n" ALWAYS("GET", "/") "stdin: ");
		peer_send_bytes(&peer, reply.data, at);
		peer_close(&peer);
		if (at == 0) {
			peer = origin_accept(&origin);
			peer_close(&peer);
		}
		heard_await_end(&heard, loop);
		if (heard.error == 0 || heard.retried != (at == 0))
			fail_msg("at %zu: %s", at, heard.why);
		heard_clear(&heard);
	}
	client_stop(client, loop);
}

/* A reply before the end of the body: the connection is of no use. */
static void an_early_reply(void **state)
{
	(void)state;
	CLIENT(o.fastcgi_keep = true);
	char *bytes = calloc(1, 8 << 20);
	assert_non_null(bytes);
	CALL_APP(o.host = "app", o.method = "POST", o.body = weir_produce_owned(bytes, 8 << 20));
	struct peer peer = origin_accept(&origin);
	peer_read(&peer, 100);
	send_reply(&peer);
	heard_expect(&heard, loop, "200 OK|hello.");
	assert_int_equal(weir_http_client_idle(client), 0);
	client_stop(client, loop);
	peer_close(&peer);
}

static void a_cancel_closes_the_connection(void **state)
{
	(void)state;
	CLIENT(o.fastcgi_keep = true);
	CALL_APP(o.host = "app");
	struct peer peer = origin_accept(&origin);
	gets(&peer, "keep\n" ALWAYS("GET", "/") "stdin: ");
	peer_send_bytes(&peer, reply.data, 40);
	heard_await(&heard, loop, "200 OK|");
	weir_http_call_cancel(heard.call);
	heard_clear(&heard);
	assert_true(peer_read_end(&peer));
	client_stop(client, loop);
	peer_close(&peer);
}

static void head_and_pauses(void **state)
{
	(void)state;
	CLIENT();
	CALL_APP(o.host = "app", o.method = "HEAD");
	struct peer peer = origin_accept(&origin);
	gets(&peer, ALWAYS("HEAD", "/") "stdin: ");
	send_reply(&peer);
	heard_expect(&heard, loop, "200 OK|.");
	peer_close(&peer);
	heard.pause_at_head = true;
	CALL_APP(o.host = "app");
	peer = origin_accept(&origin);
	gets(&peer, ALWAYS("GET", "/") "stdin: ");
	peer_send_bytes(&peer, reply.data, 40);
	heard_await(&heard, loop, "200 OK|");
	peer_send_bytes(&peer, reply.data + 40, reply.size - 40);
	peer_turn(&peer, 5);
	assert_int_equal(heard.ends, 0);
	weir_http_call_resume(heard.call);
	heard_expect(&heard, loop, "200 OK|hello.");
	client_stop(client, loop);
	peer_close(&peer);
}

/* A redirect of a server of HTTP does not lead to an application. */
static void no_redirect_leads_here(void **state)
{
	char moved[256];
	(void)state;
	CLIENT();
	CALL(&heard, client, &origin, "/", o.redirects_max = 1);
	struct peer peer = origin_accept(&origin);
	origin_skip_request(&peer);
	snprintf(moved, sizeof moved,
	        "HTTP/1.1 302 Found\r\nLocation: fastcgi://%s/\r\nContent-Length: 0\r\n\r\n",
	        origin.authority);
	peer_send(&peer, moved);
	heard_expect(&heard, loop, "302 Found|.");
	assert_true(origin_is_left_alone(&origin));
	client_stop(client, loop);
	peer_close(&peer);
}

/* -- memory ------------------------------------------------------------------------------------ */

static void each_allocation_fails(void **state)
{
	static const struct weir_http_field field = {WEIR_SPAN("A"), WEIR_SPAN("b")};
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct peer peer = {.fd = -1, .loop = loop};
		CLIENT();
		/* For the text of the test itself. */
		assert_int_equal(weir_buffer_reserve(&heard.text, 256, SIZE_MAX), 0);
		fail_allocation_after(good, false);
		int error = heard_start(&heard, client, &origin, "",
		        OPTIONS(weir_http_call_options, o.url = url, o.method = "POST",
		                o.fields = &field, o.field_count = 1, o.params = &field,
		                o.param_count = 1, o.body = weir_produce_copied("hello", 5)));
		for (int i = 0; i < 100 && !error && peer.fd < 0 && !heard.ends; i++) {
			peer.fd = accept(origin.listener, NULL, NULL);
			weir_loop_turn(loop, 0);
		}
		/* In three pieces, so that the head is in two of them. */
		for (size_t at = 0; at < reply.size && peer.fd >= 0; at += 20) {
			size_t left = reply.size - at;
			(void)!send(peer.fd, reply.data + at, left < 20 ? left : 20, MSG_NOSIGNAL);
			for (int i = 0; i < 10; i++)
				weir_loop_turn(loop, 0);
		}
		failed = stop_failing_allocations();
		if (!error)
			heard_await_end(&heard, loop);
		assert_true(failed || (!error && heard.error == 0));
		heard_clear(&heard);
		client_stop(client, loop);
		if (peer.fd >= 0)
			close(peer.fd);
		while (!origin_is_left_alone(&origin))
			;
	}
}

static int setup(void **state)
{
	(void)state;
	if (weir_loop_create(&loop) < 0)
		return -1;
	origin_start(&origin, loop);
	snprintf(url, sizeof url, "fastcgi://%s/", origin.authority);
	record_put(&reply, OUT, WEIR_SPAN("Content-Type: text/plain\r\n\r\n"), 0);
	record_put(&reply, OUT, WEIR_SPAN("hello"), 3);
	record_put_end(&reply, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	origin_stop(&origin);
	weir_loop_destroy(loop);
	weir_buffer_finish(&reply);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(the_bytes_of_a_request),
	        TEST(fields_become_variables),
	        TEST(a_body_of_many_records),
	        TEST(what_fastcgi_does_not_have),
	        TEST(kept_connections),
	        TEST(a_close_at_each_byte),
	        TEST(an_early_reply),
	        TEST(a_cancel_closes_the_connection),
	        TEST(head_and_pauses),
	        TEST(no_redirect_leads_here),
	        TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
