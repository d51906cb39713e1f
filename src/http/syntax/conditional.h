/*
 * Conditional requests (RFC 9110 13): whether what the client has is still good, and whether what
 * it is about to change is still what it believes it to be.
 */
#ifndef WEIR_HTTP_CONDITIONAL_H
#define WEIR_HTTP_CONDITIONAL_H

#include <weir/http_request.h>

/* What is known of the selected representation. */
struct http_validators {
	bool exists;
	bool has_modified;
	int64_t modified;      /* Last-Modified, in seconds since 1970 */
	struct weir_span etag; /* with its quotes and W/; empty when there is none */
};

/*
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
 * 9110 13.2.2: 0 (go on), 304 or 412. `now` in seconds since 1970 is for dates of two-digit years.
 *
 * A malformed date is ignored. A malformed list of tags never lets a change through: it matches
 * nothing in If-Match, everything in If-None-Match of a method other than GET and HEAD.
 */
int http_conditional_check(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now);

/*
 * Whether the Range of the request is to be used: the method is GET, there is a Range, and
 * If-Range, if given, names exactly this representation, by strong tag or equal date (RFC 9110
 * 13.1.5).
 */
bool http_range_applies(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now);

#endif
