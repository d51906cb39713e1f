/* Dates: against gmtime of the C library, and everything that is almost a date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <time.h>
#include <weir/error.h>
#include "fields.h"

#define NOW INT64_C(1700000000) /* 2023-11-14 */

static void agrees_with_the_library(void **state)
{
	static const int64_t fixed[] = {0, 1, -1, 86399, 86400, 951782400, 951868800, 1078012800,
	        4107542400, INT64_C(253402300799), INT64_C(-62135596800)};
	char text[WEIR_HTTP_DATE_SIZE + 1], expected[64];
	uint64_t random = 88172645463325252u;
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* Years 1 to 9999. */
		int64_t seconds = (int64_t)(random % 315537897600u) - INT64_C(62135596800), back;
		if (i < sizeof fixed / sizeof *fixed)
			seconds = fixed[i];
		time_t time = seconds;
		struct tm tm;
		assert_non_null(gmtime_r(&time, &tm));
		/* strftime pads no year with zeros. */
		size_t size = strftime(expected, sizeof expected, "%a, %d %b ", &tm);
		size += (size_t)snprintf(
		        expected + size, sizeof expected - size, "%04d", tm.tm_year + 1900);
		strftime(expected + size, sizeof expected - size, " %H:%M:%S GMT", &tm);
		http_date_format(seconds, text);
		assert_string_equal(text, expected);
		assert_int_equal(http_date_parse(weir_span_of(text), NOW, &back), 0);
		assert_int_equal(back, seconds);
	}
}

static void beyond_the_calendar(void **state)
{
	char text[WEIR_HTTP_DATE_SIZE + 1];
	(void)state;
	http_date_format(INT64_MAX, text);
	assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
	http_date_format(INT64_MIN, text);
	assert_string_equal(text, "Mon, 01 Jan 0001 00:00:00 GMT");
}

static void all_formats(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
	        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
	        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
	        {"Sun Nov  6 08:49:37 1994", 784111777},
	        {"Sun Nov 06 08:49:37 1994", 784111777},
	        {"Wed Nov 16 08:49:37 1994", 784975777},
	        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
	        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
	        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
	        {"Wednesday, 01-Jan-70 00:00:00 GMT", 3155760000}, /* 2070 by the rule */
	        {"Thursday, 01-Jan-70 00:00:00 GMT", -1},          /* that of 1970 */
	        {"Monday, 01-Jan-73 00:00:00 GMT", -1}, /* that of 1973; 2073 is 50 years ahead */
	        {"Sunday, 01-Jan-73 00:00:00 GMT", 3250454400},
	        {"Saturday, 01-Dec-73 00:00:00 GMT", 123552000}, /* of 1973 */
	        {"Saturday, 01-Jan-00 00:00:00 GMT", 946684800},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds = -1;
		int error = http_date_parse(weir_span_of(cases[i].text), NOW, &seconds);
		if (error != (cases[i].seconds < 0 ? WEIR_E_SYNTAX : 0) ||
		        seconds != cases[i].seconds)
			fail_msg("%s: %d, %lld", cases[i].text, error, (long long)seconds);
	}
}

static void two_digit_years(void **state)
{
	char text[64];
	(void)state;
	/* 2023: 73 is 50 years ahead and stays, 74 is further away and was 1974. */
	for (int year = 1974; year <= 2073; year++) {
		struct tm tm = {.tm_year = year - 1900, .tm_mon = 5, .tm_mday = 15};
		int64_t expected = timegm(&tm), seconds;
		strftime(text, sizeof text, "%A, %d-%b-%y %H:%M:%S GMT", &tm);
		assert_int_equal(http_date_parse(weir_span_of(text), NOW, &seconds), 0);
		assert_int_equal(seconds, expected);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *what, *text;
	} cases[] = {
	        {"nothing", ""},
	        {"a number", "784111777"},
	        {"another zone", "Sun, 06 Nov 1994 08:49:37 UTC"},
	        {"an offset", "Sun, 06 Nov 1994 08:49:37 +0000"},
	        {"lower case gmt", "Sun, 06 Nov 1994 08:49:37 gmt"},
	        {"lower case month", "Sun, 06 nov 1994 08:49:37 GMT"},
	        {"lower case day", "sun, 06 Nov 1994 08:49:37 GMT"},
	        {"one digit of day", "Sun, 6 Nov 1994 08:49:37 GMT"},
	        {"a space for a digit", "Sun,  6 Nov 1994 08:49:37 GMT"},
	        {"another day of the week", "Mon, 06 Nov 1994 08:49:37 GMT"},
	        {"no day of the week", "06 Nov 1994 08:49:37 GMT"},
	        {"day 0", "Sun, 00 Nov 1994 08:49:37 GMT"},
	        {"31 November", "Thu, 31 Nov 1994 08:49:37 GMT"},
	        {"29 February of no leap year", "Wed, 29 Feb 2023 00:00:00 GMT"},
	        {"29 February 1900", "Thu, 29 Feb 1900 00:00:00 GMT"},
	        {"hour 24", "Sun, 06 Nov 1994 24:00:00 GMT"},
	        {"minute 60", "Sun, 06 Nov 1994 08:60:37 GMT"},
	        {"second 61", "Sun, 06 Nov 1994 08:49:61 GMT"},
	        {"a space in front", " Sun, 06 Nov 1994 08:49:37 GMT"},
	        {"a space behind", "Sun, 06 Nov 1994 08:49:37 GMT "},
	        {"a length behind", "Sun, 06 Nov 1994 08:49:37 GMT; length=1"},
	        {"dashes", "Sun, 06-Nov-1994 08:49:37 GMT"},
	        {"a short day before two digits", "Sun, 06-Nov-94 08:49:37 GMT"},
	        {"a wrong long day", "Monday, 06-Nov-94 08:49:37 GMT"},
	        {"a long day before four digits", "Sunday, 06 Nov 1994 08:49:37 GMT"},
	        {"asctime with GMT", "Sun Nov  6 08:49:37 1994 GMT"},
	        {"asctime with one space", "Sun Nov 6 08:49:37 1994"},
	        {"an unknown month", "Sun, 06 Foo 1994 08:49:37 GMT"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds = -7;
		if (http_date_parse(weir_span_of(cases[i].text), NOW, &seconds) != WEIR_E_SYNTAX ||
		        seconds != -7)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(agrees_with_the_library),
	        cmocka_unit_test(beyond_the_calendar),
	        cmocka_unit_test(all_formats),
	        cmocka_unit_test(two_digit_years),
	        cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
