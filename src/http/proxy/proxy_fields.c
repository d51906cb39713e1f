/*
 * Fields that are passed on, in both directions, and those that describe the client to the
 * upstream. All else that a head has is made anew, by the HTTP client and by the exchange: no byte
 * of a peer is passed on unparsed.
 *
 * A client that is not trusted sends none of the fields that describe it: not with `_` for `-`
 * either, which many applications take for the same, and not in the trailer section.
 */
#include <string.h>

#include <weir/address.h>
#include <weir/error.h>
#include <weir/tls.h>

#include "exchange.h"
#include "path.h"
#include "proxy_state.h"
#include "syntax.h"

/* -- fields of the connection ------------------------------------------------------------------ */

int http_proxy_find_options(
        const struct weir_http_field *fields, unsigned count, struct proxy_options *ret)
{
	ret->count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct weir_span rest = fields[i].value, option;
		bool more = weir_span_equal_nocase(fields[i].name, WEIR_SPAN("Connection"));
		while (more) {
			more = weir_span_cut(&rest, ',', &option);
			option = weir_span_trim(option);
			if (option.size == 0)
				continue;
			if (ret->count == WEIR_HTTP_PROXY_HOP_FIELDS_MAX)
				return WEIR_E_SYNTAX;
			ret->names[ret->count++] = option;
		}
	}
	return 0;
}

bool http_proxy_passes(const struct proxy_options *options, const struct weir_http_field *field)
{
	/* Those of RFC 9110 7.6.1, and those that are made anew. */
	static const struct weir_span own[] = {WEIR_SPAN("Connection"), WEIR_SPAN("Content-Length"),
	        WEIR_SPAN("Date"), WEIR_SPAN("Expect"), WEIR_SPAN("Host"), WEIR_SPAN("Keep-Alive"),
	        WEIR_SPAN("Proxy-Connection"), WEIR_SPAN("TE"), WEIR_SPAN("Trailer"),
	        WEIR_SPAN("Transfer-Encoding"), WEIR_SPAN("Upgrade")};
	if (http_name_is_one_of(field->name, own, sizeof own / sizeof *own))
		return false;
	for (unsigned i = 0; i < options->count; i++)
		if (weir_span_equal_nocase(field->name, options->names[i]))
			return false;
	return true;
}

bool http_proxy_wants_trailers(const struct weir_http_request *request)
{
	const struct weir_http_field *field = NULL;
	while ((field = weir_http_request_next(request, WEIR_HTTP_TE, field)))
		if (http_list_has(field->value, WEIR_SPAN("trailers")))
			return true;
	return false;
}

/* -- fields that describe the client ---------------------------------------------------------- */

static bool proxy_fields_same_but_underscores(struct weir_span name, struct weir_span known)
{
	char copy[32];
	if (name.size != known.size || name.size > sizeof copy)
		return false;
	for (size_t i = 0; i < name.size; i++)
		copy[i] = (char)(name.data[i] == '_' ? '-' : name.data[i]);
	return weir_span_equal_nocase(weir_span(copy, name.size), known);
}

/* Fields that are made anew. */
static bool proxy_fields_is_made(struct weir_span name)
{
	static const struct weir_span forwarded[] = {WEIR_SPAN("Forwarded"),
	        WEIR_SPAN("X-Forwarded-For"), WEIR_SPAN("X-Forwarded-Host"),
	        WEIR_SPAN("X-Forwarded-Proto"), WEIR_SPAN("X-Request-ID")};
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
		if (proxy_fields_same_but_underscores(name, forwarded[i]))
			return true;
	return false;
}

static bool proxy_fields_describes_client(struct weir_span name)
{
	const struct weir_span family = WEIR_SPAN("X-Forwarded-");
	return proxy_fields_is_made(name) ||
	       proxy_fields_same_but_underscores(name, WEIR_SPAN("X-Real-IP")) ||
	       (name.size > family.size && proxy_fields_same_but_underscores(
	                                           weir_span(name.data, family.size), family));
}

/* -- fields that a handler in front has set ---------------------------------------------------- */

int http_proxy_grant(
        struct weir_http_exchange *exchange, struct weir_span name, struct weir_span value)
{
	const struct weir_span field[] = {name, weir_span("", 1), value, weir_span("", 1)};
	return buffer_append_spans(&exchange->handling->granted, field, 4, SIZE_MAX);
}

/* Finds the next field from *at on. Returns whether there is one. */
static bool proxy_fields_next_granted(
        const struct weir_buffer *granted, size_t *at, struct weir_http_field *ret)
{
	if (*at >= granted->size)
		return false;
	ret->name = weir_span_of(granted->data + *at);
	ret->value = weir_span_of(ret->name.data + ret->name.size + 1);
	*at += ret->name.size + ret->value.size + 2;
	return true;
}

static bool proxy_fields_is_granted(const struct weir_buffer *granted, struct weir_span name)
{
	struct weir_http_field field;
	for (size_t at = 0; proxy_fields_next_granted(granted, &at, &field);)
		if (proxy_fields_same_but_underscores(name, field.name))
			return true;
	return false;
}

/* -- the description of the client ------------------------------------------------------------- */

/* The source and the destination of these fields, for one request. */
struct proxy_description {
	const struct weir_http_request *request;
	struct proxy_request *to;
	bool trusted; /* the client's own fields are continued */
	struct weir_span address;
	struct weir_span scheme;
};

static void proxy_fields_put(
        struct proxy_request *to, struct weir_span name, struct weir_span value)
{
	to->fields[to->count++] = (struct weir_http_field){name, value};
}

/* The text has room for all, so that it does not move. */
static struct weir_span proxy_fields_since(const struct proxy_request *to, size_t start)
{
	return weir_span(to->text.data + start, to->text.size - start);
}

/* Appends to the text, which has room for all. */
static int proxy_fields_append(
        struct proxy_request *to, const struct weir_span *spans, size_t count)
{
	return buffer_append_spans(&to->text, spans, count, SIZE_MAX);
}

/* Appends the values of all fields of that name, as one list. */
static int proxy_fields_continue(const struct proxy_description *description, struct weir_span name)
{
	const struct weir_http_request *request = description->request;
	int error = 0;
	for (unsigned i = 0; i < request->field_count && description->trusted && !error; i++) {
		const struct weir_http_field *field = &request->fields[i];
		if (weir_span_equal_nocase(field->name, name) && field->value.size)
			error = proxy_fields_append(description->to,
			        (struct weir_span[]){field->value, WEIR_SPAN(", ")}, 2);
	}
	return error;
}

static int proxy_fields_add_for(const struct proxy_description *description)
{
	struct weir_span name = WEIR_SPAN("X-Forwarded-For");
	size_t start = description->to->text.size;
	int error = proxy_fields_continue(description, name);
	if (!error)
		error = proxy_fields_append(description->to, &description->address, 1);
	if (!error)
		proxy_fields_put(description->to, name, proxy_fields_since(description->to, start));
	return error;
}

/* Of a trusted client its own, which is about the client in front of it. */
static void proxy_fields_add_or_keep(
        const struct proxy_description *description, struct weir_span name, struct weir_span value)
{
	struct weir_span given = weir_http_request_field(description->request, name);
	if (description->trusted && given.size)
		value = given;
	if (value.size)
		proxy_fields_put(description->to, name, value);
}

/* RFC 7239 4: an IPv6 address is in brackets and quotes; the grammar of Host has no quotes. */
static int proxy_fields_add_forwarded(const struct proxy_description *description)
{
	struct weir_span name = WEIR_SPAN("Forwarded"), host = description->request->host;
	size_t start = description->to->text.size;
	bool v6 = memchr(description->address.data, ':', description->address.size);
	const struct weir_span parts[] = {
	        v6 ? WEIR_SPAN("for=\"[") : WEIR_SPAN("for="),
	        description->address,
	        v6 ? WEIR_SPAN("]\";proto=") : WEIR_SPAN(";proto="),
	        description->scheme,
	        WEIR_SPAN(";host=\""),
	        host,
	        WEIR_SPAN("\""),
	};
	int error = proxy_fields_continue(description, name);
	if (!error)
		error = proxy_fields_append(description->to, parts, host.size ? 7 : 4);
	if (!error)
		proxy_fields_put(description->to, name, proxy_fields_since(description->to, start));
	return error;
}

static int proxy_fields_add_id(
        const struct proxy_description *description, struct weir_http_exchange *exchange)
{
	size_t start = description->to->text.size;
	char id[TEXT_HEX_SIZE];
	text_put_hex(id, http_log_id(exchange));
	int error = weir_buffer_append(&description->to->text, id, sizeof id, SIZE_MAX);
	if (!error)
		proxy_fields_add_or_keep(description, WEIR_SPAN("X-Request-ID"),
		        proxy_fields_since(description->to, start));
	return error;
}

static int proxy_fields_describe(const struct proxy_description *description,
        const struct weir_http_proxy_options *options, struct weir_http_exchange *exchange)
{
	bool x = options->forwarded == WEIR_HTTP_FORWARDED_X ||
	         options->forwarded == WEIR_HTTP_FORWARDED_BOTH;
	bool rfc = options->forwarded == WEIR_HTTP_FORWARDED_RFC ||
	           options->forwarded == WEIR_HTTP_FORWARDED_BOTH;
	int error = 0;
	if (x) {
		error = proxy_fields_add_for(description);
		proxy_fields_add_or_keep(
		        description, WEIR_SPAN("X-Forwarded-Proto"), description->scheme);
		proxy_fields_add_or_keep(
		        description, WEIR_SPAN("X-Forwarded-Host"), description->request->host);
	}
	if (!error && rfc)
		error = proxy_fields_add_forwarded(description);
	if (!error && options->request_id)
		error = proxy_fields_add_id(description, exchange);
	if (!error && options->via)
		proxy_fields_put(description->to, WEIR_SPAN("Via"),
		        description->request->minor ? WEIR_SPAN("1.1 weir")
		                                    : WEIR_SPAN("1.0 weir"));
	return error;
}

/* -- the request ------------------------------------------------------------------------------- */

/* More than the addresses, names and separators need. */
enum {
	PROXY_TEXT_EXTRA = 1024
};

static int proxy_fields_reserve(
        struct weir_buffer *text, const struct weir_http_request *request, size_t extra)
{
	size_t size = PROXY_TEXT_EXTRA + request->host.size + extra;
	for (unsigned i = 0; i < request->field_count; i++)
		if (proxy_fields_describes_client(request->fields[i].name))
			size += request->fields[i].value.size + 2;
	return weir_buffer_reserve(text, size, SIZE_MAX);
}

/*
 * A trusted client's fields about another client are passed on as they are, but for those that are
 * continued. FastCGI continues none: it describes the client by variables.
 */
static bool proxy_fields_are_kept(const struct proxy_description *description,
        const struct proxy_job *job, struct weir_span name)
{
	return description->trusted &&
	       (job->script.text.data
	                       ? !proxy_fields_same_but_underscores(name, WEIR_SPAN("X-Request-ID"))
	                       : !proxy_fields_is_made(name));
}

/* RFC 9110 6.5.1: what frames, routes or describes a message is no trailer. */
bool http_proxy_passes_trailer(const struct proxy_job *job, const struct weir_http_field *field)
{
	static const struct proxy_options none;
	const struct weir_http_exchange *exchange = job->exchange;
	return http_proxy_passes(&none, field) && !proxy_fields_describes_client(field->name) &&
	       !(exchange && exchange->handling &&
	               proxy_fields_is_granted(&exchange->handling->granted, field->name));
}

static int proxy_fields_make(struct proxy_job *job, struct proxy_request *ret)
{
	const struct weir_http_proxy_options *options = &job->proxy->options;
	const struct weir_http_request *request = weir_http_request(job->exchange);
	const struct weir_address *peer = weir_http_peer(job->exchange);
	const struct weir_buffer *granted = &job->exchange->handling->granted;
	struct proxy_options connection;
	struct weir_tls_info tls;
	char address[WEIR_ADDRESS_TEXT_MAX];
	struct proxy_description description = {.request = request, .to = ret};
	description.trusted = weir_networks_contain(options->trusted, options->trusted_count, peer);
	description.scheme =
	        weir_http_tls(job->exchange, &tls) ? WEIR_SPAN("https") : WEIR_SPAN("http");
	description.address = weir_span(address, weir_address_host(peer, address));
	int error = http_proxy_find_options(request->fields, request->field_count, &connection);
	if (!error)
		error = proxy_fields_reserve(&ret->text, request, http_proxy_params_size(job));
	for (unsigned i = 0; i < request->field_count && !error; i++) {
		const struct weir_http_field *field = &request->fields[i];
		if (http_proxy_passes(&connection, field) &&
		        !(*job->key && request->known[i] == WEIR_HTTP_SEC_WEBSOCKET_KEY) &&
		        (!proxy_fields_describes_client(field->name) ||
		                proxy_fields_are_kept(&description, job, field->name)) &&
		        !proxy_fields_is_granted(granted, field->name))
			proxy_fields_put(ret, field->name, field->value);
	}
	struct weir_http_field field;
	for (size_t at = 0; proxy_fields_next_granted(granted, &at, &field);)
		if (field.value.size)
			proxy_fields_put(ret, field.name, field.value);
	if (*job->key)
		proxy_fields_put(ret, WEIR_SPAN("Sec-WebSocket-Key"), weir_span_of(job->key));
	return error ? error : proxy_fields_describe(&description, options, job->exchange);
}

static int proxy_fields_make_url(struct proxy_job *job, struct weir_buffer *url)
{
	const struct weir_http_request *request = weir_http_request(job->exchange);
	const struct proxy *proxy = job->proxy;
	const size_t limit = WEIR_HTTP_CLIENT_URL_MAX;
	int error =
	        weir_buffer_append(url, job->upstream->base, strlen(job->upstream->base), limit);
	if (!error)
		error = http_path_put_raw(url, request->path,
		        proxy->options.strip ? http_path_segments(weir_span_of(proxy->prefix)) : 0,
		        limit);
	if (!error && request->has_query)
		error = weir_buffer_append(url, "?", 1, limit);
	if (!error)
		error = weir_buffer_append(url, request->query.data, request->query.size, limit);
	return error ? error : weir_buffer_append(url, "", 1, limit + 1);
}

int http_proxy_make_request(struct proxy_job *job, struct proxy_request *ret)
{
	struct weir_span host = weir_http_request(job->exchange)->host;
	ret->url = ret->text = (struct weir_buffer){0};
	ret->count = ret->param_count = 0;
	ret->host = job->proxy->host;
	int error = proxy_fields_make_url(job, &ret->url);
	if (!error)
		error = http_proxy_make_key(job);
	if (!error)
		error = proxy_fields_make(job, ret);
	if (!error && job->script.text.data)
		error = http_proxy_add_params(job, ret);
	if (error || (ret->host && *ret->host))
		return error;
	/* The client's, or without one the upstream's, which the URL has. */
	bool client = !ret->host && host.size;
	ret->host = client ? ret->host_text : NULL;
	if (client && !text_copy_span(ret->host_text, sizeof ret->host_text, host))
		return WEIR_E_SYNTAX;
	return 0;
}

void http_proxy_request_finish(struct proxy_request *request)
{
	weir_buffer_finish(&request->url);
	weir_buffer_finish(&request->text);
}
