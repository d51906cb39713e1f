/* Compares paths with a prefix in whole segments: "a/b" is below "a", "ab" is not. */
#ifndef WEIR_HTTP_PREFIX_H
#define WEIR_HTTP_PREFIX_H

#include <weir/span.h>

/* Both are normalized, without '/' at their ends. An empty prefix matches all paths. */
static inline bool http_path_below(struct weir_span path, struct weir_span prefix)
{
	if (!weir_span_starts(path, prefix))
		return false;
	return prefix.size == 0 || path.size == prefix.size || path.data[prefix.size] == '/';
}

#endif
