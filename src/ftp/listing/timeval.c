/*
 * Times of files, as time-val of RFC 3659. A date that does not exist, such as the 30th of
 * February, is refused.
 */
#include <stdio.h>

#include <weir/error.h>

#include "timeval.h"

enum {
	DIGITS = 14,
	NANOSECOND_DIGITS = 9,
	YEAR_MAX = 9999
};

static bool ftp_timeval_all_digits(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static bool ftp_timeval_parse_fraction(struct weir_span text, long *ret)
{
	long value = 0;
	if (text.size < 2 || text.data[0] != '.')
		return text.size == 0;
	if (!ftp_timeval_all_digits(weir_span_skip(text, 1)))
		return false;
	for (size_t i = 1; i <= NANOSECOND_DIGITS; i++)
		value = value * 10 + (i < text.size ? text.data[i] - '0' : 0);
	*ret = value;
	return true;
}

static int ftp_timeval_digits(struct weir_span text, size_t from, size_t size)
{
	int number = 0;
	for (size_t i = from; i < from + size; i++)
		number = number * 10 + text.data[i] - '0';
	return number;
}

int ftp_time_parse(struct weir_span text, struct timespec *ret)
{
	long fraction = 0;
	if (text.size < DIGITS || !ftp_timeval_all_digits(weir_span(text.data, DIGITS)) ||
	        !ftp_timeval_parse_fraction(weir_span_skip(text, DIGITS), &fraction))
		return WEIR_E_SYNTAX;
	struct tm asked = {
	        .tm_year = ftp_timeval_digits(text, 0, 4) - 1900,
	        .tm_mon = ftp_timeval_digits(text, 4, 2) - 1,
	        .tm_mday = ftp_timeval_digits(text, 6, 2),
	        .tm_hour = ftp_timeval_digits(text, 8, 2),
	        .tm_min = ftp_timeval_digits(text, 10, 2),
	        .tm_sec = ftp_timeval_digits(text, 12, 2),
	};
	struct tm tm = asked;
	time_t seconds = timegm(&tm);
	/*
	 * timegm accepts any fields and corrects dates that do not exist, so the result is
	 * compared.
	 */
	if (tm.tm_year != asked.tm_year || tm.tm_mon != asked.tm_mon ||
	        tm.tm_mday != asked.tm_mday || tm.tm_hour != asked.tm_hour ||
	        tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec)
		return WEIR_E_SYNTAX;
	*ret = (struct timespec){.tv_sec = seconds, .tv_nsec = fraction};
	return 0;
}

void ftp_time_format(time_t time, char text[WEIR_FTP_TIME_TEXT_MAX])
{
	static const char first[] = "00000101000000", last[] = "99991231235959";
	struct tm tm;
	if (!gmtime_r(&time, &tm) || tm.tm_year < -1900 || tm.tm_year > YEAR_MAX - 1900) {
		memcpy(text, time < 0 ? first : last, sizeof first);
		return;
	}
	snprintf(text, WEIR_FTP_TIME_TEXT_MAX, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900,
	        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
