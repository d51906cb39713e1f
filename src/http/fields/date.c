/*
 * Dates by arithmetic on days, in the proleptic Gregorian calendar. Years begin in March, so that
 * the leap day is the last. Fields are read at fixed positions, since each format has one width for
 * each field.
 */
#include <weir/error.h>

#include "fields.h"

#define DAY 86400
#define FIRST_SECOND INT64_C(-62135596800) /* 0001-01-01 00:00:00 */
#define LAST_SECOND INT64_C(253402300799)  /* 9999-12-31 23:59:59 */

static const char weekdays[7][10] = {
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char months[12][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil {
	int year;
	int month; /* 1 to 12 */
	int day;
};

/* Days since 1970-01-01; 719468 lie between that and 0000-03-01, 146097 in 400 years. */
static int64_t http_date_days_of(struct civil date)
{
	int64_t year = date.month <= 2 ? date.year - 1 : date.year;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t month = (date.month + 9) % 12;
	int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
}

static struct civil http_date_civil_of(int64_t days)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day = days - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct civil date = {
	        .year = (int)(year + era * 400),
	        .month = (int)(month < 10 ? month + 3 : month - 9),
	        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
	};
	date.year += date.month <= 2;
	return date;
}

static int http_date_weekday_of(int64_t days)
{
	/* 1970-01-01 was a Thursday. */
	return (int)(((days + 4) % 7 + 7) % 7);
}

static void http_date_put2(char *to, int number)
{
	to[0] = (char)('0' + number / 10);
	to[1] = (char)('0' + number % 10);
}

void http_date_format(int64_t seconds, char text[WEIR_HTTP_DATE_SIZE + 1])
{
	if (seconds < FIRST_SECOND)
		seconds = FIRST_SECOND;
	if (seconds > LAST_SECOND)
		seconds = LAST_SECOND;
	int64_t days = (seconds >= 0 ? seconds : seconds - (DAY - 1)) / DAY;
	int second = (int)(seconds - days * DAY);
	struct civil date = http_date_civil_of(days);
	memcpy(text, "Sun, 00 Jan 0000 00:00:00 GMT", WEIR_HTTP_DATE_SIZE + 1);
	memcpy(text, weekdays[http_date_weekday_of(days)], 3);
	http_date_put2(text + 5, date.day);
	memcpy(text + 8, months[date.month - 1], 3);
	http_date_put2(text + 12, date.year / 100);
	http_date_put2(text + 14, date.year % 100);
	http_date_put2(text + 17, second / 3600);
	http_date_put2(text + 20, second / 60 % 60);
	http_date_put2(text + 23, second % 60);
}

/* Compares with a pattern in which '0' matches any digit and '*' any byte. */
static bool http_date_has_shape(struct weir_span text, const char *shape)
{
	if (text.size != strlen(shape))
		return false;
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (shape[i] == '0' ? c < '0' || c > '9' : shape[i] != '*' && shape[i] != c)
			return false;
	}
	return true;
}

/* Two digits; a space for the first one counts as 0. */
static int http_date_get2(const char *from)
{
	return (from[0] == ' ' ? 0 : (from[0] - '0') * 10) + from[1] - '0';
}

static int http_date_get_month(const char *from)
{
	for (int i = 0; i < 12; i++)
		if (memcmp(months[i], from, 3) == 0)
			return i + 1;
	return 0;
}

/* The checks that all formats share; `name` is the day of the week in the text. */
static int http_date_finish(
        struct civil date, struct weir_span name, const char *time, int64_t *ret_seconds)
{
	int hour = http_date_get2(time), minute = http_date_get2(time + 3),
	    second = http_date_get2(time + 6);
	/* A leap second is 60; day 31 of a shorter month becomes a day of the next month. */
	if (date.month == 0 || date.day == 0 || hour > 23 || minute > 59 || second > 60)
		return WEIR_E_SYNTAX;
	int64_t days = http_date_days_of(date);
	struct civil same = http_date_civil_of(days);
	const char *weekday = weekdays[http_date_weekday_of(days)];
	if (same.day != date.day || same.month != date.month)
		return WEIR_E_SYNTAX;
	if (!weir_span_equal(name, weir_span(weekday, name.size == 3 ? 3 : strlen(weekday))))
		return WEIR_E_SYNTAX;
	*ret_seconds = days * DAY + hour * 3600 + minute * 60 + second;
	return 0;
}

/* Orders days within a year. */
static int day_of_year(struct civil date)
{
	return date.month * 32 + date.day;
}

static int http_date_parse_rfc850(struct weir_span text, int64_t now, int64_t *ret_seconds)
{
	struct weir_span name;
	weir_span_cut(&text, ',', &name);
	if (!http_date_has_shape(text, " 00-***-00 00:00:00 GMT") || name.size <= 3)
		return WEIR_E_SYNTAX;
	const char *at = text.data;
	struct civil today = http_date_civil_of(now / DAY);
	struct civil date = {.month = http_date_get_month(at + 4), .day = http_date_get2(at + 1)};
	date.year = today.year - today.year % 100 + http_date_get2(at + 8);
	/* Returns the latest year with these two digits that is at most 50 years ahead. */
	if (date.year + 100 <= today.year + 50)
		date.year += 100;
	if (date.year > today.year + 50 ||
	        (date.year == today.year + 50 && day_of_year(date) > day_of_year(today)))
		date.year -= 100;
	return http_date_finish(date, name, at + 11, ret_seconds);
}

int http_date_parse(struct weir_span text, int64_t now, int64_t *ret_seconds)
{
	const char *at = text.data;
	struct civil date;
	if (http_date_has_shape(text, "***, 00 *** 0000 00:00:00 GMT")) {
		date = (struct civil){
		        .year = http_date_get2(at + 12) * 100 + http_date_get2(at + 14),
		        .month = http_date_get_month(at + 8),
		        .day = http_date_get2(at + 5)};
		return http_date_finish(date, weir_span(at, 3), at + 17, ret_seconds);
	}
	if (http_date_has_shape(text, "*** ***  0 00:00:00 0000") ||
	        http_date_has_shape(text, "*** *** 00 00:00:00 0000")) {
		date = (struct civil){
		        .year = http_date_get2(at + 20) * 100 + http_date_get2(at + 22),
		        .month = http_date_get_month(at + 4),
		        .day = http_date_get2(at + 8)};
		return http_date_finish(date, weir_span(at, 3), at + 11, ret_seconds);
	}
	return http_date_parse_rfc850(text, now, ret_seconds);
}
