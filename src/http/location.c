/* Escaping of whole paths, a segment at a time, so that a "/" is one only between segments. */
#include "escape.h"
#include "location.h"

static int put_segment(struct weir_buffer *buffer, struct weir_span segment, size_t limit)
{
	size_t size;
	int error = weir_buffer_append(buffer, "/", 1, limit);
	if (error == 0)
		error = weir_buffer_reserve(buffer, segment.size, limit);
	while (error == 0 && weir_http_escape_url(segment, buffer->data + buffer->size,
	                             buffer->capacity - buffer->size, &size) < 0)
		error = weir_buffer_reserve(
		        buffer, buffer->capacity - buffer->size + segment.size, limit);
	if (error == 0)
		buffer->size += size;
	return error;
}

int weir_http_location_put(struct weir_buffer *buffer, struct weir_span path, size_t limit)
{
	struct weir_span segment;
	int error = 0;
	for (bool more = path.size > 0; more && error == 0;) {
		more = weir_span_cut(&path, '/', &segment);
		error = put_segment(buffer, segment, limit);
	}
	return error;
}
