/*
 * Pairs of names and values: percent-decoding, queries, cookies, and parameters of fields. Pairs
 * are cut before they are decoded, so that an encoded '&' or '=' is no separator. Text is decoded
 * once only.
 */
#include <weir/error.h>
#include <weir/http_form.h>

#include "fields.h"
#include "syntax.h"

/* -- decoding ---------------------------------------------------------------------------------- */

/* Decodes the byte at the front of `text`. Returns how many bytes encode it; 0 if malformed. */
static size_t http_pair_decode_byte(struct weir_span text, bool plus, char *ret_byte)
{
	*ret_byte = plus && *text.data == '+' ? ' ' : *text.data;
	if (*text.data != '%')
		return 1;
	if (text.size < 3 || !http_is(text.data[1], WEIR_HTTP_XDIGIT) ||
	        !http_is(text.data[2], WEIR_HTTP_XDIGIT))
		return 0;
	*ret_byte = (char)(http_hex(text.data[1]) << 4 | http_hex(text.data[2]));
	return 3;
}

static bool http_pair_is_plain(struct weir_span text, bool plus)
{
	return text.size == 0 ||
	       (!memchr(text.data, '%', text.size) && !(plus && memchr(text.data, '+', text.size)));
}

static int http_pair_decode(
        struct weir_span text, bool plus, char *buffer, size_t capacity, struct weir_span *ret)
{
	size_t size = 0;
	if (http_pair_is_plain(text, plus)) {
		*ret = text;
		return 0;
	}
	while (text.size) {
		char byte;
		size_t used = http_pair_decode_byte(text, plus, &byte);
		if (used == 0)
			return WEIR_E_SYNTAX;
		if (size == capacity)
			return WEIR_E_LIMIT;
		buffer[size++] = byte;
		text = weir_span_skip(text, used);
	}
	*ret = weir_span(buffer, size);
	return 0;
}

int weir_http_percent_decode(
        struct weir_span text, char *buffer, size_t capacity, struct weir_span *ret)
{
	return http_pair_decode(text, false, buffer, capacity, ret);
}

int weir_http_form_decode(
        struct weir_span text, char *buffer, size_t capacity, struct weir_span *ret)
{
	return http_pair_decode(text, true, buffer, capacity, ret);
}

/* -- queries ----------------------------------------------------------------------------------- */

bool weir_http_pair_next(struct weir_span *rest, struct weir_http_pair *ret)
{
	struct weir_span pair = {0};
	while (rest->size && pair.size == 0)
		weir_span_cut(rest, '&', &pair);
	if (pair.size == 0)
		return false;
	ret->value = pair;
	weir_span_cut(&ret->value, '=', &ret->name);
	return true;
}

bool weir_http_pair_named(const struct weir_http_pair *pair, struct weir_span name)
{
	struct weir_span rest = pair->name;
	while (rest.size && name.size) {
		char byte;
		size_t used = http_pair_decode_byte(rest, true, &byte);
		if (used == 0 || byte != *name.data)
			return false;
		rest = weir_span_skip(rest, used);
		name = weir_span_skip(name, 1);
	}
	return rest.size == 0 && name.size == 0;
}

int weir_http_query_value(struct weir_span query, struct weir_span name, char *buffer,
        size_t capacity, struct weir_span *ret)
{
	struct weir_http_pair pair;
	while (weir_http_pair_next(&query, &pair)) {
		if (!weir_http_pair_named(&pair, name))
			continue;
		int error = weir_http_form_decode(pair.value, buffer, capacity, ret);
		return error ? error : 1;
	}
	return 0;
}

/* -- cookies ----------------------------------------------------------------------------------- */

bool weir_http_cookie_next(struct weir_span *rest, struct weir_http_pair *ret)
{
	while (rest->size) {
		struct weir_span cookie, name;
		weir_span_cut(rest, ';', &cookie);
		/* A cookie has a '='. */
		if (!weir_span_cut(&cookie, '=', &name))
			continue;
		ret->name = weir_span_trim(name);
		ret->value = weir_span_trim(cookie);
		return true;
	}
	return false;
}

struct weir_span weir_http_cookie(const struct weir_http_request *request, struct weir_span name)
{
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_COOKIE, field))) {
		struct weir_span rest = field->value;
		struct weir_http_pair cookie;
		while (weir_http_cookie_next(&rest, &cookie))
			if (weir_span_equal(cookie.name, name))
				return cookie.value.data ? cookie.value : WEIR_SPAN("");
	}
	return weir_span(NULL, 0);
}

/* -- parameters -------------------------------------------------------------------------------- */

/* The iterator's only state is the rest of the value. Nothing behind a syntax error is used. */
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
