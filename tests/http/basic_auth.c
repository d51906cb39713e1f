/*
 * Basic authentication in a chain: the challenge, who is passed on, and that memory may be short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <crypt.h>
#include <cmocka.h>

#include <weir/http_auth.h>
#include <weir/loop.h>
#include <weir/sasl_guard.h>
#include <weir/users.h>
#include "allocation.h"
#include "web.h"
#include "with_loop.h"
#include "make_options.h"

#define GET "GET /in/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
#define ALICE "Authorization: Basic YWxpY2U6d29uZGVy\r\n" /* alice:wonder */
#define WRONG "Authorization: Basic YWxpY2U6d29uZGVz\r\n"

static struct weir_guard *guard;

static void greet(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	weir_http_reply_text(exchange, 200, "text/plain", weir_http_user(exchange));
}

/* One user, whose password is "wonder". */
static struct weir_users *make_user(const char *name)
{
	struct weir_users *users;
	struct crypt_data data = {0};
	char text[512];
	const char *hash = crypt_r("wonder", "$5$rounds=1000$saltsalt", &data);
	assert_non_null(hash);
	snprintf(text, sizeof text, "%s:%s\n", name, hash);
	assert_int_equal(weir_users_parse(weir_span_of(text), NULL, NULL, &users), 0);
	return users;
}

static void start(struct web *web, struct weir_loop *loop, const char *realm)
{
	struct weir_users *users = make_user("alice");
	web_start(web, loop,
	        web_chain(weir_http_basic_auth_create(users, guard, realm, "in"),
	                weir_http_function_create("", greet, NULL)));
	weir_users_release(users);
}

static void who_is_passed_on(void **state)
{
	struct web web = {0};
	start(&web, *state, "a");
	for (int i = 0; i < 2; i++) /* the second time it is remembered, and answered at once */
		assert_contains(web_ask(&web, GET ALICE "\r\n"), "\r\n\r\nalice");
	assert_contains(web_ask(&web, GET WRONG "\r\n"), "HTTP/1.1 401 ");
	assert_contains(web_ask(&web, GET "\r\n"), "HTTP/1.1 401 ");
	assert_contains(web_ask(&web, "GET /inn HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
	        "HTTP/1.1 200 ");
	web_stop(&web);
}

/* The users before are freed, unless a check needs them; a remembered password is forgotten. */
static void users_may_be_replaced(void **state)
{
	struct web web = {0};
	struct weir_users *users = make_user("bob");
	struct weir_http_handler *auth = weir_http_basic_auth_create(users, NULL, "a", "in");
	web_start(&web, *state, web_chain(auth, weir_http_function_create("", greet, NULL)));
	weir_users_release(users);
	assert_contains(web_ask(&web, GET ALICE "\r\n"), "HTTP/1.1 401 ");
	users = make_user("alice");
	for (int i = 0; i < 2; i++) /* also by those that it has */
		weir_http_basic_auth_set_users(auth, users);
	weir_users_release(users);
	for (int i = 0; i < 2; i++)
		assert_contains(web_ask(&web, GET ALICE "\r\n"), "\r\n\r\nalice");
	users = make_user("bob");
	weir_http_basic_auth_set_users(auth, users);
	weir_users_release(users);
	assert_contains(web_ask(&web, GET ALICE "\r\n"), "HTTP/1.1 401 ");
	web_stop(&web);
}

static void the_realm_cannot_leave_its_quotes(void **state)
{
	static const struct {
		const char *realm, *challenge;
	} cases[] = {
	        {"a b", "Basic realm=\"a b\", charset=\"UTF-8\"\r\n"},
	        {"", "Basic realm=\"\", charset=\"UTF-8\"\r\n"},
	        {"a\"b\\", "Basic realm=\"a\\\"b\\\\\", charset=\"UTF-8\"\r\n"},
	        {"a\r\nSet-Cookie: b", "Basic realm=\"a  Set-Cookie: b\", charset=\"UTF-8\"\r\n"},
	        {"\xc3\xa4", "Basic realm=\"\xc3\xa4\", charset=\"UTF-8\"\r\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct web web = {0};
		start(&web, *state, cases[i].realm);
		assert_contains(web_ask(&web, GET "\r\n"), cases[i].challenge);
		web_stop(&web);
	}
}

/* Five wrong ones: a right one waits then, as long as the last of them. */
static void the_guard_delays_right_and_wrong(void **state)
{
	struct weir_guard_options options =
	        OPTIONS(weir_guard_options, o.first_ms = 1, o.most_ms = 20);
	struct weir_loop *loop = *state;
	struct web web = {0};
	assert_int_equal(weir_guard_create(&options, &guard), 0);
	start(&web, loop, "a");
	for (int i = 0; i < 6; i++)
		assert_contains(web_ask(&web, GET WRONG "\r\n"), "HTTP/1.1 401 ");
	int64_t before_ms = weir_loop_now_ms(loop);
	assert_contains(web_ask(&web, GET ALICE "\r\n"), "\r\n\r\nalice");
	assert_true(weir_loop_now_ms(loop) - before_ms >= 19);
	/* A cleared count delays nothing. */
	assert_int_equal(weir_guard_clear(guard, NULL), 1);
	assert_contains(web_ask(&web, GET ALICE "\r\n"), "\r\n\r\nalice");
	web_stop(&web);
	weir_guard_destroy(guard);
	guard = NULL;
}

static void memory_may_be_short(void **state)
{
	bool failed = true;
	for (unsigned good = 0; failed && good < 100; good++) {
		struct web web = {0};
		start(&web, *state, "a");
		fail_allocation_after(good, false);
		web_ask(&web, GET ALICE "\r\n");
		failed = stop_failing_allocations();
		assert_contains(web_ask(&web, GET ALICE "\r\n"), "\r\n\r\nalice");
		web_stop(&web);
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(who_is_passed_on),
	        cmocka_unit_test(users_may_be_replaced),
	        cmocka_unit_test(the_realm_cannot_leave_its_quotes),
	        cmocka_unit_test(the_guard_delays_right_and_wrong),
	        cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
