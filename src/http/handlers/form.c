/*
 * Boundaries and form-data. A repeated parameter is refused, since a filter in front of this server
 * may have used the other one.
 */
#include <weir/error.h>

#include "form.h"
#include "parameter.h"
#include "syntax.h"

static bool http_form_boundary_valid(struct weir_span boundary)
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
	if (got < 0 || !http_form_boundary_valid(boundary))
		return WEIR_E_SYNTAX;
	*ret_boundary = boundary;
	return 0;
}

/* A value of form-data appended at *used; see the header for the backslash. */
static int http_form_decode_lenient(const struct http_parameter *parameter, char *buffer,
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
		int error = http_form_decode_lenient(&parameter, buffer, capacity, &used, slot);
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
