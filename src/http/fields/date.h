/*
 * Dates of HTTP (RFC 9110 5.6.7), as seconds since 1970, UTC, without locale or time zone.
 *
 *   Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate: written
 *   Sunday, 06-Nov-94 08:49:37 GMT     obsolete, read only
 *   Sun Nov  6 08:49:37 1994           obsolete, read only
 */
#ifndef WEIR_HTTP_DATE_H
#define WEIR_HTTP_DATE_H

#include <weir/span.h>

#define WEIR_HTTP_DATE_SIZE 29

/*
 * Writes an IMF-fixdate and a NUL. Dates outside of the years 1 to 9999 become the nearest one in
 * them.
 */
void http_date_format(int64_t seconds, char text[WEIR_HTTP_DATE_SIZE + 1]);

/*
 * Parses all of `text`; the day of the week must be right. `now` is for years with two digits: a
 * year more than 50 years ahead is of the century before. Returns 0 or WEIR_E_SYNTAX.
 */
int http_date_parse(struct weir_span text, int64_t now, int64_t *ret_seconds);

#endif
