/*
 * Names and values in HTTP: percent-encoding (RFC 3986 2.1), query parameters and form fields
 * (application/x-www-form-urlencoded, WHATWG URL 5), cookies (RFC 6265 4.2).
 *
 *   /find?name=J%C3%BCrgen+Klein&all       pairs  name="J%C3%BCrgen+Klein"  all=""
 *   Cookie: session=31d4; lang=en          pairs  session="31d4"  lang="en"
 *
 * Iterators copy nothing: a pair points into the request, encoded as the client sent it. Decoding
 * copies only what is encoded. Repeated names stay repeated, in the order in which they were sent.
 */
#ifndef WEIR_HTTP_FORM_H
#define WEIR_HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/http_request.h>
#include <weir/limits.h>
#include <weir/span.h>

/* -- percent-decoding -------------------------------------------------------------------------- */

/*
 * Decodes %XX. Where nothing is encoded `*ret` is `text` itself; else it is in `buffer`, of which
 * text.size bytes are always enough. Any byte may result, NUL too, and no NUL is added. `buffer`
 * may be the memory of `text`. Returns 0, WEIR_E_SYNTAX if a '%' is not followed by two hexadecimal
 * digits, or WEIR_E_LIMIT if the result is larger than `capacity`.
 */
WEIR_API int weir_http_percent_decode(
        struct weir_span text, char *buffer, size_t capacity, struct weir_span *ret);

/* Decodes a name or a value of a query or form: %XX, and '+' as a space. Otherwise as above. */
WEIR_API int weir_http_form_decode(
        struct weir_span text, char *buffer, size_t capacity, struct weir_span *ret);

/* -- query parameters -------------------------------------------------------------------------- */

struct weir_http_pair {
	struct weir_span name;
	struct weir_span value; /* empty for "name" and for "name=" */
};

/*
 * Cuts the next pair of a query or a form off `*rest`; it stays encoded. Returns false at the end.
 * Empty pairs ("a&&b") are left out.
 */
WEIR_API bool weir_http_pair_next(struct weir_span *rest, struct weir_http_pair *ret);

/* Whether the pair's name, decoded, is `name`. A name that cannot be decoded is none. */
WEIR_API bool weir_http_pair_named(const struct weir_http_pair *pair, struct weir_span name);

/*
 * The first parameter of that name, decoded as by weir_http_form_decode. Returns 1, or 0 if there is
 * none, or WEIR_E_SYNTAX or WEIR_E_LIMIT. `*ret` is set only for 1. To hear of repeated parameters,
 * use weir_http_pair_next.
 *
 *   char buffer[256];
 *   int found = weir_http_query_value(weir_http_request(exchange)->query, WEIR_SPAN("name"),
 *           buffer, sizeof buffer, &name);
 */
WEIR_API int weir_http_query_value(struct weir_span query, struct weir_span name, char *buffer,
        size_t capacity, struct weir_span *ret);

/* -- cookies ----------------------------------------------------------------------------------- */

/*
 * The value of the first cookie of that name, in all Cookie fields of the request. Absent: data is
 * NULL. It is as sent, since cookies have no common encoding; quotes around a value are part of it
 * (RFC 6265 5.4). Lives as long as the request.
 */
WEIR_API struct weir_span weir_http_cookie(
        const struct weir_http_request *request, struct weir_span name);

/* Cuts the next cookie off `*rest`, the value of a Cookie field. Returns false at the end. */
WEIR_API bool weir_http_cookie_next(struct weir_span *rest, struct weir_http_pair *ret);

/* -- form fields in a body --------------------------------------------------------------------- */

struct weir_http_form_receiver {
	/*
	 * A field is complete: name and value are decoded, and valid until this returns. Called once
	 * for each field, in the order of the body.
	 */
	void (*field)(void *context, struct weir_span name, struct weir_span value);

	/*
	 * Called once, last, and the exchange has no reply yet unless field() made one. 0: the form
	 * is complete, so reply. WEIR_E_SYNTAX: a field is not well-formed; WEIR_E_LIMIT: a field or
	 * the body is too large; -ENOMEM; or an error of weir_http_receive. Where the exchange has no
	 * reply when this returns with an error, HTTP replies by itself: 400, 413, 500.
	 */
	void (*end)(void *context, int error);
};

/*
 * Receives a body of type application/x-www-form-urlencoded, at most `max` bytes; once, before the
 * reply. A field is at most WEIR_HTTP_FORM_FIELD_MAX bytes as sent, its name and '=' included. Only
 * a field that is incomplete is kept, so a large form takes no more memory than its largest field.
 * weir_http_pause and weir_http_resume work as for any body.
 *
 * Returns 0. WEIR_E_SYNTAX: the body has another type, or none (reply with 415). WEIR_E_LIMIT: the
 * client announces more than `max` (reply with 413). -ENOMEM. On failure nothing is called.
 */
WEIR_API int weir_http_form_receive(struct weir_http_exchange *exchange,
        const struct weir_http_form_receiver *receiver, void *context, uint64_t max);

#endif
