/*
 * Paths: whatever comes out stays below the root, and is clean when escaped and cleaned again. A
 * raw path for another server means the same there, without the segments that are left out.
 */
#include <stdlib.h>

#include "path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct weir_span text)
{
	struct weir_span rest = text, segment;
	if (strlen(text.data) != text.size)
		abort();
	for (bool more = text.size > 0; more;) {
		more = weir_span_cut(&rest, '/', &segment);
		if (segment.size == 0 || weir_span_equal(segment, WEIR_SPAN(".")) ||
		        weir_span_equal(segment, WEIR_SPAN("..")))
			abort();
	}
}

/* "/" and every segment escaped. */
static size_t join(struct weir_span text, char *buffer, size_t capacity)
{
	struct weir_span segment;
	size_t used = 0, size;
	for (bool more = true; more; used += size) {
		more = weir_span_cut(&text, '/', &segment);
		buffer[used++] = '/';
		if (http_escape_url(segment, buffer + used, capacity - used, &size) < 0)
			abort();
	}
	return used;
}

static void check_raw(struct weir_span raw, const struct weir_http_path *path, unsigned skip)
{
	struct weir_buffer put = {0};
	struct weir_http_path again;
	struct weir_span expected = path->text, segment;
	char *buffer = malloc(raw.size + 2);
	for (unsigned i = 0; i < skip; i++)
		if (!weir_span_cut(&expected, '/', &segment))
			expected.size = 0;
	if (!buffer || http_path_put_raw(&put, raw, skip, SIZE_MAX) < 0 ||
	        put.size > raw.size + 1 ||
	        http_path_clean(weir_buffer_span(&put), buffer, put.size + 1, &again) != 0 ||
	        !weir_span_equal(again.text, expected) ||
	        (expected.size && again.directory != path->directory) ||
	        http_path_segments(path->text) < http_path_segments(expected))
		abort();
	weir_buffer_finish(&put);
	free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_http_path path, again;
	size_t capacity = 3 * size + 4;
	char *buffer = malloc(size + 1), *escaped = malloc(capacity), *second = malloc(capacity);
	if (!buffer || !escaped || !second)
		abort();
	int status = http_path_clean(weir_span(data, size), buffer, size, &path);
	if (status == 414 && size)
		abort();
	if (status == 0) {
		check(path.text);
		size_t used = join(path.text, escaped, capacity);
		if (http_path_clean(weir_span(escaped, used), second, capacity, &again) != 0 ||
		        !weir_span_equal(path.text, again.text) || path.hidden != again.hidden)
			abort();
		for (unsigned skip = 0; skip < 3; skip++)
			check_raw(weir_span(data, size), &path, skip);
	}
	free(buffer);
	free(escaped);
	free(second);
	return 0;
}
