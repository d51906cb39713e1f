/*
 * Body framing and connection options. An ambiguous message is refused: a proxy in front of this
 * server that reads it otherwise would allow request smuggling. So, more strictly than RFC 9112,
 * equal duplicates of Content-Length are refused as well, and chunked is the only coding.
 *
 * Chunk lines are parsed strictly by the grammar: bytes behind the size that one implementation
 * skips are data for another. White space is allowed only where RFC 9112 7.1.1 has BWS.
 */
#include <weir/error.h>

#include "head.h"
#include "syntax.h"

static int http_framing_find_length(struct weir_http_request *request)
{
	struct weir_span value = weir_http_request_known(request, WEIR_HTTP_CONTENT_LENGTH);
	uint64_t length;
	if (weir_span_number(value, 10, &length) < 0 || length > INT64_MAX)
		return 400;
	request->has_length = true;
	request->length = length;
	return 0;
}

struct codings {
	bool chunked; /* was the last so far; nothing may follow it */
	bool unknown;
};

/* RFC 9112 7: transfer-coding = token *( OWS ";" OWS token BWS "=" BWS value ). */
static int http_framing_add_codings(struct weir_span value, struct codings *codings)
{
	struct weir_span coding;
	bool more = true;
	while (more) {
		more = weir_span_cut(&value, ',', &coding);
		coding = weir_span_trim(coding);
		size_t size = http_run(coding, WEIR_HTTP_TCHAR);
		if (size == 0 || codings->chunked)
			return 400;
		if (size < coding.size && !memchr(" \t;", coding.data[size], 3))
			return 400;
		if (weir_span_equal_nocase(weir_span(coding.data, size), WEIR_SPAN("chunked"))) {
			if (size < coding.size)
				return 400;
			codings->chunked = true;
		} else {
			codings->unknown = true;
		}
	}
	return 0;
}

static int http_framing_find_codings(struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	struct codings codings = {0};
	/* An HTTP/1.0 peer or proxy may not know the field, and frame the message without it. */
	if (request->minor == 0 || request->first[WEIR_HTTP_CONTENT_LENGTH])
		return 400;
	while ((field = weir_http_request_next(request, WEIR_HTTP_TRANSFER_ENCODING, field))) {
		int status = http_framing_add_codings(field->value, &codings);
		if (status)
			return status;
	}
	if (codings.unknown)
		return 501;
	request->chunked = codings.chunked;
	return 0;
}

static void http_framing_find_options(struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	bool close = false;
	while ((field = weir_http_request_next(request, WEIR_HTTP_CONNECTION, field))) {
		struct weir_span rest = field->value, option;
		for (bool more = true; more;) {
			more = weir_span_cut(&rest, ',', &option);
			option = weir_span_trim(option);
			if (weir_span_equal_nocase(option, WEIR_SPAN("close")))
				close = true;
			else if (weir_span_equal_nocase(option, WEIR_SPAN("keep-alive")))
				request->keep_alive = true;
		}
	}
	if (close)
		request->keep_alive = false;
}

static int http_framing_find_expectation(struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	/* RFC 9110 10.1.1: an HTTP/1.0 client does not understand an interim response. */
	if (request->minor == 0)
		return 0;
	while ((field = weir_http_request_next(request, WEIR_HTTP_EXPECT, field)))
		if (!weir_span_equal_nocase(field->value, WEIR_SPAN("100-continue")))
			return 417;
	request->expect_continue = true;
	return 0;
}

int http_framing_find_body(struct weir_http_request *request, uint64_t repeated)
{
	int status = 0;
	if (repeated & (uint64_t)1 << WEIR_HTTP_CONTENT_LENGTH)
		return 400;
	if (request->first[WEIR_HTTP_TRANSFER_ENCODING])
		status = http_framing_find_codings(request);
	else if (request->first[WEIR_HTTP_CONTENT_LENGTH])
		status = http_framing_find_length(request);
	if (status)
		return status;
	request->keep_alive = request->minor > 0;
	if (request->first[WEIR_HTTP_CONNECTION])
		http_framing_find_options(request);
	return 0;
}

int http_framing_find(struct weir_http_request *request, uint64_t repeated)
{
	const uint8_t *first = request->first;
	/* Most requests have none of these fields. */
	if (!(first[WEIR_HTTP_CONTENT_LENGTH] | first[WEIR_HTTP_TRANSFER_ENCODING] |
	            first[WEIR_HTTP_CONNECTION] | first[WEIR_HTTP_EXPECT])) {
		request->keep_alive = request->minor > 0;
		return 0;
	}
	int status = http_framing_find_body(request, repeated);
	if (status || !request->first[WEIR_HTTP_EXPECT])
		return status;
	return http_framing_find_expectation(request);
}

/* -- the lines of a chunked body --------------------------------------------------------------- */

/* Returns the size of the extension at the front, BWS ";" BWS name [ BWS "=" BWS value ], or 0. */
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

enum weir_scan http_line_scan(struct weir_span data, size_t seen, struct weir_cut *ret)
{
	size_t at = seen && data.data[seen - 1] == '\r' ? seen - 1 : seen;
	while (at < data.size && data.data[at] != '\r' && data.data[at] != '\n')
		at++;
	if (at == data.size || (data.data[at] == '\r' && at + 1 == data.size))
		return WEIR_SCAN_MORE;
	if (data.data[at] == '\n' || data.data[at + 1] != '\n')
		return WEIR_SCAN_BAD;
	ret->end = at + 2;
	ret->strip = 2;
	return WEIR_SCAN_FOUND;
}

enum weir_scan http_chunk_end_scan(struct weir_span data, struct weir_cut *ret)
{
	if ((data.size && data.data[0] != '\r') || (data.size > 1 && data.data[1] != '\n'))
		return WEIR_SCAN_BAD;
	if (data.size < 2)
		return WEIR_SCAN_MORE;
	ret->end = ret->strip = 2;
	return WEIR_SCAN_FOUND;
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
