/* See the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "records.h"

enum {
	TEXT_MAX = 1 << 24,
	PAIRS_MAX = 256,
	BEGIN_TYPE = 1,
	PARAMS_TYPE = 4,
	STDIN_TYPE = 5,
};

static void record_append(struct weir_buffer *to, const void *bytes, size_t size)
{
	assert_int_equal(weir_buffer_append(to, bytes, size, TEXT_MAX), 0);
}

void record_put(struct weir_buffer *to, int type, struct weir_span content, unsigned padding)
{
	static const char zeros[255];
	const uint8_t header[] = {1, (uint8_t)type, 0, 1, (uint8_t)(content.size >> 8),
	        (uint8_t)content.size, (uint8_t)padding, 0};
	record_append(to, header, sizeof header);
	record_append(to, content.data, content.size);
	record_append(to, zeros, padding);
}

void record_put_end(struct weir_buffer *to, unsigned app_status, unsigned protocol_status)
{
	const char body[] = {
	        0, 0, (char)(app_status >> 8), (char)app_status, (char)protocol_status, 0, 0, 0};
	record_put(to, END, weir_span(body, sizeof body), 0);
}

/* -- requests ---------------------------------------------------------------------------------- */

static size_t record_take_size(struct weir_span *from)
{
	const uint8_t *bytes = (const uint8_t *)from->data;
	assert_true(from->size >= 1);
	if (bytes[0] < 0x80) {
		*from = weir_span_skip(*from, 1);
		return bytes[0];
	}
	assert_true(from->size >= 4);
	*from = weir_span_skip(*from, 4);
	return (size_t)(bytes[0] & 0x7f) << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 |
	       bytes[3];
}

static int record_compare(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static void record_describe_pairs(struct weir_span pairs, struct weir_buffer *ret)
{
	char *lines[PAIRS_MAX];
	size_t count = 0;
	while (pairs.size) {
		size_t name = record_take_size(&pairs), value = record_take_size(&pairs);
		assert_true(pairs.size >= name + value && count < PAIRS_MAX);
		char *line = malloc(name + value + 2);
		assert_non_null(line);
		memcpy(line, pairs.data, name);
		line[name] = '=';
		memcpy(line + name + 1, pairs.data + name, value);
		line[name + value + 1] = 0;
		lines[count++] = line;
		pairs = weir_span_skip(pairs, name + value);
	}
	qsort(lines, count, sizeof *lines, record_compare);
	for (size_t i = 0; i < count; i++) {
		record_append(ret, lines[i], strlen(lines[i]));
		record_append(ret, "\n", 1);
		free(lines[i]);
	}
}

/* Takes the records of a stream up to its end, if it has come. Returns whether it has. */
static bool record_take_stream(struct weir_span *from, int type, struct weir_buffer *ret)
{
	while (from->size >= 8) {
		const uint8_t *header = (const uint8_t *)from->data;
		size_t size = (size_t)header[4] << 8 | header[5];
		assert_int_equal(header[0], 1);
		assert_int_equal(header[1], type);
		assert_int_equal(header[2] << 8 | header[3], 1);
		if (from->size < 8 + size + header[6])
			return false;
		if (size)
			record_append(ret, header + 8, size);
		*from = weir_span_skip(*from, 8 + size + header[6]);
		if (size == 0)
			return true;
	}
	return false;
}

void record_describe(struct weir_span request, struct weir_buffer *ret)
{
	struct weir_buffer pairs = {0}, body = {0};
	const uint8_t *begin = (const uint8_t *)request.data;
	ret->size = 0;
	assert_true(request.size >= 16);
	assert_int_equal(begin[0], 1);
	assert_int_equal(begin[1], BEGIN_TYPE);
	assert_int_equal(begin[9], 1); /* a responder */
	if (begin[10])
		record_append(ret, "keep\n", 5);
	request = weir_span_skip(request, 16);
	assert_true(record_take_stream(&request, PARAMS_TYPE, &pairs));
	record_describe_pairs(weir_buffer_span(&pairs), ret);
	if (record_take_stream(&request, STDIN_TYPE, &body)) {
		record_append(ret, "stdin: ", 7);
		if (body.size)
			record_append(ret, body.data, body.size);
		assert_int_equal(request.size, 0);
	}
	weir_buffer_finish(&pairs);
	weir_buffer_finish(&body);
}
