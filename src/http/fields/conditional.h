/*
 * Conditional requests (RFC 9110 13): whether the client's copy is still valid, and whether the
 * client is about to change the version that it expects.
 */
#ifndef WEIR_HTTP_CONDITIONAL_H
#define WEIR_HTTP_CONDITIONAL_H

#include <weir/http_request.h>

/* The validators of the selected representation. */
struct http_validators {
	bool exists;
	bool has_modified;
	int64_t modified;      /* Last-Modified, in seconds since 1970 */
	struct weir_span etag; /* with quotes and W/; empty if there is none */
};

/*
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
 * 9110 13.2.2. Returns 0 if the conditions hold, else 304 or 412. `now`, in seconds since 1970, is
 * for dates with two digits of the year.
 *
 * A malformed date is ignored. A malformed list of tags never allows a change: it matches nothing
 * in If-Match, and everything in If-None-Match of a method other than GET and HEAD.
 */
int http_conditional_check(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now);

/*
 * Returns whether the Range of the request applies: the method is GET, and there is a Range.
 * If-Range, if given, must name exactly this representation, by a strong tag or an equal date (RFC
 * 9110 13.1.5).
 */
bool http_range_applies(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now);

#endif
