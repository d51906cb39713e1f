/* Reason phrases, and codes that have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "syntax.h"

static void reasons(void **state)
{
	static const struct {
		int status;
		const char *reason;
	} cases[] = {{100, "Continue"}, {200, "OK"}, {304, "Not Modified"}, {404, "Not Found"},
	        {413, "Content Too Large"}, {431, "Request Header Fields Too Large"},
	        {505, "HTTP Version Not Supported"}, {511, "Network Authentication Required"},
	        {299, ""}, {306, ""}, {512, ""}, {99, ""}, {0, ""}, {-1, ""}, {99999, ""}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (!weir_span_equal(
		            http_status_reason(cases[i].status), weir_span_of(cases[i].reason)))
			fail_msg("%d", cases[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
