/*
 * Normalizes paths, a segment at a time. Invariant: the buffer has whole segments, none of them
 * empty, "." or "..", with one '/' between them and none at the ends. So ".." removes the bytes
 * from the last '/' on. A decoded escape is not decoded again.
 */
#include "path.h"
#include "syntax.h"

struct output {
	char *data;
	size_t size;
	size_t capacity; /* one byte of it is for the NUL */
};

/* Decodes one byte of a segment. Returns how many bytes of `raw` encode it; 0 if malformed. */
static size_t http_path_decode(struct weir_span raw, char *ret_byte)
{
	char byte = *raw.data;
	size_t taken = 1;
	if (!http_is(byte, WEIR_HTTP_PCHAR))
		return 0;
	if (byte == '%') {
		if (raw.size < 3 || !http_is(raw.data[1], WEIR_HTTP_XDIGIT) ||
		        !http_is(raw.data[2], WEIR_HTTP_XDIGIT))
			return 0;
		unsigned value = http_hex(raw.data[1]) << 4 | http_hex(raw.data[2]);
		if (value < 0x20 || value == 0x7f || value == '/')
			return 0;
		byte = (char)value;
		taken = 3;
	}
	*ret_byte = byte;
	return taken;
}

/* Appends the segment up to the next '/', and moves `raw` behind the segment. */
static int http_path_append_segment(struct weir_span *raw, struct output *out)
{
	if (out->size && out->capacity - out->size > 1)
		out->data[out->size++] = '/';
	while (raw->size && *raw->data != '/') {
		char byte;
		size_t taken = http_path_decode(*raw, &byte);
		if (taken == 0)
			return 400;
		if (out->capacity - out->size <= 1)
			return 414;
		out->data[out->size++] = byte;
		*raw = weir_span_skip(*raw, taken);
	}
	return 0;
}

/* Returns the size without the last segment. */
static int http_path_resolve_dots(struct output *out, size_t before, bool *ret_dots)
{
	size_t start = before ? before + 1 : 0;
	struct weir_span segment = weir_span(out->data + start, out->size - start);
	*ret_dots = weir_span_equal(segment, WEIR_SPAN(".."));
	if (*ret_dots) {
		if (before == 0)
			return 400;
		while (before && out->data[before - 1] != '/')
			before--;
		out->size = before ? before - 1 : 0;
	} else if (weir_span_equal(segment, WEIR_SPAN("."))) {
		*ret_dots = true;
		out->size = before;
	}
	return 0;
}

static bool http_path_is_hidden(struct weir_span path)
{
	struct weir_span segment;
	for (bool first = true, more = true; more; first = false) {
		more = weir_span_cut(&path, '/', &segment);
		if (segment.size == 0 || *segment.data != '.')
			continue;
		if (!first || !weir_span_equal(segment, WEIR_SPAN(".well-known")))
			return true;
	}
	return false;
}

int http_path_clean(
        struct weir_span raw, char *buffer, size_t capacity, struct weir_http_path *ret_path)
{
	struct output out = {.data = buffer, .capacity = capacity};
	bool directory = true;
	if (raw.size == 0 || *raw.data != '/')
		return 400;
	if (capacity == 0)
		return 414;
	for (;;) {
		while (raw.size && *raw.data == '/') {
			raw = weir_span_skip(raw, 1);
			directory = true;
		}
		if (raw.size == 0)
			break;
		size_t before = out.size;
		int status = http_path_append_segment(&raw, &out);
		if (!status)
			status = http_path_resolve_dots(&out, before, &directory);
		if (status)
			return status;
	}
	buffer[out.size] = 0;
	ret_path->text = weir_span(buffer, out.size);
	ret_path->directory = directory;
	ret_path->hidden = http_path_is_hidden(ret_path->text);
	return 0;
}
