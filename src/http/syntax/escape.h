/* Escapes text for HTML and for URLs, as in listings of directories. */
#ifndef WEIR_HTTP_ESCAPE_H
#define WEIR_HTTP_ESCAPE_H

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

#endif
