/* Times of RFC 3659. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "listing.h"

static void there_and_back(void **state)
{
	(void)state;
	for (int64_t at = -62167219200; at < 253402300799; at += 7654321) {
		char text[WEIR_FTP_TIME_TEXT_MAX];
		struct timespec back;
		ftp_time_format(at, text);
		assert_int_equal(ftp_time_parse(weir_span_of(text), &back), 0);
		assert_int_equal(back.tv_sec, at);
		assert_int_equal(back.tv_nsec, 0);
	}
}

static void fractions(void **state)
{
	struct timespec time;
	(void)state;
	assert_int_equal(ftp_time_parse(WEIR_SPAN("19700101000001.5"), &time), 0);
	assert_int_equal(time.tv_sec, 1);
	assert_int_equal(time.tv_nsec, 500000000);
	assert_int_equal(ftp_time_parse(WEIR_SPAN("19700101000001.1234567891"), &time), 0);
	assert_int_equal(time.tv_nsec, 123456789);
}

static void refuses(void **state)
{
	static const char *const wrong[] = {"", "2020", "2020010100000", "20200230000000",
	        "20201301000000", "20200001000000", "20200100000000", "20200101240000",
	        "20200101006000", "20200101000060", "2020010100000x", "20200101000000.",
	        "20200101000000.x", "20200101000000 ", "+2020101000000", "20210229000000"};
	struct timespec time;
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(ftp_time_parse(weir_span_of(wrong[i]), &time), WEIR_E_SYNTAX);
	assert_int_equal(ftp_time_parse(WEIR_SPAN("20200229000000"), &time), 0);
}

static void beyond_the_calendar(void **state)
{
	char text[WEIR_FTP_TIME_TEXT_MAX];
	(void)state;
	ftp_time_format(INT64_MAX, text);
	assert_string_equal(text, "99991231235959");
	ftp_time_format(INT64_MIN, text);
	assert_string_equal(text, "00000101000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(there_and_back),
	        cmocka_unit_test(fractions),
	        cmocka_unit_test(refuses),
	        cmocka_unit_test(beyond_the_calendar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
