/* Parameters of values: the iterator, and quoted strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "fields.h"

/* "head|name=value|name=value", or what went wrong. */
static void describe(const char *value, char *text, size_t capacity)
{
	struct weir_span rest = weir_span_of(value), head, decoded;
	struct http_parameter parameter;
	char buffer[64];
	int used, got;
	if (http_parameter_head(&rest, &head) < 0) {
		snprintf(text, capacity, "no head");
		return;
	}
	used = snprintf(text, capacity, "%.*s", (int)head.size, head.data);
	while ((got = http_parameter_next(&rest, &parameter)) > 0) {
		assert_int_equal(
		        http_parameter_decode(&parameter, buffer, sizeof buffer, &decoded), 0);
		used += snprintf(text + used, capacity - (size_t)used, "|%.*s=%.*s",
		        (int)parameter.name.size, parameter.name.data, (int)decoded.size,
		        decoded.data);
	}
	if (got < 0)
		snprintf(text + used, capacity - (size_t)used, "|error");
}

static void values(void **state)
{
	static const struct {
		const char *value, *expected;
	} cases[] = {
	        {"text/plain", "text/plain"},
	        {" text/plain ", "text/plain"},
	        {"form-data", "form-data"},
	        {"a/b;c=d", "a/b|c=d"},
	        {"a/b ; c=d\t;e=f", "a/b|c=d|e=f"},
	        {"a/b; c=\"d\"", "a/b|c=d"},
	        {"a/b; c=\"\"; d=e", "a/b|c=|d=e"},
	        {"a/b; c=\"d;e=f\"; g=h", "a/b|c=d;e=f|g=h"},
	        {"a/b; c=\"quoted \\\"string\\\\\"", "a/b|c=quoted \"string\\"},
	        {"a/b; c=\"\\d\"", "a/b|c=d"},
	        {"a/b;", "a/b"},
	        {"a/b;;c=d; ;", "a/b|c=d"},
	        {"a;filename*=UTF-8''x", "a|filename*=UTF-8''x"},
	        {"", "no head"},
	        {"/b", "no head"},
	        {"a/", "no head"},
	        {";c=d", "no head"},
	        {"a/b/c", "a/b|error"},
	        {"a/b c=d", "a/b|error"},
	        {"a/b, c/d", "a/b|error"},
	        {"a/b; c", "a/b|error"},
	        {"a/b; c=", "a/b|error"},
	        {"a/b; =d", "a/b|error"},
	        {"a/b; c =d", "a/b|error"},
	        {"a/b; c= d", "a/b|error"},
	        {"a/b; c=\"d", "a/b|error"},
	        {"a/b; c=\"d\\\"", "a/b|error"},
	        {"a/b; c=\"d\\", "a/b|error"},
	        {"a/b; c=\"d\"e", "a/b|c=d|error"},
	        {"a/b; c=d e=f", "a/b|c=d|error"},
	        {"a/b; c=d\"e\"", "a/b|c=d|error"},
	        {"a/b; c=\"d\ne\"", "a/b|error"},
	        {"a/b; c=\"\\\x01\"", "a/b|error"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[256];
		describe(cases[i].value, text, sizeof text);
		if (strcmp(text, cases[i].expected) != 0)
			fail_msg("%s: %s", cases[i].value, text);
	}
}

static void decode_bounds(void **state)
{
	struct http_parameter parameter = {
	        .name = WEIR_SPAN("a"), .value = WEIR_SPAN("b\\\"c"), .quoted = true};
	struct weir_span value = {NULL, 0};
	char buffer[3];
	(void)state;
	assert_int_equal(http_parameter_decode(&parameter, buffer, 2, &value), WEIR_E_LIMIT);
	assert_null(value.data);
	assert_int_equal(http_parameter_decode(&parameter, buffer, 3, &value), 0);
	assert_true(weir_span_equal(value, WEIR_SPAN("b\"c")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(values),
	        cmocka_unit_test(decode_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
