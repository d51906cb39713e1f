/*
 * From the path of a URL to a relative path in the file tree: decoded exactly once, and normalized
 * before any comparison.
 *
 *   /a//b/./c/../d%20e/   becomes   a/b/d e, a directory
 */
#ifndef WEIR_HTTP_PATH_H
#define WEIR_HTTP_PATH_H

#include <stdbool.h>

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

#endif
