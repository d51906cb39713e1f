/*
 * Patterns and targets of rules, as "pattern NUL path NUL target": captures lie in the path, in
 * order; a literal pattern matches itself; and a composed target has no byte that could end a line.
 */
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_captures(const struct http_pattern *pattern, const struct http_captures *captures,
        struct weir_span path)
{
	const char *at = path.data;
	if (captures->count != http_pattern_captures(pattern))
		abort();
	for (unsigned i = 0; i < captures->count; i++) {
		struct weir_span part = captures->items[i];
		if (part.size == 0)
			continue;
		if (part.data < at || part.data + part.size > path.data + path.size)
			abort();
		at = part.data + part.size;
	}
}

/* Whether the path can be that of a request: normalized, not of ambiguous case. */
static void check_itself(const struct http_pattern *pattern)
{
	if (!pattern->has_rest && !memchr(pattern->text.data, '*', pattern->text.size) &&
	        !http_pattern_match(pattern, pattern->text, NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_span rest = weir_span(data, size), text, path;
	struct http_pattern pattern;
	struct http_captures captures;
	if (!weir_span_cut(&rest, 0, &text) || http_pattern_parse(text, &pattern))
		return 0;
	check_itself(&pattern);
	weir_span_cut(&rest, 0, &path);
	if (http_pattern_match(&pattern, path, &captures))
		check_captures(&pattern, &captures, path);
	if (!http_target_fault(rest, http_pattern_captures(&pattern)) &&
	        memchr(rest.data, '\n', rest.size))
		abort();
	return 0;
}
