/*
 * Normalizes paths, a segment at a time. Invariant: the buffer has whole segments, none of them
 * empty, "." or "..", with one '/' between them and none at the ends. So ".." removes the bytes
 * from the last '/' on. A decoded escape is not decoded again.
 */
#include "helper.h"
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
		byte = (char)(http_hex(raw.data[1]) << 4 | http_hex(raw.data[2]));
		if (text_is_control(byte) || byte == '/')
			return 0;
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

/*
 * Applies the last segment, which begins behind `before` bytes, if it is "." or "..": sets *ret_dots,
 * and removes the bytes. Returns 0, or the status of the error: ".." at the root.
 */
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

#ifdef __SSE2__
/* Whether the byte may have to be changed, or to be looked at closely. */
static bool http_path_block_is_plain(__m128i bytes)
{
	__m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'));
	__m128i dot = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'));
	__m128i escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('%'));
	unsigned after_slash = (unsigned)_mm_movemask_epi8(slash) << 1;
	unsigned special = (unsigned)_mm_movemask_epi8(_mm_or_si128(slash, dot));
	return !(http_not_pchar(bytes) | (unsigned)_mm_movemask_epi8(escape) |
	         (after_slash & special));
}
#endif

/*
 * Whether the path is already clean, apart from the '/' at its ends: no escapes, no segment that is
 * empty or begins with a dot. False for a few paths that are: they are only cleaned more slowly.
 */
static bool http_path_is_plain(struct weir_span raw)
{
	const char *at = raw.data, *end = raw.data + raw.size;
#ifdef __SSE2__
	/* Blocks overlap, so that each pair of neighbours is within one. */
	if (raw.size >= 16) {
		for (; end - at > 16; at += 15)
			if (!http_path_block_is_plain(_mm_loadu_si128((const void *)at)))
				return false;
		return http_path_block_is_plain(_mm_loadu_si128((const void *)(end - 16)));
	}
	if (raw.size >= 8)
		return http_path_block_is_plain(
		        _mm_unpacklo_epi64(_mm_loadl_epi64((const void *)at),
		                _mm_loadl_epi64((const void *)(end - 8))));
#endif
	for (char before = 0; at < end; before = *at++)
		if (!http_is(*at, WEIR_HTTP_PCHAR) || *at == '%' ||
		        (before == '/' && (*at == '/' || *at == '.')))
			return false;
	return true;
}

static void http_path_copy_plain(
        struct weir_span raw, char *buffer, struct weir_http_path *ret_path)
{
	bool directory = raw.data[raw.size - 1] == '/';
	size_t size = raw.size - 1;
	size -= directory && size;
	memcpy(buffer, raw.data + 1, size);
	buffer[size] = 0;
	*ret_path = (struct weir_http_path){weir_span(buffer, size), directory, false};
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
	if (raw.size <= capacity && http_path_is_plain(raw)) {
		http_path_copy_plain(raw, buffer, ret_path);
		return 0;
	}
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

/* -- raw paths --------------------------------------------------------------------------------- */

/* Returns the number of dots of a segment of one or two, escaped or not; else 0. */
static unsigned http_path_dots(struct weir_span segment)
{
	unsigned dots = 0;
	while (segment.size && dots < 3) {
		size_t size = *segment.data == '.' ? 1 : 3;
		if (size == 3 && !weir_span_starts(segment, WEIR_SPAN("%2e")) &&
		        !weir_span_starts(segment, WEIR_SPAN("%2E")))
			return 0;
		segment = weir_span_skip(segment, size);
		dots++;
	}
	return dots < 3 ? dots : 0;
}

static void http_path_remove_last(struct weir_buffer *buffer, size_t start)
{
	while (buffer->size > start && buffer->data[buffer->size - 1] != '/')
		buffer->size--;
	if (buffer->size > start)
		buffer->size--;
}

/* Removes the first `skip` segments behind `start`. */
static void http_path_skip_segments(struct weir_buffer *buffer, size_t start, unsigned skip)
{
	struct weir_span rest = weir_span_skip(weir_buffer_span(buffer), start);
	for (unsigned i = 0; i < skip && rest.size; i++) {
		rest = weir_span_skip(rest, 1);
		while (rest.size && *rest.data != '/')
			rest = weir_span_skip(rest, 1);
	}
	if (rest.size)
		memmove(buffer->data + start, rest.data, rest.size);
	buffer->size = start + rest.size;
}

int http_path_put_raw(struct weir_buffer *buffer, struct weir_span raw, unsigned skip, size_t limit)
{
	size_t start = buffer->size;
	struct weir_span segment;
	bool directory = true;
	int error = 0;
	for (bool more = true; more && !error;) {
		more = weir_span_cut(&raw, '/', &segment);
		unsigned dots = http_path_dots(segment);
		directory = segment.size == 0 || dots;
		if (dots == 2)
			http_path_remove_last(buffer, start);
		if (directory)
			continue;
		error = weir_buffer_append(buffer, "/", 1, limit);
		if (!error)
			error = weir_buffer_append(buffer, segment.data, segment.size, limit);
	}
	if (error)
		return error;
	http_path_skip_segments(buffer, start, skip);
	return directory || buffer->size == start ? weir_buffer_append(buffer, "/", 1, limit) : 0;
}

unsigned http_path_segments(struct weir_span path)
{
	unsigned count = path.size > 0;
	for (size_t i = 0; i < path.size; i++)
		count += path.data[i] == '/';
	return count;
}
