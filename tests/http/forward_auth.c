/* Forward authentication by the byte, and without memory. */
#include "proxied.h"

#include "allocation.h"

static unsigned passed;

static void pass(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	passed++;
	weir_http_reply_text(exchange, 200, "text/plain", WEIR_SPAN("passed"));
}

/* As start_proxy, with a handler behind that counts the requests that pass. */
static void start_guarded(void)
{
	static const char *const names[] = {"Remote-User"};
	struct weir_http_forward_auth_options options;
	struct weir_http_upstreams *upstreams = GROUP();
	weir_http_forward_auth_options_init(&options);
	options.upstreams = upstreams;
	options.path = "/ask";
	options.fields = names;
	options.field_count = 1;
	struct weir_http_handler *handler = weir_http_forward_auth_create(&options);
	weir_http_upstreams_release(upstreams);
	assert_non_null(handler);
	handler->next = weir_http_function_create("", pass, NULL);
	assert_non_null(handler->next);
	passed = 0;
	web = (struct web){0};
	web_start(&web, loop, handler);
	client = peer_connect(loop, weir_server_address(weir_http_listener(web.server)), 0);
	upstream = (struct peer){.fd = -1, .loop = loop};
}

static void ask(const char *request)
{
	peer_send(&client, request);
	if (upstream.fd < 0)
		upstream = origin_accept(&origin);
	origin_skip_request(&upstream);
}

static void the_decision_of_the_server(void **state)
{
	(void)state;
	start_guarded();
	ask("GET /a HTTP/1.1\r\n" HOST "\r\n");
	peer_send(&upstream, "HTTP/1.1 204 Yes\r\n\r\n");
	assert_int_equal(status_of_client(), 200);
	assert_int_equal(passed, 1);
	client.got.size = 0;
	assert_true(peer_read(&client, 1));
	while (!memmem(client.got.data, client.got.size, "passed", 6))
		assert_true(peer_read_more(&client));
	client.got.size = 0;
	ask("GET /a HTTP/1.1\r\n" HOST "\r\n");
	replies("HTTP/1.1 403 No\r\nX-Why: y\r\nContent-Length: 2\r\n\r\nno",
	        "HTTP/1.1 403 Forbidden\r\nX-Why: y\r\nContent-Length: 2\r\n\r\nno");
	assert_int_equal(passed, 1);
	stop_proxy();
}

static void bad_options(void **state)
{
	static const char
	        *const bad[] = {"A b"},
	               *const endless[] = {
	                       "A-name-that-is-longer-than-any-field-of-a-server-of-this-kind"};
	struct weir_http_forward_auth_options options;
	struct weir_http_upstreams *upstreams = GROUP();
	(void)state;
	weir_http_forward_auth_options_init(&options);
	assert_null(weir_http_forward_auth_create(&options));
	options.upstreams = upstreams;
	options.path = "ask";
	assert_null(weir_http_forward_auth_create(&options));
	options.path = "/ask";
	options.field_count = 1;
	options.fields = bad;
	assert_null(weir_http_forward_auth_create(&options));
	options.fields = endless;
	assert_null(weir_http_forward_auth_create(&options));
	weir_http_upstreams_release(upstreams);
}

/* Whatever fails, nothing passes without the consent, and all is freed. */
static void fail_allocations(const char *reply, bool consents)
{
	bool failed = true;
	unsigned done = 0;
	for (unsigned good = 0; failed; good++) {
		start_guarded();
		fail_allocation_after(good, false);
		peer_send(&client, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
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
		assert_true(passed <= (consents ? 1 : 0));
		done += passed;
		stop_proxy();
	}
	assert_true(!consents || done >= 1);
}

static void each_allocation_fails(void **state)
{
	(void)state;
	fail_allocations("HTTP/1.1 200 OK\r\nRemote-User: ann\r\nContent-Length: 0\r\n\r\n", true);
	fail_allocations("HTTP/1.1 401 No\r\nA: b\r\nContent-Length: 2\r\n\r\nno", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(the_decision_of_the_server),
	        TEST(bad_options),
	        TEST(each_allocation_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
