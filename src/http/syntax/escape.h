/* Escapes text for HTML and for URLs, as in listings of directories. */
#ifndef WEIR_HTTP_ESCAPE_H
#define WEIR_HTTP_ESCAPE_H

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/span.h>

/* The largest number of bytes that one byte becomes. */
#define WEIR_HTTP_ESCAPE_HTML_MAX 6
#define WEIR_HTTP_ESCAPE_URL_MAX 3

/*
 * Escapes element content, or the value of an attribute in either kind of quotes: & < > " ' become
 * references. No NUL is added. Returns 0, or WEIR_E_LIMIT if it does not fit; the buffer is
 * undefined then.
 */
int http_escape_html(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size);

/*
 * Escapes one segment of a path (RFC 3986 3.3): all bytes but the unreserved ones, '/' too. Returns
 * as http_escape_html.
 */
int http_escape_url(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size);

/* -- paths ------------------------------------------------------------------------------------- */

/*
 * Appends "/" and the escaped segment for each segment of a normalized path; nothing for an empty
 * one. Returns 0, -ENOMEM, or WEIR_E_LIMIT if there would be more than `limit` bytes in all; the
 * buffer is undefined after an error.
 */
int http_location_put(struct weir_buffer *buffer, struct weir_span path, size_t limit);

/*
 * Appends, in that form, the request's path without its first `skip` bytes. The '/' of a directory
 * and the query follow, unchanged.
 */
int http_location_put_rest(struct weir_buffer *buffer, const struct weir_http_exchange *exchange,
        size_t skip, size_t limit);

#endif
