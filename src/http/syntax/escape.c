/*
 * Escapes text into a buffer of the caller, never beyond its end, and whole paths a segment at a
 * time, so that only the "/" between segments is not escaped. Bytes above 127 are unchanged in
 * HTML, and escaped in URLs, so that a link to any file name works.
 */
#include <weir/error.h>

#include "path.h"
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

size_t http_unescape_unreserved(char *text, size_t size)
{
	size_t to = 0;
	for (size_t i = 0; i < size; i++, to++) {
		bool escape = text[i] == '%' && size - i > 2 &&
		              http_run(weir_span(text + i + 1, 2), WEIR_HTTP_XDIGIT) == 2;
		char byte = escape ? (char)(http_hex(text[i + 1]) << 4 | http_hex(text[i + 2])) : 0;
		text[to] = text[i];
		if (escape && http_is(byte, WEIR_HTTP_UCHAR)) {
			text[to] = byte;
			i += 2;
		}
	}
	return to;
}

/* -- locations --------------------------------------------------------------------------------- */

static int http_location_put_segment(
        struct weir_buffer *buffer, struct weir_span segment, size_t limit)
{
	size_t size;
	int error = weir_buffer_append(buffer, "/", 1, limit);
	if (error == 0)
		error = weir_buffer_reserve(buffer, segment.size, limit);
	while (error == 0 && http_escape_url(segment, buffer->data + buffer->size,
	                             buffer->capacity - buffer->size, &size) < 0)
		error = weir_buffer_reserve(
		        buffer, buffer->capacity - buffer->size + segment.size, limit);
	if (error == 0)
		buffer->size += size;
	return error;
}

int http_location_put(struct weir_buffer *buffer, struct weir_span path, size_t limit)
{
	struct weir_span segment;
	int error = 0;
	for (bool more = path.size > 0; more && error == 0;) {
		more = weir_span_cut(&path, '/', &segment);
		error = http_location_put_segment(buffer, segment, limit);
	}
	return error;
}

int http_location_put_rest(struct weir_buffer *buffer, const struct weir_http_exchange *exchange,
        size_t skip, size_t limit)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	struct weir_span rest = weir_span_skip(weir_http_path(exchange), skip);
	if (weir_span_starts(rest, WEIR_SPAN("/")))
		rest = weir_span_skip(rest, 1);
	int error = http_location_put(buffer, rest, limit);
	bool slash = buffer->size && buffer->data[buffer->size - 1] == '/';
	if (error == 0 && weir_http_path_is_directory(exchange) && !slash)
		error = weir_buffer_append(buffer, "/", 1, limit);
	if (error == 0 && request->has_query)
		error = weir_buffer_append(buffer, "?", 1, limit);
	return error ? error
	             : weir_buffer_append(buffer, request->query.data, request->query.size, limit);
}
