/* Forms in bodies: fields however the body is cut, every bound, every way in which one ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/http_form.h>
#include "allocation.h"
#include "web.h"
#include "with_loop.h"

struct form {
	struct web web;
	struct weir_http_exchange *exchange;
	char text[256]; /* name=value; of each field */
	size_t value_size;
	int ended, error;
	bool replies_early;
};

static void field(void *context, struct weir_span name, struct weir_span value)
{
	struct form *form = context;
	size_t used = strlen(form->text);
	snprintf(form->text + used, sizeof form->text - used, "%.*s=%.*s;", (int)name.size,
	        name.data, (int)value.size, value.data ? value.data : "");
	form->value_size = value.size;
	if (form->replies_early)
		weir_http_reply_error(form->exchange, 422);
}

static void end(void *context, int error)
{
	struct form *form = context;
	form->ended++;
	form->error = error;
	if (error == 0 && !form->replies_early)
		weir_http_reply_text(form->exchange, 200, "text/plain", weir_span_of(form->text));
}

static void handle(void *context, struct weir_http_exchange *exchange)
{
	static const struct weir_http_form_receiver receiver = {field, end};
	struct form *form = context;
	form->exchange = exchange;
	int error = weir_http_form_receive(exchange, &receiver, form, 200000);
	if (error)
		weir_http_reply_error(exchange, error == WEIR_E_SYNTAX  ? 415
		                                : error == WEIR_E_LIMIT ? 413
		                                                        : 500);
}

static void start(struct form *form, struct weir_loop *loop)
{
	web_start(&form->web, loop, weir_http_function_create("", handle, form));
}

#define HEAD "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static void fields_come_however_the_body_is_cut(void **state)
{
	static const char body[] = "a=1&n%61me=J%C3%BCrgen+K&&empty=&alone&last=x%26y";
	for (size_t size = 1; size < sizeof body; size++) {
		struct form form = {0};
		char head[256];
		start(&form, *state);
		int fd = web_connect(&form.web);
		snprintf(head, sizeof head, HEAD FORM "Transfer-Encoding: chunked\r\n\r\n");
		assert_true(web_send(&form.web, fd, head, strlen(head)));
		for (size_t at = 0; at < sizeof body - 1; at += size) {
			size_t left = sizeof body - 1 - at;
			int part = (int)(left < size ? left : size);
			int length = snprintf(
			        head, sizeof head, "%x\r\n%.*s\r\n", part, part, body + at);
			assert_true(web_send(&form.web, fd, head, (size_t)length));
		}
		assert_true(web_send(&form.web, fd, "0\r\n\r\n", 5));
		assert_contains(web_read(&form.web, fd, NULL),
		        "\r\n\r\na=1;name=J\xc3\xbcrgen K;empty=;alone=;last=x&y;");
		assert_int_equal(form.ended, 1);
		close(fd);
		web_stop(&form.web);
	}
}

static void an_empty_form_is_one(void **state)
{
	struct form form = {0};
	start(&form, *state);
	assert_contains(web_ask(&form.web, HEAD FORM "Content-Length: 0\r\n\r\n"), " 200 ");
	assert_int_equal(form.ended, 1);
	assert_string_equal(form.text, "");
	web_stop(&form.web);
}

static void another_type_is_refused(void **state)
{
	struct form form = {0};
	start(&form, *state);
	assert_contains(web_ask(&form.web, HEAD "Content-Length: 3\r\n\r\na=b"), " 415 ");
	assert_contains(
	        web_ask(&form.web, HEAD "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b"),
	        " 415 ");
	assert_contains(web_ask(&form.web, HEAD "Content-Type: APPLICATION/x-www-form-urlencoded; "
	                                        "charset=utf-8\r\nContent-Length: 3\r\n\r\na=b"),
	        "\r\n\r\na=b;");
	assert_contains(web_ask(&form.web, HEAD FORM "Content-Length: 200001\r\n\r\n"), " 413 ");
	assert_int_equal(form.ended, 1);
	web_stop(&form.web);
}

/* No field follows a malformed one, wherever that is. */
static void a_malformed_field_is_400(void **state)
{
	static const char *const bodies[] = {"a=1&b=%zz&c=2", "a=1&c%=2", "a=1&b=%4"};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct form form = {0};
		char request[256];
		start(&form, *state);
		snprintf(request, sizeof request, HEAD FORM "Content-Length: %zu\r\n\r\n%s",
		        strlen(bodies[i]), bodies[i]);
		assert_contains(web_ask(&form.web, request), " 400 ");
		assert_string_equal(form.text, "a=1;");
		assert_int_equal(form.ended, 1);
		assert_int_equal(form.error, WEIR_E_SYNTAX);
		web_stop(&form.web);
	}
}

static void ask_with_value_of(struct form *form, size_t size, const char *status)
{
	char *request = malloc(size + 256);
	assert_non_null(request);
	int used = sprintf(request, HEAD FORM "Content-Length: %zu\r\n\r\na=", size + 2);
	memset(request + used, 'x', size);
	request[(size_t)used + size] = 0;
	form->text[0] = 0;
	assert_contains(web_ask(&form->web, request), status);
	free(request);
}

static void a_field_has_a_bound(void **state)
{
	struct form form = {0};
	start(&form, *state);
	ask_with_value_of(&form, WEIR_HTTP_FORM_FIELD_MAX - 2, " 200 ");
	assert_int_equal(form.value_size, WEIR_HTTP_FORM_FIELD_MAX - 2);
	ask_with_value_of(&form, WEIR_HTTP_FORM_FIELD_MAX - 1, " 413 ");
	assert_int_equal(form.error, WEIR_E_LIMIT);
	assert_int_equal(form.ended, 2);
	web_stop(&form.web);
}

static void a_field_may_be_replied_to(void **state)
{
	static const char *const bodies[] = {"a=1&b=2&c=3", "a=1&b=2&c=%"};
	for (size_t i = 0; i < 2; i++) {
		struct form form = {.replies_early = true};
		char request[256];
		start(&form, *state);
		snprintf(request, sizeof request, HEAD FORM "Content-Length: 11\r\n\r\n%s",
		        bodies[i]);
		assert_contains(web_ask(&form.web, request), " 422 ");
		assert_int_equal(form.ended, 1);
		web_stop(&form.web);
	}
}

static void a_client_that_goes_is_told(void **state)
{
	struct form form = {0};
	start(&form, *state);
	int fd = web_connect(&form.web);
	const char *request = HEAD FORM "Content-Length: 100\r\n\r\na=1&b=2";
	assert_true(web_send(&form.web, fd, request, strlen(request)));
	while (!form.text[0])
		web_turn(&form.web, 1);
	close(fd);
	web_stop(&form.web);
	assert_string_equal(form.text, "a=1;");
	assert_int_equal(form.ended, 1);
	assert_true(form.error < 0);
}

static void any_allocation_may_fail(void **state)
{
	for (unsigned n = 0; n < 40; n++) {
		struct form form = {0};
		start(&form, *state);
		fail_allocation_after(n, false);
		web_ask(&form.web, HEAD FORM "Content-Length: 7\r\n\r\na=%41&b");
		stop_failing_allocations();
		assert_true(form.ended <= 1);
		web_stop(&form.web);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(fields_come_however_the_body_is_cut),
	        cmocka_unit_test(an_empty_form_is_one),
	        cmocka_unit_test(another_type_is_refused),
	        cmocka_unit_test(a_malformed_field_is_400),
	        cmocka_unit_test(a_field_has_a_bound),
	        cmocka_unit_test(a_field_may_be_replied_to),
	        cmocka_unit_test(a_client_that_goes_is_told),
	        cmocka_unit_test(any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
