/* Words of the system's files, apart by spaces. */
#ifndef WEIR_WORD_H
#define WEIR_WORD_H

#include <weir/span.h>

static inline bool token_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word off *rest. Returns false if there is none. */
static inline bool token_next(struct weir_span *rest, struct weir_span *ret)
{
	size_t start = 0;
	while (start < rest->size && token_space(rest->data[start]))
		start++;
	size_t end = start;
	while (end < rest->size && !token_space(rest->data[end]))
		end++;
	*ret = weir_span(rest->data ? rest->data + start : NULL, end - start);
	*rest = weir_span_skip(*rest, end);
	return ret->size > 0;
}

#endif
