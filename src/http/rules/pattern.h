/*
 * Patterns of paths, and the targets that are composed from what a pattern has captured.
 *
 *   /a/b           this path
 *   /user-*        a star is any bytes within a segment: captured as $1
 *   *.css          without a slash: the last segment of any path
 *
 * Two stars as a whole segment are any number of segments, none too: behind /blog they match it and
 * all below it.
 *
 * A path is normalized and decoded before it is compared (path.h), so that escapes, dots and
 * repeated slashes cannot get round a pattern. The case of ASCII letters is ignored, since
 * applications and file systems may ignore it, too.
 *
 * Why no regular expressions: a pattern has at most one `**`, and each `*` takes as few bytes as it
 * can. So nothing is tried twice, and matching takes at most the size of the path times that of the
 * pattern.
 */
#ifndef HTTP_PATTERN_H
#define HTTP_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/span.h>

/* The parts of a path that the wildcards of a pattern match, in their order: $1, $2, ... */
struct http_captures {
	unsigned count;
	struct weir_span items[WEIR_HTTP_CAPTURES_MAX]; /* of the path; data may be NULL if empty */
};

struct http_pattern {
	struct weir_span text;   /* without the first '/' */
	struct weir_span before; /* the segments up to `**`, or all of them */
	struct weir_span behind; /* those behind it */
	bool has_rest;           /* there is a `**` */
	bool anywhere;           /* for the last segment: the `**` was not written */
};

/*
 * Parses a pattern, whose text is borrowed. Returns NULL, or why it is malformed: a part of a
 * sentence that begins with its subject.
 */
const char *http_pattern_parse(struct weir_span text, struct http_pattern *ret);

/* Returns whether a normalized path matches, and in *captures its parts; NULL: not wanted. */
bool http_pattern_match(
        const struct http_pattern *pattern, struct weir_span path, struct http_captures *captures);

/* Returns the number of wildcards of a pattern. */
unsigned http_pattern_captures(const struct http_pattern *pattern);

/* -- targets ----------------------------------------------------------------------------------- */

/*
 * A target is a text with $1 to $9, $path, $host and $$ in it. $path begins with a slash, and has
 * none at its end. Captured bytes are escaped, but for the slashes between segments, so that they
 * can neither end a line nor begin a query.
 */

/* Returns NULL, or why the text is malformed; `captures` is the number of those that there are. */
const char *http_target_fault(struct weir_span text, unsigned captures);

/*
 * Appends the target, which has no fault. Returns 0, -ENOMEM, or WEIR_E_LIMIT beyond `limit` bytes.
 */
int http_target_put(struct weir_buffer *buffer, struct weir_span text,
        const struct weir_http_exchange *exchange, const struct http_captures *captures,
        size_t limit);

#endif
