/*
 * The head of a request as the variables of CGI/1.1 (RFC 3875 4.1), which FastCGI has in PARAMS.
 *
 *   User-Agent: curl   becomes   HTTP_USER_AGENT=curl
 *
 * Two fields that would be one variable are one list. A field whose name has other characters than
 * letters, digits and `-` is left out, since its variable could be that of another field. So is
 * Proxy: programs take HTTP_PROXY for a setting of their own (httpoxy).
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include <weir/error.h>

#include "client_state.h"
#include "syntax.h"

/* -- fields ------------------------------------------------------------------------------------ */

/* Appends the name of the field's variable. Returns 0; WEIR_E_SYNTAX if it has none; or -ENOMEM. */
static int client_fastcgi_put_name(struct weir_buffer *to, struct weir_span name)
{
	int error = weir_span_equal_nocase(name, WEIR_SPAN("Proxy")) ? WEIR_E_SYNTAX : 0;
	if (!error && !weir_span_equal_nocase(name, WEIR_SPAN("Content-Type")))
		error = weir_buffer_append(to, "HTTP_", 5, SIZE_MAX);
	for (size_t i = 0; i < name.size && !error; i++) {
		unsigned char c = (unsigned char)name.data[i];
		char upper = (char)(c == '-' ? '_' : toupper(c));
		if (!isalnum(c) && c != '-')
			error = WEIR_E_SYNTAX;
		else
			error = weir_buffer_append(to, &upper, 1, SIZE_MAX);
	}
	return error;
}

/* Appends the values of all fields of this name, from number `first` on. */
static int client_fastcgi_put_values(
        struct weir_buffer *to, const struct weir_http_call_options *options, unsigned first)
{
	struct weir_span name = options->fields[first].name;
	bool cookie = weir_span_equal_nocase(name, WEIR_SPAN("Cookie"));
	int error = 0;
	for (unsigned i = first; i < options->field_count && !error; i++) {
		struct weir_span value = options->fields[i].value;
		if (!weir_span_equal_nocase(options->fields[i].name, name))
			continue;
		if (i > first)
			error = weir_buffer_append(to, cookie ? "; " : ", ", 2, SIZE_MAX);
		if (!error && value.size)
			error = weir_buffer_append(to, value.data, value.size, SIZE_MAX);
	}
	return error;
}

static int client_fastcgi_put(struct weir_buffer *to, struct weir_span name, struct weir_span value)
{
	return fastcgi_put_pair(to, name, value, WEIR_HTTP_CLIENT_REQUEST_MAX);
}

static bool client_fastcgi_has_earlier(const struct weir_http_call_options *options, unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (weir_span_equal_nocase(options->fields[i].name, options->fields[index].name))
			return true;
	return false;
}

static int client_fastcgi_add_field(
        struct weir_http_call *call, const struct weir_http_call_options *options, unsigned index)
{
	const struct weir_http_field *field = &options->fields[index];
	struct weir_buffer name = {0}, value = {0};
	if (!http_call_field_is_good(field))
		return WEIR_E_SYNTAX;
	if (http_call_field_is_own(field))
		return -EINVAL;
	if (client_fastcgi_has_earlier(options, index))
		return 0;
	int error = client_fastcgi_put_name(&name, field->name);
	bool left_out = error == WEIR_E_SYNTAX;
	if (!error)
		error = client_fastcgi_put_values(&value, options, index);
	if (!error)
		error = client_fastcgi_put(
		        &call->fields, weir_buffer_span(&name), weir_buffer_span(&value));
	weir_buffer_finish(&name);
	weir_buffer_finish(&value);
	return left_out ? 0 : error;
}

/* -- what HTTP alone has ----------------------------------------------------------------------- */

static bool client_fastcgi_can_be(
        const struct weir_http_call *call, const struct weir_http_call_options *options)
{
	return !options->upgrade && !options->redirects_max && !options->trailers &&
	       !call->expect_continue && (!options->body || weir_producer_size(options->body) >= 0);
}

static bool client_fastcgi_is_uri(struct weir_span name)
{
	return weir_span_equal(name, WEIR_SPAN("REQUEST_URI"));
}

int http_call_set_params(struct weir_http_call *call, const struct weir_http_call_options *options)
{
	int error = client_fastcgi_can_be(call, options) ? 0 : -EINVAL;
	for (unsigned i = 0; i < options->param_count && !error; i++) {
		call->has_uri |= client_fastcgi_is_uri(options->params[i].name);
		error = options->params[i].name.size
		                ? client_fastcgi_put(&call->fields, options->params[i].name,
		                          options->params[i].value)
		                : WEIR_E_SYNTAX;
	}
	for (unsigned i = 0; i < options->field_count && !error; i++)
		error = client_fastcgi_add_field(call, options, i);
	return error;
}

/* -- sending ----------------------------------------------------------------------------------- */

static int client_fastcgi_put_length(
        const struct weir_http_call *call, struct weir_buffer *to, int64_t body_size)
{
	char text[24];
	if (!call->has_body && !http_call_expects_content(call))
		return 0;
	int size = snprintf(text, sizeof text, "%lld", (long long)body_size);
	return client_fastcgi_put(to, WEIR_SPAN("CONTENT_LENGTH"), weir_span(text, (size_t)size));
}

/* RFC 3875 4.1; what only the server knows is in `params` of the options. */
static int client_fastcgi_put_request(
        const struct weir_http_call *call, struct weir_buffer *to, int64_t body_size)
{
	const struct http_url *target = &call->target;
	struct weir_span path = target->path.size ? target->path : WEIR_SPAN("/");
	const struct weir_http_field pairs[] = {
	        {WEIR_SPAN("GATEWAY_INTERFACE"), WEIR_SPAN("CGI/1.1")},
	        {WEIR_SPAN("REQUEST_METHOD"), weir_buffer_span(&call->method)},
	        {WEIR_SPAN("QUERY_STRING"), weir_span_skip(target->query, target->query.size > 0)},
	        /* Behind the path is the query: they are one stretch of the URL. */
	        {WEIR_SPAN("REQUEST_URI"),
	                target->path.size ? weir_span(path.data, path.size + target->query.size)
	                                  : path},
	        {WEIR_SPAN("HTTP_HOST"),
	                call->host.size ? weir_buffer_span(&call->host) : target->authority},
	};
	int error = 0;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !error; i++)
		if (!call->has_uri || !client_fastcgi_is_uri(pairs[i].name))
			error = client_fastcgi_put(to, pairs[i].name, pairs[i].value);
	if (!error)
		error = client_fastcgi_put_length(call, to, body_size);
	if (!error && call->fields.size)
		error = weir_buffer_append(to, call->fields.data, call->fields.size, SIZE_MAX);
	return error;
}

int http_call_put_params(
        const struct weir_http_call *call, struct weir_buffer *head, int64_t body_size)
{
	struct weir_buffer pairs = {0};
	int error = body_size < 0 ? -EINVAL : 0;
	if (!error)
		error = client_fastcgi_put_request(call, &pairs, body_size);
	if (!error)
		error = fastcgi_put_begin(head, call->client->options.fastcgi_keep);
	if (!error)
		error = fastcgi_put_stream(head, FASTCGI_PARAMS, weir_buffer_span(&pairs));
	if (!error && body_size == 0)
		error = fastcgi_put_stream(head, FASTCGI_STDIN, WEIR_SPAN(""));
	weir_buffer_finish(&pairs);
	return error;
}
