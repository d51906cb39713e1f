/* ESMTP parameters and xtext. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>

#include "smtp_syntax.h"

/* Returns all parameters as "KEY=value|KEY|", or "bad". */
static const char *list(const char *text)
{
	static char all[300];
	struct weir_span left = weir_span_of(text);
	struct smtp_parameter parameter;
	size_t size = 0;
	int result;
	all[0] = 0;
	while ((result = smtp_parameter_next(&left, &parameter)) > 0)
		size += (size_t)snprintf(all + size, sizeof all - size, "%.*s%s%.*s|",
		        (int)parameter.keyword.size, parameter.keyword.data,
		        parameter.has_value ? "=" : "", (int)parameter.value.size,
		        parameter.has_value ? parameter.value.data : "");
	return result < 0 ? "bad" : all;
}

static void parameters(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	        {"", ""},
	        {" ", ""},
	        {" SIZE=1", "SIZE=1|"},
	        {" SIZE=1 BODY=8BITMIME SMTPUTF8", "SIZE=1|BODY=8BITMIME|SMTPUTF8|"},
	        {"  A  B ", "A|B|"},
	        {" X-Y=a+3Db,c;d<>", "X-Y=a+3Db,c;d<>|"},
	        {" U=\xc3\xa9", "U=\xc3\xa9|"},
	        {"SIZE=1", "bad"},
	        {" SIZE=", "bad"},
	        {" SIZE= 1", "bad"},
	        {" =1", "bad"},
	        {" -A=1", "bad"},
	        {" A=b=c", "bad"},
	        {" A_B", "bad"},
	        {" A\t", "bad"},
	        {" A=\x7f", "bad"},
	        {" <a@b>", "bad"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(list(cases[i][0]), cases[i][1]);
}

static void xtext(void **state)
{
	(void)state;
	static const struct {
		const char *coded, *text;
		bool utf8;
	} cases[] = {
	        {"a", "a", false},
	        {"a+2Bb+3Dc", "a+b=c", false},
	        {"+00+FF", NULL, true},
	        {"a+2bb", NULL, false},
	        {"+", NULL, false},
	        {"+2", NULL, false},
	        {"a=b", NULL, false},
	        {"a b", NULL, false},
	        {"\xc3\xa9", NULL, false},
	        {"\xc3\xa9", "\xc3\xa9", true},
	};
	char text[32];
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		long size = smtp_xtext_decode(weir_span_of(cases[i].coded), cases[i].utf8, text);
		if (i == 2) {
			assert_int_equal(size, 2);
			assert_memory_equal(text, "\0\xff", 2);
		} else if (cases[i].text) {
			assert_true(size >= 0 && weir_span_equal(weir_span(text, (size_t)size),
			                                 weir_span_of(cases[i].text)));
		} else {
			assert_int_equal(size, WEIR_E_SYNTAX);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(parameters),
	        cmocka_unit_test(xtext),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
