/*
 * Chunk lines, by the letter of the grammar: what one implementation skips over as junk behind the
 * size, another takes for data. White space is allowed only where RFC 9112 7.1.1 has BWS.
 */
#include <weir/error.h>

#include "chunk.h"
#include "syntax.h"

/* One extension at the front, BWS ";" BWS name [ BWS "=" BWS value ]: its size or 0. */
static size_t http_chunk_extension_size(struct weir_span text)
{
	struct weir_span rest = http_skip_space(text), value;
	if (rest.size == 0 || *rest.data != ';')
		return 0;
	rest = http_skip_space(weir_span_skip(rest, 1));
	size_t size = http_run(rest, WEIR_HTTP_TCHAR);
	if (size == 0)
		return 0;
	rest = weir_span_skip(rest, size);
	value = http_skip_space(rest);
	if (value.size && *value.data == '=') {
		value = http_skip_space(weir_span_skip(value, 1));
		size = http_run(value, WEIR_HTTP_TCHAR);
		if (size == 0)
			size = http_quoted(value);
		if (size == 0)
			return 0;
		rest = weir_span_skip(value, size);
	}
	return text.size - rest.size;
}

int http_chunk_parse(struct weir_span line, uint64_t *ret_size)
{
	uint64_t size = 0;
	if (line.size > WEIR_HTTP_CHUNK_LINE_MAX)
		return WEIR_E_LIMIT;
	size_t digits = http_run(line, WEIR_HTTP_XDIGIT);
	if (digits == 0)
		return WEIR_E_SYNTAX;
	if (digits > 16)
		return WEIR_E_LIMIT;
	for (size_t i = 0; i < digits; i++)
		size = size << 4 | http_hex(line.data[i]);
	struct weir_span rest = weir_span_skip(line, digits);
	while (rest.size) {
		size_t extension = http_chunk_extension_size(rest);
		if (extension == 0)
			return WEIR_E_SYNTAX;
		rest = weir_span_skip(rest, extension);
	}
	if (size > INT64_MAX)
		return WEIR_E_LIMIT;
	*ret_size = size;
	return 0;
}

int http_trailer_parse(struct weir_span line, struct weir_http_field *ret_field)
{
	size_t name = http_run(line, WEIR_HTTP_TCHAR);
	if (name == 0 || name == line.size || line.data[name] != ':')
		return WEIR_E_SYNTAX;
	struct weir_span value = weir_span_skip(line, name + 1);
	if (http_run(value, WEIR_HTTP_VCHAR) < value.size)
		return WEIR_E_SYNTAX;
	ret_field->name = weir_span(line.data, name);
	ret_field->value = weir_span_trim(value);
	return 0;
}
