/* Escaping of whole paths, a segment at a time, so that a "/" is one only between segments. */
#include "escape.h"
#include "location.h"

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
