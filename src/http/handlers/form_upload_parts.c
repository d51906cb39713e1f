/*
 * The parser of forms: a cutter whose terminator is the boundary, with the CRLF in front of it. The
 * first boundary has no CRLF in front, so one is fed to the cutter before the body.
 *
 * Invariant: the cutter's terminator is the one of `state`. A boundary is followed by "--", or by
 * CRLF with spaces and tabs before it (RFC 2046 5.1.1). A part must have a Content-Disposition. A
 * part within a part (multipart/mixed) is treated as a file.
 */
#include <weir/error.h>
#include <weir/list.h>

#include "fields.h"
#include "form_upload_parts.h"
#include "head.h"
#include "syntax.h"

/* -- the boundary, and the names in a header --------------------------------------------------- */

/*
 * A repeated parameter is refused, since a filter in front of this server may have used the other
 * one.
 */
static bool http_form_upload_parts_valid_boundary(struct weir_span boundary)
{
	if (boundary.size == 0 || boundary.data[boundary.size - 1] == ' ')
		return false;
	for (size_t i = 0; i < boundary.size; i++)
		if (boundary.data[i] != ' ' && !http_is(boundary.data[i], WEIR_HTTP_BCHAR))
			return false;
	return true;
}

int http_boundary_parse(struct weir_span content_type, char buffer[WEIR_HTTP_BOUNDARY_MAX],
        struct weir_span *ret_boundary)
{
	struct http_parameter parameter;
	struct weir_span type, boundary = {NULL, 0};
	int got;
	if (http_parameter_head(&content_type, &type) < 0 || type.size <= 10 ||
	        !weir_span_equal_nocase(weir_span(type.data, 10), WEIR_SPAN("multipart/")))
		return WEIR_E_SYNTAX;
	while ((got = http_parameter_next(&content_type, &parameter)) > 0) {
		if (!weir_span_equal_nocase(parameter.name, WEIR_SPAN("boundary")))
			continue;
		if (boundary.data || http_parameter_decode(&parameter, buffer,
		                             WEIR_HTTP_BOUNDARY_MAX, &boundary) < 0)
			return WEIR_E_SYNTAX;
	}
	if (got < 0 || !http_form_upload_parts_valid_boundary(boundary))
		return WEIR_E_SYNTAX;
	*ret_boundary = boundary;
	return 0;
}

/* A value of form-data appended at *used; see the header for the backslash. */
static int http_form_upload_parts_decode_value(const struct http_parameter *parameter, char *buffer,
        size_t capacity, size_t *used, struct weir_span *ret)
{
	struct weir_span raw = parameter->value;
	size_t size = *used;
	for (size_t i = 0; i < raw.size; i++) {
		if (parameter->quoted && raw.data[i] == '\\' && i + 1 < raw.size &&
		        (raw.data[i + 1] == '"' || raw.data[i + 1] == '\\'))
			i++;
		if (size == capacity)
			return WEIR_E_LIMIT;
		buffer[size++] = raw.data[i]; /* NOLINT: not NULL, or the capacity is 0 */
	}
	*ret = weir_span(buffer + *used, size - *used);
	*used = size;
	return 0;
}

int http_disposition_parse(struct weir_span value, char *buffer, size_t capacity,
        struct http_disposition *ret_disposition)
{
	struct http_disposition found = {0};
	struct http_parameter parameter;
	struct weir_span type;
	size_t used = 0;
	int got;
	if (http_parameter_head(&value, &type) < 0 ||
	        !weir_span_equal_nocase(type, WEIR_SPAN("form-data")))
		return WEIR_E_SYNTAX;
	while ((got = http_parameter_next(&value, &parameter)) > 0) {
		struct weir_span *slot;
		if (weir_span_equal_nocase(parameter.name, WEIR_SPAN("name")))
			slot = &found.name;
		else if (weir_span_equal_nocase(parameter.name, WEIR_SPAN("filename")))
			slot = &found.filename;
		else
			continue;
		if (slot->data)
			return WEIR_E_SYNTAX;
		int error = http_form_upload_parts_decode_value(
		        &parameter, buffer, capacity, &used, slot);
		if (error < 0)
			return error;
	}
	if (got < 0 || !found.name.data)
		return WEIR_E_SYNTAX;
	*ret_disposition = found;
	return 0;
}

struct weir_span http_filename_base(struct weir_span filename)
{
	size_t start = filename.size;
	while (start && filename.data[start - 1] != '/' && filename.data[start - 1] != '\\')
		start--;
	struct weir_span base = weir_span_skip(filename, start);
	if (weir_span_equal(base, WEIR_SPAN(".")) || weir_span_equal(base, WEIR_SPAN("..")))
		return weir_span(base.data, 0);
	return base;
}

/* -- states ------------------------------------------------------------------------------------ */

static struct form_parts *http_form_upload_parts_of(const struct weir_cutter *cutter)
{
	return WEIR_CONTAINER(cutter, struct form_parts, cutter);
}

static void http_form_upload_parts_fail(struct form_parts *parts, int error)
{
	if (error < 0 && parts->error == 0)
		parts->error = error;
}

/* The bytes behind a boundary: "--", or a CRLF that may be padded. */
static enum weir_scan http_form_upload_parts_scan_boundary_end(struct weir_terminator *terminator,
        struct weir_span data, size_t seen, uint64_t before, struct weir_cut *ret)
{
	size_t at = 0;
	(void)terminator;
	(void)seen;
	(void)before;
	while (at < data.size && (data.data[at] == ' ' || data.data[at] == '\t'))
		at++;
	if (at > FORM_PADDING_MAX)
		return WEIR_SCAN_BAD;
	if (data.size - at < 2)
		return WEIR_SCAN_MORE;
	struct weir_span end = weir_span(data.data + at, 2);
	ret->end = at + 2;
	if (weir_span_equal(end, WEIR_SPAN("\r\n"))) {
		ret->strip = at + 2;
		return WEIR_SCAN_FOUND;
	}
	return at == 0 && weir_span_equal(end, WEIR_SPAN("--")) ? WEIR_SCAN_FOUND : WEIR_SCAN_BAD;
}

static void http_form_upload_parts_await(struct form_parts *parts, enum form_state state)
{
	static const struct weir_terminator_type boundary_end = {
	        "form-boundary-end", http_form_upload_parts_scan_boundary_end};
	struct weir_span delimiter = weir_span(parts->delimiter, parts->delimiter_size);
	parts->state = state;
	switch (state) {
	case FORM_PREAMBLE:
	case FORM_FILE:
	case FORM_FIELD:
		weir_cutter_stream(&parts->cutter, weir_until(delimiter));
		break;
	case FORM_BOUNDARY:
		weir_cutter_await(&parts->cutter, (struct weir_terminator){.type = &boundary_end});
		break;
	case FORM_HEADER:
		parts->cutter.request_max = FORM_HEADER_MAX;
		weir_cutter_await(&parts->cutter, weir_until_line_end());
		break;
	case FORM_EPILOGUE:
		weir_cutter_stream(&parts->cutter, weir_everything());
		break;
	}
}

/* -- the header of a part ---------------------------------------------------------------------- */

static void http_form_upload_parts_begin_header(struct form_parts *parts)
{
	if (++parts->count > FORM_PARTS_MAX)
		http_form_upload_parts_fail(parts, WEIR_E_LIMIT);
	parts->header_fields = 0;
	parts->disposed = false;
	parts->filename = weir_span(NULL, 0);
	http_form_upload_parts_await(parts, FORM_HEADER);
}

static int http_form_upload_parts_note_disposition(struct form_parts *parts, struct weir_span value)
{
	struct http_disposition disposition;
	if (parts->disposed)
		return WEIR_E_SYNTAX;
	parts->disposed = true;
	int error = http_disposition_parse(value, parts->names, sizeof parts->names, &disposition);
	if (error == 0)
		parts->filename = disposition.filename;
	return error;
}

/* RFC 7578 4.7 has deprecated the field, so only encodings that change nothing are accepted. */
static int http_form_upload_parts_check_encoding(struct weir_span value)
{
	bool verbatim = weir_span_equal_nocase(value, WEIR_SPAN("binary")) ||
	                weir_span_equal_nocase(value, WEIR_SPAN("8bit")) ||
	                weir_span_equal_nocase(value, WEIR_SPAN("7bit"));
	return verbatim ? 0 : WEIR_E_SYNTAX;
}

static int http_form_upload_parts_header_line(struct form_parts *parts, struct weir_span line)
{
	struct weir_http_field field;
	if (line.size + 2 > parts->cutter.request_max ||
	        ++parts->header_fields > FORM_HEADER_FIELDS_MAX)
		return WEIR_E_LIMIT;
	parts->cutter.request_max -= (uint32_t)line.size + 2;
	if (http_trailer_parse(line, &field) < 0)
		return WEIR_E_SYNTAX;
	if (weir_span_equal_nocase(field.name, WEIR_SPAN("Content-Disposition")))
		return http_form_upload_parts_note_disposition(parts, field.value);
	if (weir_span_equal_nocase(field.name, WEIR_SPAN("Content-Transfer-Encoding")))
		return http_form_upload_parts_check_encoding(field.value);
	return 0;
}

/* A file field in which no file was chosen has an empty name. */
static int http_form_upload_parts_end_header(struct form_parts *parts)
{
	bool file = parts->filename.size > 0;
	if (!parts->disposed)
		return WEIR_E_SYNTAX;
	http_form_upload_parts_await(parts, file ? FORM_FILE : FORM_FIELD);
	return file ? parts->type->begin(parts, parts->filename) : 0;
}

/* -- what the cutter calls --------------------------------------------------------------------- */

static void http_form_upload_parts_on_boundary(struct form_parts *parts, struct weir_span behind)
{
	if (weir_span_equal(behind, WEIR_SPAN("--")))
		http_form_upload_parts_await(parts, FORM_EPILOGUE);
	else
		http_form_upload_parts_begin_header(parts);
}

static void http_form_upload_parts_on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct form_parts *parts = http_form_upload_parts_of(cutter);
	switch (parts->state) {
	case FORM_FILE:
		http_form_upload_parts_await(parts, FORM_BOUNDARY);
		if (parts->error == 0)
			http_form_upload_parts_fail(parts, parts->type->end(parts));
		break;
	case FORM_PREAMBLE:
	case FORM_FIELD:
		http_form_upload_parts_await(parts, FORM_BOUNDARY);
		break;
	case FORM_BOUNDARY:
		http_form_upload_parts_on_boundary(parts, request);
		break;
	case FORM_HEADER:
		http_form_upload_parts_fail(
		        parts, request.size ? http_form_upload_parts_header_line(parts, request)
		                            : http_form_upload_parts_end_header(parts));
		break;
	case FORM_EPILOGUE:
		break;
	}
}

static void http_form_upload_parts_on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct form_parts *parts = http_form_upload_parts_of(cutter);
	if (parts->state == FORM_FILE)
		http_form_upload_parts_fail(parts, parts->type->bytes(parts, bytes));
}

static void http_form_upload_parts_on_overflow(struct weir_cutter *cutter, int error)
{
	http_form_upload_parts_fail(http_form_upload_parts_of(cutter), error);
}

static bool http_form_upload_parts_on_held(const struct weir_cutter *cutter)
{
	const struct form_parts *parts = http_form_upload_parts_of(cutter);
	return parts->error < 0 || (parts->type->held && parts->type->held(parts));
}

static const struct weir_cutter_type cutter_type = {
        .request = http_form_upload_parts_on_request,
        .piece = http_form_upload_parts_on_piece,
        .overflow = http_form_upload_parts_on_overflow,
        .held = http_form_upload_parts_on_held,
};

/* -- what receivers call ----------------------------------------------------------------------- */

void form_parts_init(
        struct form_parts *parts, const struct form_parts_type *type, struct weir_span boundary)
{
	*parts = (struct form_parts){.type = type, .delimiter_size = 4 + boundary.size};
	memcpy(parts->delimiter, "\r\n--", 4);
	memcpy(parts->delimiter + 4, boundary.data, boundary.size);
	weir_cutter_init(&parts->cutter, weir_until_line_end(), FORM_HEADER_MAX);
	http_form_upload_parts_await(parts, FORM_PREAMBLE);
	/* The cutter stores it, as if a line preceded the body. */
	http_form_upload_parts_fail(
	        parts, weir_cutter_feed(&parts->cutter, &cutter_type, WEIR_SPAN("\r\n")));
}

int form_parts_feed(struct form_parts *parts, struct weir_span bytes)
{
	if (parts->error == 0)
		http_form_upload_parts_fail(
		        parts, weir_cutter_feed(&parts->cutter, &cutter_type, bytes));
	return parts->error;
}

bool form_parts_complete(const struct form_parts *parts)
{
	return parts->state == FORM_EPILOGUE && parts->error == 0;
}

void form_parts_free(struct form_parts *parts)
{
	weir_cutter_finish(&parts->cutter);
}
