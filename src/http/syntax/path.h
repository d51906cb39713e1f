/*
 * From the path of a URL to a relative path for the file tree: decoded exactly once, and
 * normalised, before anybody compares it with anything.
 *
 *   /a//b/./c/../d%20e/   becomes   a/b/d e   and a directory was asked for
 */
#ifndef WEIR_HTTP_PATH_H
#define WEIR_HTTP_PATH_H

#include <stdbool.h>

#include <weir/span.h>

struct weir_http_path {
	struct weir_span text; /* in the caller's buffer, NUL behind it; empty is the root */
	bool directory;        /* it ended in '/', "/." or "/.." */
	bool hidden; /* a segment starts with '.'; .well-known (RFC 8615) does not count */
};

/*
 * Decodes percent-escapes, removes "." and ".." (escaped or not) and empty segments. `raw` has to
 * start with '/' and has no query. A buffer of raw.size bytes is always enough.
 *
 * 0; 400 for a malformed escape, an escaped '/', control characters (NUL and DEL too), bytes
 * outside visible ASCII that are not escaped, and ".." above the root; 414 if it does not fit.
 */
int http_path_clean(
        struct weir_span raw, char *buffer, size_t capacity, struct weir_http_path *ret_path);

#endif
