/* Multipart boundaries, form-data dispositions, and names of uploaded files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "form_upload_parts.h"

#define TEN "0123456789"

static void boundaries(void **state)
{
	static const struct {
		const char *what, *value, *boundary;
	} cases[] = {
	        {"a token", "multipart/form-data; boundary=abc", "abc"},
	        {"of a browser", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk",
	                "----WebKitFormBoundary7MA4YWxk"},
	        {"in capitals", "Multipart/Mixed; BOUNDARY=abc", "abc"},
	        {"quoted", "multipart/mixed; boundary=\"a b:c/d=e?'()+_,-.\"",
	                "a b:c/d=e?'()+_,-."},
	        {"behind another", "multipart/mixed; charset=x; boundary=abc", "abc"},
	        {"70 characters", "multipart/mixed; boundary=" TEN TEN TEN TEN TEN TEN TEN,
	                TEN TEN TEN TEN TEN TEN TEN},
	        {"71 characters", "multipart/mixed; boundary=" TEN TEN TEN TEN TEN TEN TEN "0",
	                NULL},
	        {"none", "multipart/form-data", NULL},
	        {"an empty one", "multipart/form-data; boundary=\"\"", NULL},
	        {"a space at its end", "multipart/form-data; boundary=\"a \"", NULL},
	        {"an asterisk", "multipart/form-data; boundary=a*b", NULL},
	        {"a quote in it", "multipart/form-data; boundary=\"a\\\"b\"", NULL},
	        {"a tab in it", "multipart/form-data; boundary=\"a\tb\"", NULL},
	        {"UTF-8", "multipart/form-data; boundary=\"\xc3\xa4\"", NULL},
	        {"two", "multipart/form-data; boundary=a; boundary=a", NULL},
	        {"junk behind it", "multipart/form-data; boundary=a b", NULL},
	        {"another type", "text/plain; boundary=a", NULL},
	        {"no subtype", "multipart; boundary=a", NULL},
	        {"nothing", "", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char buffer[WEIR_HTTP_BOUNDARY_MAX];
		struct weir_span boundary = {NULL, 0};
		int error = http_boundary_parse(weir_span_of(cases[i].value), buffer, &boundary);
		if (error != (cases[i].boundary ? 0 : WEIR_E_SYNTAX))
			fail_msg("%s: %d", cases[i].what, error);
		if (cases[i].boundary &&
		        !weir_span_equal(boundary, weir_span_of(cases[i].boundary)))
			fail_msg("%s", cases[i].what);
	}
}

static void dispositions(void **state)
{
	static const struct {
		const char *what, *value, *name, *filename;
	} cases[] = {
	        {"a field", "form-data; name=\"a\"", "a", NULL},
	        {"a file", "form-data; name=\"a\"; filename=\"b c.txt\"", "a", "b c.txt"},
	        {"an empty filename", "form-data; name=a; filename=\"\"", "a", ""},
	        {"the other order", "Form-Data; FileName=b; Name=a", "a", "b"},
	        {"an escaped quote", "form-data; name=\"a\\\"b\"; filename=\"c\\\\d\"", "a\"b",
	                "c\\d"},
	        {"a path of Windows", "form-data; name=a; filename=\"C:\\x\\y.txt\"", "a",
	                "C:\\x\\y.txt"},
	        {"UTF-8", "form-data; name=a; filename=\"\xc3\xa4\"", "a", "\xc3\xa4"},
	        {"filename* is ignored", "form-data; name=a; filename*=UTF-8''b", "a", NULL},
	        {"no name", "form-data; filename=b", NULL, NULL},
	        {"another disposition", "attachment; name=a", NULL, NULL},
	        {"two names", "form-data; name=a; name=b", NULL, NULL},
	        {"two filenames", "form-data; name=a; filename=b; filename=c", NULL, NULL},
	        {"an open quote", "form-data; name=\"a", NULL, NULL},
	        {"nothing", "", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_disposition got;
		char buffer[64];
		int error = http_disposition_parse(
		        weir_span_of(cases[i].value), buffer, sizeof buffer, &got);
		if (error != (cases[i].name ? 0 : WEIR_E_SYNTAX))
			fail_msg("%s: %d", cases[i].what, error);
		if (error)
			continue;
		if (!weir_span_equal(got.name, weir_span_of(cases[i].name)) ||
		        (got.filename.data != NULL) != (cases[i].filename != NULL))
			fail_msg("%s", cases[i].what);
		if (cases[i].filename &&
		        !weir_span_equal(got.filename, weir_span_of(cases[i].filename)))
			fail_msg("%s", cases[i].what);
	}
}

static void disposition_bounds(void **state)
{
	struct http_disposition got;
	char buffer[5];
	(void)state;
	struct weir_span value = WEIR_SPAN("form-data; name=ab; filename=cde");
	for (size_t capacity = 0; capacity < 5; capacity++)
		assert_int_equal(
		        http_disposition_parse(value, buffer, capacity, &got), WEIR_E_LIMIT);
	assert_int_equal(http_disposition_parse(value, buffer, 5, &got), 0);
}

static void basenames(void **state)
{
	static const char *const cases[][2] = {{"a.txt", "a.txt"}, {"/etc/passwd", "passwd"},
	        {"C:\\a\\b.txt", "b.txt"}, {"..\\../c", "c"}, {"a/", ""}, {"a\\", ""}, {"", ""},
	        {".", ""}, {"..", ""}, {"a/..", ""}, {"...", "..."}, {".a", ".a"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (!weir_span_equal(http_filename_base(weir_span_of(cases[i][0])),
		            weir_span_of(cases[i][1])))
			fail_msg("%s", cases[i][0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(boundaries),
	        cmocka_unit_test(dispositions),
	        cmocka_unit_test(disposition_bounds),
	        cmocka_unit_test(basenames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
