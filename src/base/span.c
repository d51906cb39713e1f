/* Spans: comparison without a locale, cutting, and numbers read strictly. */
#include <stdlib.h>

#include <weir/error.h>
#include <weir/span.h>

static unsigned char span_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool weir_span_equal_nocase(struct weir_span a, struct weir_span b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++)
		if (span_lower(a.data[i]) != span_lower(b.data[i]))
			return false;
	return true;
}

struct weir_span weir_span_trim(struct weir_span span)
{
	while (span.size && (span.data[0] == ' ' || span.data[0] == '\t'))
		span = weir_span_skip(span, 1);
	while (span.size && (span.data[span.size - 1] == ' ' || span.data[span.size - 1] == '\t'))
		span.size--;
	return span;
}

bool weir_span_cut(struct weir_span *rest, char separator, struct weir_span *ret_head)
{
	const char *at = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
	if (!at) {
		*ret_head = *rest;
		*rest = weir_span_skip(*rest, rest->size);
		return false;
	}
	*ret_head = weir_span(rest->data, (size_t)(at - rest->data));
	*rest = weir_span_skip(*rest, ret_head->size + 1);
	return true;
}

static unsigned span_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = span_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 255;
}

int weir_span_number(struct weir_span span, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	if (span.size == 0)
		return WEIR_E_SYNTAX;
	for (size_t i = 0; i < span.size; i++) {
		unsigned d = span_digit(span.data[i]);
		if (d >= base)
			return WEIR_E_SYNTAX;
		if (__builtin_mul_overflow(value, base, &value) ||
		        __builtin_add_overflow(value, d, &value))
			return WEIR_E_LIMIT;
	}
	*ret = value;
	return 0;
}

char *weir_span_copy(struct weir_span span)
{
	char *text = malloc(span.size + 1);
	if (!text)
		return NULL;
	if (span.size)
		memcpy(text, span.data, span.size);
	text[span.size] = 0;
	return text;
}
