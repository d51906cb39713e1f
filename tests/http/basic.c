/* Basic credentials: canonical base64 only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "fields.h"

static void accepted(void **state)
{
	static const struct {
		const char *value, *user, *password;
	} cases[] = {
	        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
	        {"basic YTpi", "a", "b"},
	        {"BASIC   YTpi", "a", "b"},
	        {"Basic YTpiOmM=", "a", "b:c"},
	        {"Basic Og==", "", ""},
	        {"Basic YTo=", "a", ""},
	        {"Basic w6Q6w7w/Pw==", "\xc3\xa4", "\xc3\xbc??"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char buffer[WEIR_HTTP_BASIC_MAX];
		struct http_basic basic;
		assert_int_equal(http_basic_parse(weir_span_of(cases[i].value), buffer, &basic), 0);
		assert_true(weir_span_equal(basic.user, weir_span_of(cases[i].user)));
		assert_true(weir_span_equal(basic.password, weir_span_of(cases[i].password)));
	}
}

static void refused(void **state)
{
	static const struct {
		const char *what, *value;
	} cases[] = {
	        {"nothing", ""},
	        {"the scheme alone", "Basic"},
	        {"nothing behind the scheme", "Basic "},
	        {"another scheme", "Bearer YTpi"},
	        {"a tab", "Basic\tYTpi"},
	        {"no padding", "Basic Og"},
	        {"half the padding", "Basic Og="},
	        {"too much padding", "Basic YTpi===="},
	        {"three signs of padding", "Basic A==="},
	        {"padding alone", "Basic ===="},
	        {"padding within", "Basic Og==YTpi"},
	        {"bits behind the last byte", "Basic Oh=="},
	        {"bits behind the last two bytes", "Basic YTp="},
	        {"a space within", "Basic YT pi"},
	        {"a space behind", "Basic YTpi "},
	        {"the alphabet for URLs", "Basic _-pi"},
	        {"a control character", "Basic YTpiCg=="},
	        {"NUL in the user", "Basic AGE6Yg=="},
	        {"DEL", "Basic YTp/"},
	        {"no colon", "Basic YWI="},
	        {"two credentials", "Basic YTpi, Basic YTpi"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char buffer[WEIR_HTTP_BASIC_MAX];
		struct http_basic basic;
		int error = http_basic_parse(weir_span_of(cases[i].value), buffer, &basic);
		if (error != WEIR_E_SYNTAX)
			fail_msg("%s: %d", cases[i].what, error);
	}
}

static void bounds(void **state)
{
	char value[1024] = "Basic ", buffer[WEIR_HTTP_BASIC_MAX];
	struct http_basic basic;
	(void)state;
	/* 170 groups are 510 bytes; one more would be 513. */
	for (int i = 0; i < 170; i++)
		strcat(value, "YTpi");
	assert_int_equal(http_basic_parse(weir_span_of(value), buffer, &basic), 0);
	assert_int_equal(basic.password.size, 508);
	strcat(value, "YTpi");
	assert_int_equal(http_basic_parse(weir_span_of(value), buffer, &basic), WEIR_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(accepted),
	        cmocka_unit_test(refused),
	        cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
