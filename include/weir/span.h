/*
 * A span: bytes that somebody else owns, of a known size, without a NUL behind them. Terminators
 * cut spans from the input, and parsers take and return them.
 */
#ifndef WEIR_SPAN_H
#define WEIR_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/api.h>

WEIR_C_BEGIN

struct weir_span {
	const char *data; /* may be NULL when size is 0 */
	size_t size;
};

/* The span of a string literal, its NUL left out. */
#ifdef __cplusplus
#define WEIR_SPAN(literal) (weir_span("" literal, sizeof(literal) - 1))
#else
#define WEIR_SPAN(literal) ((struct weir_span){"" literal, sizeof(literal) - 1})
#endif

static inline struct weir_span weir_span(const void *data, size_t size)
{
	struct weir_span span = {(const char *)data, size};
	return span;
}

static inline struct weir_span weir_span_of(const char *string)
{
	return weir_span(string, strlen(string));
}

static inline bool weir_span_equal(struct weir_span a, struct weir_span b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool weir_span_starts(struct weir_span span, struct weir_span prefix)
{
	return span.size >= prefix.size &&
	       (prefix.size == 0 || memcmp(span.data, prefix.data, prefix.size) == 0);
}

/* The span without its first `size` bytes; `size` must not exceed span.size. */
static inline struct weir_span weir_span_skip(struct weir_span span, size_t size)
{
	return weir_span(size ? span.data + size : span.data, span.size - size);
}

/* A copy with a NUL behind it, to be freed; NULL without memory. */
WEIR_API char *weir_span_copy(struct weir_span span);

/* weir_span_equal in which A-Z equal a-z, in any locale. */
WEIR_API bool weir_span_equal_nocase(struct weir_span a, struct weir_span b);

/* The span without the spaces and tabs at both ends. */
WEIR_API struct weir_span weir_span_trim(struct weir_span span);

/*
 * Cuts *rest at the first `separator`: *ret_head becomes the part before it, *rest the part behind
 * it. Without a separator, *ret_head becomes all of it, *rest becomes empty, and the function
 * returns false.
 */
WEIR_API bool weir_span_cut(struct weir_span *rest, char separator, struct weir_span *ret_head);

/*
 * Reads all of `span` as an unsigned number in base 10 or 16: at least one digit, no sign, no
 * space. Returns 0, WEIR_E_SYNTAX if it is no number, or WEIR_E_LIMIT if it has more than 64 bits.
 */
WEIR_API int weir_span_number(struct weir_span span, unsigned base, uint64_t *ret);

WEIR_C_END

#endif
