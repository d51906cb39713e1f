/* Escaping into a buffer of the caller, never beyond its end. Bytes above 127 are left to HTML's
 * charset, and escaped in URLs, so that any file name whatever can be linked to. */
#include <weir/error.h>

#include "escape.h"
#include "syntax.h"

static struct weir_span http_escape_reference(char c)
{
	switch (c) {
	case '&':
		return WEIR_SPAN("&amp;");
	case '<':
		return WEIR_SPAN("&lt;");
	case '>':
		return WEIR_SPAN("&gt;");
	case '"':
		return WEIR_SPAN("&quot;");
	case '\'':
		return WEIR_SPAN("&#39;");
	}
	return WEIR_SPAN("");
}

int http_escape_html(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size)
{
	size_t size = 0;
	for (size_t i = 0; i < text.size; i++) {
		struct weir_span escaped = http_escape_reference(text.data[i]);
		if (escaped.size == 0)
			escaped = weir_span(text.data + i, 1);
		if (capacity - size < escaped.size)
			return WEIR_E_LIMIT;
		memcpy(buffer + size, escaped.data, escaped.size);
		size += escaped.size;
	}
	*ret_size = size;
	return 0;
}

int http_escape_url(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t size = 0;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = (uint8_t)text.data[i];
		char escaped[WEIR_HTTP_ESCAPE_URL_MAX] = {
		        '%', digits[byte >> 4], digits[byte & 15]};
		struct weir_span piece = weir_span(escaped, sizeof escaped);
		if (http_is(text.data[i], WEIR_HTTP_UCHAR))
			piece = weir_span(text.data + i, 1);
		if (capacity - size < piece.size)
			return WEIR_E_LIMIT;
		memcpy(buffer + size, piece.data, piece.size);
		size += piece.size;
	}
	*ret_size = size;
	return 0;
}
