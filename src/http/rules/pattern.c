/*
 * Matches a path with a pattern: the segments in front of `**` from the left, those behind it from
 * the right. The literals of a segment are found from left to right, each at the first place, and
 * the last one at the end. Invariant: no byte of a path is looked at more than once for each byte
 * of the pattern.
 */
#include <string.h>

#include <weir/error.h>

#include "path.h"
#include "pattern.h"
#include "syntax.h"

/* -- parsing ----------------------------------------------------------------------------------- */

static const char *http_pattern_check_segment(struct weir_span segment, bool alone)
{
	if (segment.size == 0)
		return alone ? NULL : "an empty segment never matches: paths have no '//'";
	if (weir_span_equal(segment, WEIR_SPAN(".")) || weir_span_equal(segment, WEIR_SPAN("..")))
		return "'.' and '..' never match: paths are normalized";
	for (size_t i = 0; i < segment.size; i++) {
		if ((uint8_t)segment.data[i] < 0x20 || segment.data[i] == 0x7f)
			return "control characters never match";
		if (i && segment.data[i] == '*' && segment.data[i - 1] == '*')
			return "'**' must be a whole segment, as in /a/**";
	}
	return NULL;
}

/* Cuts the text at its `**`. */
static const char *http_pattern_split(struct weir_span text, struct http_pattern *ret)
{
	struct weir_span rest = text, segment;
	const char *fault = NULL;
	*ret = (struct http_pattern){.text = text, .before = text};
	for (bool more = true; more && !fault;) {
		const char *start = rest.data;
		more = weir_span_cut(&rest, '/', &segment);
		if (!weir_span_equal(segment, WEIR_SPAN("**"))) {
			fault = http_pattern_check_segment(segment, text.size == 0);
			continue;
		}
		if (ret->has_rest)
			return "'**' may occur once";
		ret->has_rest = true;
		size_t before = (size_t)(start - text.data);
		ret->before = weir_span(text.data, before ? before - 1 : 0);
		ret->behind = more ? rest : weir_span("", 0);
	}
	return fault;
}

const char *http_pattern_parse(struct weir_span text, struct http_pattern *ret)
{
	bool anywhere = !weir_span_starts(text, WEIR_SPAN("/"));
	if (text.size == 0)
		return "it is empty";
	if (!anywhere) {
		text = weir_span_skip(text, 1);
		if (text.size > 1 && text.data[text.size - 1] == '/')
			text.size--;
	} else if (memchr(text.data, '/', text.size)) {
		return "it must begin with '/', unless it is for the last segment, as *.css";
	}
	const char *fault = http_pattern_split(text, ret);
	if (!fault && anywhere && ret->has_rest)
		fault = "'**' needs a slash, as in /**";
	if (!fault && anywhere)
		*ret = (struct http_pattern){text, weir_span("", 0), text, true, true};
	if (!fault && http_pattern_captures(ret) > WEIR_HTTP_CAPTURES_MAX)
		fault = "it has more than 9 wildcards";
	return fault;
}

static unsigned http_pattern_stars(struct weir_span text)
{
	unsigned count = 0;
	for (size_t i = 0; i < text.size; i++)
		count += text.data[i] == '*';
	return count;
}

unsigned http_pattern_captures(const struct http_pattern *pattern)
{
	return http_pattern_stars(pattern->before) + http_pattern_stars(pattern->behind) +
	       (pattern->has_rest && !pattern->anywhere);
}

/* -- matching ---------------------------------------------------------------------------------- */

static void http_pattern_capture(struct http_captures *captures, struct weir_span part)
{
	if (captures && captures->count < WEIR_HTTP_CAPTURES_MAX)
		captures->items[captures->count++] = part;
}

static bool http_pattern_equal(const char *literal, const char *text, size_t size)
{
	return weir_span_equal_nocase(weir_span(literal, size), weir_span(text, size));
}

/* Returns where the literal is first found in the text, or text.size + 1. */
static size_t http_pattern_find(struct weir_span literal, struct weir_span text)
{
	for (size_t at = 0; at + literal.size <= text.size; at++)
		if (http_pattern_equal(literal.data, text.data + at, literal.size))
			return at;
	return text.size + 1;
}

/* Matches one segment; `*` stands for any bytes of it. */
static bool http_pattern_match_segment(
        struct weir_span pattern, struct weir_span text, struct http_captures *captures)
{
	struct weir_span literal;
	bool more = weir_span_cut(&pattern, '*', &literal);
	if (text.size < literal.size || !http_pattern_equal(literal.data, text.data, literal.size))
		return false;
	text = weir_span_skip(text, literal.size);
	while (more) {
		more = weir_span_cut(&pattern, '*', &literal);
		if (text.size < literal.size)
			return false;
		size_t at = more ? http_pattern_find(literal, text) : text.size - literal.size;
		if (at > text.size ||
		        !http_pattern_equal(literal.data, text.data + at, literal.size))
			return false;
		http_pattern_capture(captures, weir_span(text.data, at));
		text = weir_span_skip(text, at + literal.size);
	}
	return text.size == 0;
}

/* Matches as many segments as the pattern has, and removes them from the path. */
static bool http_pattern_match_segments(
        struct weir_span pattern, struct weir_span *path, struct http_captures *captures)
{
	struct weir_span expected, segment;
	for (bool more = pattern.size > 0; more;) {
		more = weir_span_cut(&pattern, '/', &expected);
		if (path->size == 0)
			return false;
		weir_span_cut(path, '/', &segment);
		if (!http_pattern_match_segment(expected, segment, captures))
			return false;
	}
	return true;
}

/* Returns the last segments of a path, and removes them and the slash before them from it. */
static bool http_pattern_cut_last(struct weir_span *path, unsigned count, struct weir_span *ret)
{
	size_t at = path->size;
	if (count && path->size == 0)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (i && at-- == 0)
			return false;
		while (at && path->data[at - 1] != '/')
			at--;
		if (at == 0 && i + 1 < count)
			return false;
	}
	*ret = weir_span_skip(*path, at);
	path->size = count && at ? at - 1 : at;
	return true;
}

bool http_pattern_match(
        const struct http_pattern *pattern, struct weir_span path, struct http_captures *captures)
{
	struct weir_span last;
	if (captures)
		captures->count = 0;
	if (!http_pattern_match_segments(pattern->before, &path, captures))
		return false;
	if (!pattern->has_rest)
		return path.size == 0;
	if (!http_pattern_cut_last(&path, http_path_segments(pattern->behind), &last))
		return false;
	if (!pattern->anywhere)
		http_pattern_capture(captures, path);
	return http_pattern_match_segments(pattern->behind, &last, captures);
}

/* -- targets ----------------------------------------------------------------------------------- */

enum target_part {
	TARGET_TEXT,
	TARGET_CAPTURE,
	TARGET_PATH,
	TARGET_HOST,
	TARGET_FAULT,
};

/* Cuts the next part off the text: a literal, or a name behind '$'. */
static enum target_part http_target_next(
        struct weir_span *rest, struct weir_span *ret_text, unsigned *ret_capture)
{
	const char *dollar = memchr(rest->data, '$', rest->size);
	size_t size = dollar ? (size_t)(dollar - rest->data) : rest->size;
	*ret_text = weir_span(rest->data, size);
	if (size) {
		*rest = weir_span_skip(*rest, size);
		return TARGET_TEXT;
	}
	*rest = weir_span_skip(*rest, 1);
	if (weir_span_starts(*rest, WEIR_SPAN("$"))) {
		*ret_text = weir_span(rest->data, 1);
		*rest = weir_span_skip(*rest, 1);
		return TARGET_TEXT;
	}
	if (rest->size && *rest->data >= '1' && *rest->data <= '9') {
		*ret_capture = (unsigned)(*rest->data - '1');
		*rest = weir_span_skip(*rest, 1);
		return TARGET_CAPTURE;
	}
	bool path = weir_span_starts(*rest, WEIR_SPAN("path"));
	if (!path && !weir_span_starts(*rest, WEIR_SPAN("host")))
		return TARGET_FAULT;
	*rest = weir_span_skip(*rest, 4);
	return path ? TARGET_PATH : TARGET_HOST;
}

const char *http_target_fault(struct weir_span text, unsigned captures)
{
	struct weir_span literal;
	unsigned capture;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~' || strchr("\"<>\\", text.data[i]))
			return "it must be escaped as in a URL, without spaces and quotes";
	while (text.size)
		switch (http_target_next(&text, &literal, &capture)) {
		case TARGET_FAULT:
			return "'$' must be followed by a digit, path, host or $";
		case TARGET_CAPTURE:
			if (capture >= captures)
				return "there are fewer wildcards in 'path'";
			break;
		default:
			break;
		}
	return NULL;
}

/* Appends the segments of a part of a path, with slashes between them alone. */
static int http_target_put_segments(struct weir_buffer *buffer, struct weir_span part, size_t limit)
{
	char escaped[3 * 64];
	int error = 0;
	for (size_t i = 0; i < part.size && !error;) {
		size_t size = 0, put;
		if (part.data[i] == '/') {
			error = weir_buffer_append(buffer, "/", 1, limit);
			i++;
			continue;
		}
		while (size < 64 && i + size < part.size && part.data[i + size] != '/')
			size++;
		http_escape_url(weir_span(part.data + i, size), escaped, sizeof escaped, &put);
		error = weir_buffer_append(buffer, escaped, put, limit);
		i += size;
	}
	return error;
}

/* The host of the request, whose grammar was checked. */
static int http_target_put_host(
        struct weir_buffer *buffer, const struct weir_http_exchange *exchange, size_t limit)
{
	struct weir_span host = weir_http_request(exchange)->host;
	return weir_buffer_append(buffer, host.data, host.size, limit);
}

int http_target_put(struct weir_buffer *buffer, struct weir_span text,
        const struct weir_http_exchange *exchange, const struct http_captures *captures,
        size_t limit)
{
	int error = 0;
	while (text.size && !error) {
		struct weir_span literal = {0};
		unsigned capture = 0;
		switch (http_target_next(&text, &literal, &capture)) {
		case TARGET_CAPTURE:
			if (capture < captures->count)
				error = http_target_put_segments(
				        buffer, captures->items[capture], limit);
			break;
		case TARGET_PATH:
			error = weir_buffer_append(buffer, "/", 1, limit);
			if (!error)
				error = http_target_put_segments(
				        buffer, weir_http_path(exchange), limit);
			break;
		case TARGET_HOST:
			error = http_target_put_host(buffer, exchange, limit);
			break;
		default:
			error = weir_buffer_append(buffer, literal.data, literal.size, limit);
		}
	}
	return error;
}
