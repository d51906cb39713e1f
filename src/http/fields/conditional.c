/*
 * Preconditions and entity-tags. A tag may contain commas, so lists of tags are parsed by the
 * grammar and not cut at commas. Left out: dates are never treated as strong validators, since a
 * file may change twice a second.
 */
#include <inttypes.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/tree.h>

#include "fields.h"
#include "syntax.h"

enum match {
	MATCHES,
	DIFFERS,
	MALFORMED
};

/* Returns the size of the entity-tag at the front (RFC 9110 8.8.3), or 0. */
static size_t http_conditional_tag_size(struct weir_span text)
{
	size_t at = weir_span_starts(text, WEIR_SPAN("W/")) ? 2 : 0;
	if (at == text.size || text.data[at++] != '"')
		return 0;
	for (; at < text.size; at++) {
		if (text.data[at] == '"')
			return at + 1;
		if (!http_is(text.data[at], WEIR_HTTP_VCHAR) || text.data[at] == ' ' ||
		        text.data[at] == '\t')
			return 0;
	}
	return 0;
}

/* RFC 9110 8.8.3.2: strong comparison fails if either is weak; weak comparison ignores W/. */
static bool http_conditional_tags_equal(struct weir_span a, struct weir_span b, bool strong)
{
	bool a_weak = weir_span_starts(a, WEIR_SPAN("W/"));
	bool b_weak = weir_span_starts(b, WEIR_SPAN("W/"));
	if (strong && (a_weak || b_weak))
		return false;
	return a.size && b.size &&
	       weir_span_equal(
	               weir_span_skip(a, a_weak ? 2 : 0), weir_span_skip(b, b_weak ? 2 : 0));
}

static enum match http_conditional_match_list(
        struct weir_span list, struct weir_span etag, bool strong)
{
	enum match found = DIFFERS;
	for (;;) {
		list = http_skip_space(list);
		if (list.size == 0)
			return found;
		if (*list.data == ',') { /* empty elements are ignored, RFC 9110 5.6.1.2 */
			list = weir_span_skip(list, 1);
			continue;
		}
		size_t size = http_conditional_tag_size(list);
		if (size == 0)
			return MALFORMED;
		if (http_conditional_tags_equal(weir_span(list.data, size), etag, strong))
			found = MATCHES;
		list = http_skip_space(weir_span_skip(list, size));
		if (list.size && *list.data != ',')
			return MALFORMED;
	}
}

/* Compares with all fields of that name as one list; "*" matches any existing representation. */
static enum match http_conditional_match_tags(const struct weir_http_request *request,
        enum weir_http_known known, const struct http_validators *validators, bool strong)
{
	const struct weir_http_field *field = NULL;
	struct weir_span etag = validators->exists ? validators->etag : weir_span(NULL, 0);
	enum match found = DIFFERS;
	if (weir_span_equal(weir_http_request_known(request, known), WEIR_SPAN("*"))) {
		field = weir_http_request_next(request, known, NULL);
		if (weir_http_request_next(request, known, field))
			return MALFORMED;
		return validators->exists ? MATCHES : DIFFERS;
	}
	while ((field = weir_http_request_next(request, known, field))) {
		enum match match = http_conditional_match_list(field->value, etag, strong);
		if (match == MALFORMED)
			return MALFORMED;
		if (match == MATCHES)
			found = MATCHES;
	}
	return found;
}

/* Reads the date of the only field of that name. */
static bool http_conditional_get_date(const struct weir_http_request *request,
        enum weir_http_known known, int64_t now, int64_t *ret)
{
	const struct weir_http_field *field = weir_http_request_next(request, known, NULL);
	if (!field || weir_http_request_next(request, known, field))
		return false;
	return http_date_parse(field->value, now, ret) == 0;
}

/*
 * Steps 1 and 2 of RFC 9110 13.2.2: whether the representation is the one that the client expects.
 */
static bool http_conditional_still_expected(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now)
{
	int64_t date;
	if (request->first[WEIR_HTTP_IF_MATCH])
		return http_conditional_match_tags(request, WEIR_HTTP_IF_MATCH, validators, true) ==
		       MATCHES;
	if (!validators->exists || !validators->has_modified)
		return true;
	return !http_conditional_get_date(request, WEIR_HTTP_IF_UNMODIFIED_SINCE, now, &date) ||
	       validators->modified <= date;
}

int http_conditional_check(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now)
{
	bool reads = request->method == WEIR_HTTP_GET || request->method == WEIR_HTTP_HEAD;
	int64_t date;
	if (request->method == WEIR_HTTP_CONNECT || request->method == WEIR_HTTP_OPTIONS ||
	        request->method == WEIR_HTTP_TRACE)
		return 0;
	if (!http_conditional_still_expected(request, validators, now))
		return 412;
	if (request->first[WEIR_HTTP_IF_NONE_MATCH]) {
		enum match match = http_conditional_match_tags(
		        request, WEIR_HTTP_IF_NONE_MATCH, validators, false);
		if (reads)
			return match == MATCHES ? 304 : 0;
		return match == DIFFERS ? 0 : 412;
	}
	if (reads && validators->exists && validators->has_modified &&
	        http_conditional_get_date(request, WEIR_HTTP_IF_MODIFIED_SINCE, now, &date))
		return validators->modified <= date ? 304 : 0;
	return 0;
}

bool http_range_applies(const struct weir_http_request *request,
        const struct http_validators *validators, int64_t now)
{
	const struct weir_http_field *field =
	        weir_http_request_next(request, WEIR_HTTP_IF_RANGE, NULL);
	int64_t date;
	if (request->method != WEIR_HTTP_GET || !request->first[WEIR_HTTP_RANGE])
		return false;
	if (!field)
		return true;
	if (!validators->exists || weir_http_request_next(request, WEIR_HTTP_IF_RANGE, field))
		return false;
	size_t size = http_conditional_tag_size(field->value);
	if (size)
		return size == field->value.size &&
		       http_conditional_tags_equal(field->value, validators->etag, true);
	return validators->has_modified && http_date_parse(field->value, now, &date) == 0 &&
	       date == validators->modified;
}

/* -- entity-tags ------------------------------------------------------------------------------- */

size_t http_etag_format(const struct weir_file *file, char text[WEIR_HTTP_ETAG_MAX])
{
	uint64_t ns = (uint64_t)file->mtime.tv_sec * 1000000000u + (uint64_t)file->mtime.tv_nsec;
	return (size_t)snprintf(
	        text, WEIR_HTTP_ETAG_MAX, "\"%" PRIx64 "-%" PRIx64 "\"", file->size, ns);
}
