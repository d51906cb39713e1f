/*
 * The iterator over parameters. Its only state is the rest of the value. It stops at a syntax
 * error, so that nothing behind one is used.
 */
#include <weir/error.h>

#include "parameter.h"
#include "syntax.h"

int http_parameter_head(struct weir_span *value, struct weir_span *ret_head)
{
	struct weir_span rest = http_skip_space(*value);
	const char *start = rest.data;
	size_t size = http_run(rest, WEIR_HTTP_TCHAR);
	if (size == 0)
		return WEIR_E_SYNTAX;
	rest = weir_span_skip(rest, size);
	if (rest.size && *rest.data == '/') {
		size_t subtype = http_run(weir_span_skip(rest, 1), WEIR_HTTP_TCHAR);
		if (subtype == 0)
			return WEIR_E_SYNTAX;
		size += subtype + 1;
		rest = weir_span_skip(rest, subtype + 1);
	}
	/* http_parameter_next checks that the rest begins with ';'. */
	*value = rest;
	*ret_head = weir_span(start, size);
	return 0;
}

int http_parameter_next(struct weir_span *rest, struct http_parameter *ret_parameter)
{
	struct weir_span at = http_skip_space(*rest), name;
	bool separated = false;
	/* Empty parameters are allowed: *( OWS ";" OWS [ parameter ] ). */
	while (at.size && *at.data == ';') {
		separated = true;
		at = http_skip_space(weir_span_skip(at, 1));
	}
	if (at.size == 0) {
		*rest = at;
		return 0;
	}
	name = weir_span(at.data, http_run(at, WEIR_HTTP_TCHAR));
	at = weir_span_skip(at, name.size);
	if (!separated || name.size == 0 || at.size == 0 || *at.data != '=')
		return WEIR_E_SYNTAX;
	at = weir_span_skip(at, 1);
	size_t size = http_run(at, WEIR_HTTP_TCHAR), quoted = http_quoted(at);
	if (size == 0 && quoted == 0)
		return WEIR_E_SYNTAX;
	ret_parameter->name = name;
	ret_parameter->quoted = quoted > 0;
	ret_parameter->value =
	        quoted ? weir_span(at.data + 1, quoted - 2) : weir_span(at.data, size);
	*rest = weir_span_skip(at, quoted ? quoted : size);
	return 1;
}

int http_parameter_decode(const struct http_parameter *parameter, char *buffer, size_t capacity,
        struct weir_span *ret_value)
{
	struct weir_span raw = parameter->value;
	size_t size = 0;
	for (size_t i = 0; i < raw.size; i++) {
		if (parameter->quoted && raw.data[i] == '\\' && i + 1 < raw.size)
			i++;
		if (size == capacity)
			return WEIR_E_LIMIT;
		buffer[size++] = raw.data[i];
	}
	*ret_value = weir_span(buffer, size);
	return 0;
}
