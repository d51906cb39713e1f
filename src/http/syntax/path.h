/*
 * Paths. That of a URL becomes a relative path in the file tree: it is decoded exactly once, and
 * normalized before any comparison.
 *
 *   /a//b/./c/../d%20e/   becomes   a/b/d e, a directory
 *
 * The other direction, into links and Location fields, is in escape.c.
 */
#ifndef WEIR_HTTP_PATH_H
#define WEIR_HTTP_PATH_H

#include <stdbool.h>

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/span.h>

struct weir_http_path {
	struct weir_span text; /* in the caller's buffer, NUL-terminated; empty is the root */
	bool directory;        /* the path ended in '/', "/." or "/.." */
	bool hidden; /* a segment starts with '.'; .well-known (RFC 8615) does not count */
};

/*
 * Decodes percent-escapes, and removes ".", ".." (escaped or not) and empty segments. `raw` must
 * begin with '/', without a query. A buffer of raw.size bytes is always enough.
 *
 * Returns 0, or 414 if it does not fit. Returns 400 for a malformed escape, an escaped '/', a
 * control character (NUL and DEL too), or ".." above the root. So it does for a byte outside
 * visible ASCII that is not escaped.
 */
int http_path_clean(
        struct weir_span raw, char *buffer, size_t capacity, struct weir_http_path *ret_path);

/*
 * Appends a raw path that http_path_clean accepts, for another server: normalized, without its
 * first `skip` segments, each other segment as it was escaped, and with the '/' at its end. So what
 * http_path_clean makes of the result is what it makes of `raw`, without those segments. Returns 0,
 * -ENOMEM or WEIR_E_LIMIT; the buffer is undefined after an error.
 */
int http_path_put_raw(
        struct weir_buffer *buffer, struct weir_span raw, unsigned skip, size_t limit);

/* Returns the number of segments of a normalized path. */
unsigned http_path_segments(struct weir_span path);

/* -- prefixes ---------------------------------------------------------------------------------- */

/*
 * Compares in whole segments: "a/b" is below "a", "ab" is not. Both are normalized, without '/' at
 * their ends. An empty prefix matches all paths.
 */
static inline bool http_path_below(struct weir_span path, struct weir_span prefix)
{
	if (!weir_span_starts(path, prefix))
		return false;
	return prefix.size == 0 || path.size == prefix.size || path.data[prefix.size] == '/';
}

/*
 * Ignores the case of ASCII letters, for handlers that protect a path: an application behind them
 * may ignore it, too.
 */
static inline bool http_path_below_nocase(struct weir_span path, struct weir_span prefix)
{
	if (path.size < prefix.size ||
	        !weir_span_equal_nocase(weir_span(path.data, prefix.size), prefix))
		return false;
	return prefix.size == 0 || path.size == prefix.size || path.data[prefix.size] == '/';
}

/* -- escapes ----------------------------------------------------------------------------------- */

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

/*
 * Decodes the escapes of unreserved characters in place, which changes the meaning of no URL (RFC
 * 3986 6.2.2.2). Returns the size that is left.
 */
size_t http_unescape_unreserved(char *text, size_t size);

/* -- locations --------------------------------------------------------------------------------- */

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
