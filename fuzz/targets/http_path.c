/* Paths: whatever comes out stays below the root, and is clean when escaped and cleaned again. */
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
	}
	free(buffer);
	free(escaped);
	free(second);
	return 0;
}
