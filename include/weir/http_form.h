/*
 * Names and values in HTTP: percent-encoding (RFC 3986 2.1), query parameters and form fields
 * (application/x-www-form-urlencoded, WHATWG URL 5), cookies (RFC 6265 4.2).
 *
 *   /find?name=J%C3%BCrgen+Klein&all       pairs  name="J%C3%BCrgen+Klein"  all=""
 *   Cookie: session=31d4; lang=en          pairs  session="31d4"  lang="en"
 *
 * Iterators copy nothing: a pair points into the request, and is encoded as the client sent it.
 * Decoding copies only text that is encoded. Repeated names stay repeated, in the order of the
 * request.
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

WEIR_C_BEGIN

/* -- percent-decoding -------------------------------------------------------------------------- */

/*
 * Decodes %XX. Where nothing is encoded, `*ret` is `text` itself; otherwise it is in `buffer`, of
 * which text.size bytes are always enough, and which may be the memory of `text`. The result may
 * have any byte, NUL too; no NUL is added. Returns 0; WEIR_E_SYNTAX if two hexadecimal digits do
 * not follow a '%'; or WEIR_E_LIMIT if the result is larger than `capacity`.
 */
WEIR_API int weir_http_percent_decode(
        struct weir_span text, char *buffer, size_t capacity, struct weir_span *ret);

/*
 * Decodes a name or value of a query or form: like weir_http_percent_decode, with '+' as a space.
 */
WEIR_API int weir_http_form_decode(
        struct weir_span text, char *buffer, size_t capacity, struct weir_span *ret);

/* -- query parameters -------------------------------------------------------------------------- */

struct weir_http_pair {
	struct weir_span name;
	struct weir_span value; /* empty for "name" and for "name=" */
};

/*
 * Cuts the next pair off `*rest`, a query or a form; the pair stays encoded. Returns false at the
 * end. Empty pairs, as in "a&&b", are left out.
 */
WEIR_API bool weir_http_pair_next(struct weir_span *rest, struct weir_http_pair *ret);

/* Returns whether the decoded name of the pair is `name`; false if it cannot be decoded. */
WEIR_API bool weir_http_pair_named(const struct weir_http_pair *pair, struct weir_span name);

/*
 * Finds the first parameter of that name, decoded as by weir_http_form_decode. Returns 1; 0 if
 * there is none; or WEIR_E_SYNTAX or WEIR_E_LIMIT. `*ret` is set only for 1. weir_http_pair_next
 * finds repeated parameters.
 *
 *   char buffer[256];
 *   int found = weir_http_query_value(weir_http_request(exchange)->query, WEIR_SPAN("name"),
 *           buffer, sizeof buffer, &name);
 */
WEIR_API int weir_http_query_value(struct weir_span query, struct weir_span name, char *buffer,
        size_t capacity, struct weir_span *ret);

/* -- cookies ----------------------------------------------------------------------------------- */

/*
 * Returns the value of the first cookie of that name, in all Cookie fields of the request; its data
 * is NULL if there is none. The value is not decoded, since cookies have no common encoding, and
 * quotes around it are part of it (RFC 6265 5.4). It lives as long as the request.
 */
WEIR_API struct weir_span weir_http_cookie(
        const struct weir_http_request *request, struct weir_span name);

/* Cuts the next cookie off `*rest`, the value of a Cookie field. Returns false at the end. */
WEIR_API bool weir_http_cookie_next(struct weir_span *rest, struct weir_http_pair *ret);

/* -- form fields in a body --------------------------------------------------------------------- */

struct weir_http_form_receiver {
	/*
	 * Called once for each field, in the order of the body, when it is complete. Name and value
	 * are decoded, and valid until this returns.
	 */
	void (*field)(void *context, struct weir_span name, struct weir_span value);

	/*
	 * Called once, last. `error` is 0 if the form is complete: reply, unless field() did.
	 * WEIR_E_SYNTAX: a field is not well-formed. WEIR_E_LIMIT: a field or the body is too
	 * large. -ENOMEM, or an error of weir_http_receiver. If there is an error and no reply when
	 * this returns, HTTP replies with 400, 413 or 500.
	 */
	void (*end)(void *context, int error);
};

/*
 * Receives a body of type application/x-www-form-urlencoded, at most `max` bytes; once, before the
 * reply. An encoded field, with its name and '=', has at most WEIR_HTTP_FORM_FIELD_MAX bytes. Only
 * an incomplete field is copied, so a large form takes no more memory than its largest field.
 * weir_http_pause and weir_http_resume work as for any body.
 *
 * Returns 0; WEIR_E_SYNTAX if the body has another type or none (reply with 415); WEIR_E_LIMIT if
 * the client announces more than `max` (reply with 413); WEIR_E_CLOSED as weir_http_receive; or
 * -ENOMEM. After an error nothing is called.
 */
WEIR_API int weir_http_form_receive(struct weir_http_exchange *exchange,
        const struct weir_http_form_receiver *receiver, void *context, uint64_t max);

WEIR_C_END

#endif
