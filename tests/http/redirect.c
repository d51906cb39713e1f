/* Redirects: which paths they are for, and where these are sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <weir/http_redirect.h>
#include "allocation.h"
#include "web.h"
#include "with_loop.h"

static const struct {
	const char *from, *to, *target, *location;
} cases[] = {
        {"old", "https://example.org/new", "/old/a?b", "https://example.org/new/a?b"},
        {"old", "https://example.org/new", "/old", "https://example.org/new"},
        {"old", "https://example.org/new", "/old/", "https://example.org/new/"},
        {"old", "https://example.org/new", "/old?", "https://example.org/new?"},
        {"old", "https://example.org/new", "/old/a//b/./c/", "https://example.org/new/a/b/c/"},
        {"old", "/new/", "/old/a", "/new/a"},
        {"old", "/new", "/older", NULL},
        {"old", "/new", "/a/old", NULL},
        {"old", "/new", "/", NULL},
        {"old/b", "/new", "/old/b/c", "/new/c"},
        {"old/b", "/new", "/old/bc", NULL},
        {"old", "/new", "/%6fld/c", "/new/c"},
        {"old", "/new", "/old/a%20b%3Fc%25%C3%A4", "/new/a%20b%3Fc%25%C3%A4"},
        {"old", "/new", "/old/a%5c?x=%0d%0aSet-Cookie:a", "/new/a%5C?x=%0d%0aSet-Cookie:a"},
        {"", "https://example.org", "/", "https://example.org/"},
        {"", "https://example.org", "/a/b?c=d?e", "https://example.org/a/b?c=d?e"},
        {"", "", "//evil.example/x", "/evil.example/x"},
        {"", "/", "//evil.example/", "/evil.example/"},
};

static void locations(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct web web = {0};
		char request[512], wanted[512];
		web_start(&web, *state, weir_http_redirect_create(cases[i].from, cases[i].to, 308));
		snprintf(request, sizeof request,
		        "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", cases[i].target);
		const char *reply = web_ask(&web, request);
		snprintf(wanted, sizeof wanted, "\r\nLocation: %s\r\n",
		        cases[i].location ? cases[i].location : "");
		assert_contains(reply, cases[i].location ? "HTTP/1.1 308 " : "HTTP/1.1 404 ");
		if (cases[i].location)
			assert_contains(reply, wanted);
		web_stop(&web);
	}
}

static const struct {
	unsigned port;
	const char *request, *location;
} to_https[] = {
        {0, "GET / HTTP/1.1\r\nHost: example.org\r\n", "https://example.org/"},
        {443, "GET /a HTTP/1.1\r\nHost: example.org:80\r\n", "https://example.org/a"},
        {8443, "GET /a/?b=c HTTP/1.1\r\nHost: EXAMPLE.org:8080\r\n",
                "https://EXAMPLE.org:8443/a/?b=c"},
        {8443, "GET //evil.example/%20%3f HTTP/1.1\r\nHost: [::1]:80\r\n",
                "https://[::1]:8443/evil.example/%20%3F"},
        {0, "GET http://b/x HTTP/1.1\r\nHost: a\r\n", "https://b/x"},
        {0, "GET /x HTTP/1.0\r\n", "https://127.0.0.1/x"},
        {0, "OPTIONS * HTTP/1.1\r\nHost: a\r\n", NULL},
};

static void from_http_to_https(void **state)
{
	for (size_t i = 0; i < sizeof to_https / sizeof *to_https; i++) {
		struct web web = {0};
		char request[512], wanted[512];
		web_start(&web, *state, weir_http_https_redirect_create(to_https[i].port));
		snprintf(request, sizeof request, "%sConnection: close\r\n\r\n",
		        to_https[i].request);
		const char *reply = web_ask(&web, request);
		snprintf(wanted, sizeof wanted, "\r\nLocation: %s\r\n",
		        to_https[i].location ? to_https[i].location : "");
		assert_contains(reply, to_https[i].location ? "HTTP/1.1 308 " : "HTTP/1.1 404 ");
		if (to_https[i].location)
			assert_contains(reply, wanted);
		web_stop(&web);
	}
}

static void a_body_is_passed_over(void **state)
{
	struct web web = {0};
	web_start(&web, *state, weir_http_redirect_create("", "/b", 307));
	const char *reply =
	        web_ask(&web, "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
	                      "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_contains(reply, "Location: /b/1\r\n");
	assert_contains(reply, "Location: /b/2\r\n");
	web_stop(&web);
}

static void asterisk_is_no_path(void **state)
{
	struct web web = {0};
	web_start(&web, *state, weir_http_redirect_create("", "/b", 301));
	assert_contains(web_ask(&web, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
	        "HTTP/1.1 404 ");
	web_stop(&web);
}

static void too_long_once_it_is_escaped(void **state)
{
	struct web web = {0};
	static char request[8000];
	char path[6000];
	memset(path, '$', sizeof path);
	web_start(&web, *state, weir_http_redirect_create("", "/b", 301));
	snprintf(request, sizeof request,
	        "GET /%.*s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", (int)sizeof path,
	        path);
	assert_contains(web_ask(&web, request), "HTTP/1.1 414 ");
	web_stop(&web);
}

static void memory_may_be_short(void **state)
{
	static const char request[] = "GET /old/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	bool failed = true;
	for (unsigned good = 0; failed && good < 100; good++) {
		struct web web = {0}, secure = {0};
		web_start(&web, *state, weir_http_redirect_create("old", "/new", 301));
		web_start(&secure, *state, weir_http_https_redirect_create(0));
		fail_allocation_after(good, false);
		web_ask(&web, request);
		failed = stop_failing_allocations();
		fail_allocation_after(good, false);
		web_ask(&secure, request);
		failed |= stop_failing_allocations();
		assert_contains(web_ask(&web, request), "Location: /new/a\r\n");
		assert_contains(web_ask(&secure, request), "Location: https://a/old/a\r\n");
		web_stop(&web);
		web_stop(&secure);
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(locations),
	        cmocka_unit_test(from_http_to_https),
	        cmocka_unit_test(a_body_is_passed_over),
	        cmocka_unit_test(asterisk_is_no_path),
	        cmocka_unit_test(too_long_once_it_is_escaped),
	        cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
