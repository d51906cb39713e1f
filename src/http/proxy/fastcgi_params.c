/*
 * The variables of CGI/1.1 (RFC 3875 4.1) that describe the script, the server and the client. The
 * client of HTTP makes those of the request itself (client_fastcgi.c).
 */
#include <stdarg.h>
#include <string.h>

#include <weir/address.h>
#include <weir/tls.h>

#include "exchange.h"
#include "head.h"
#include "path.h"
#include "proxy_state.h"

static void fastcgi_params_put(struct proxy_request *to, const char *name, struct weir_span value)
{
	to->params[to->param_count++] = (struct weir_http_field){weir_span_of(name), value};
}

/* The text has room, so that it does not move. */
static int __attribute__((format(printf, 3, 4)))
fastcgi_params_format(struct proxy_request *to, const char *name, const char *format, ...)
{
	size_t start = to->text.size;
	va_list arguments;
	char text[WEIR_ADDRESS_TEXT_MAX];
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	int error = weir_buffer_append(&to->text, text, (size_t)size, SIZE_MAX);
	if (!error)
		fastcgi_params_put(to, name, weir_span(to->text.data + start, (size_t)size));
	return error;
}

/* -- the script -------------------------------------------------------------------------------- */

size_t http_proxy_params_size(const struct proxy_job *job)
{
	const char *root = job->proxy->application_root;
	if (!job->script.text.data)
		return 0;
	return PROXY_PARAMS_TEXT_MAX + (root ? strlen(root) : 0) + job->script.name_size +
	       weir_http_request(job->exchange)->target.size;
}

static int fastcgi_params_add_script(const struct proxy_job *job, struct proxy_request *to)
{
	const char *root = job->proxy->application_root;
	struct weir_span text = weir_buffer_span(&job->script.text);
	struct weir_span name = weir_span(text.data, job->script.name_size);
	struct weir_span info = weir_span_skip(text, name.size);
	size_t start = to->text.size;
	fastcgi_params_put(to, "SCRIPT_NAME", name);
	if (info.size)
		fastcgi_params_put(to, "PATH_INFO", info);
	if (!root)
		return 0;
	int error = weir_buffer_append(&to->text, root, strlen(root), SIZE_MAX);
	if (!error)
		error = weir_buffer_append(&to->text, name.data, name.size, SIZE_MAX);
	if (error)
		return error;
	fastcgi_params_put(to, "DOCUMENT_ROOT", weir_span_of(root));
	fastcgi_params_put(
	        to, "SCRIPT_FILENAME", weir_span(to->text.data + start, to->text.size - start));
	return 0;
}

/* The target without a scheme and an authority (RFC 9112 3.2.2). */
static struct weir_span fastcgi_params_origin_form(struct weir_span target)
{
	struct weir_span before;
	if (!weir_span_starts(target, WEIR_SPAN("/"))) {
		weir_span_cut(&target, '/', &before);
		weir_span_cut(&target, '/', &before);
		while (target.size && *target.data != '/' && *target.data != '?')
			target = weir_span_skip(target, 1);
	}
	return target;
}

/*
 * Applications with one script for all paths choose a page by REQUEST_URI. So it is what the client
 * has asked for, also where rules have led the request to a script.
 */
static int fastcgi_params_add_uri(
        const struct weir_http_exchange *exchange, struct proxy_request *to)
{
	if (!exchange->handling->rewrites)
		return 0;
	struct weir_span query = fastcgi_params_origin_form(weir_http_request(exchange)->target);
	struct weir_span path;
	size_t start = to->text.size;
	bool has_query = weir_span_cut(&query, '?', &path);
	int error = http_path_put_raw(&to->text, path, 0, SIZE_MAX);
	if (!error && has_query)
		error = weir_buffer_append(&to->text, "?", 1, SIZE_MAX);
	if (!error && has_query)
		error = weir_buffer_append(&to->text, query.data, query.size, SIZE_MAX);
	if (!error)
		fastcgi_params_put(
		        to, "REQUEST_URI", weir_span(to->text.data + start, to->text.size - start));
	return error;
}

/* -- the connection ---------------------------------------------------------------------------- */

/* The name that the client asks for, without its port; else the address that it has found. */
static int fastcgi_params_add_server(
        const struct weir_http_exchange *exchange, struct proxy_request *to)
{
	struct weir_address local = {.v4 = {.sin_family = AF_INET}};
	struct weir_span host;
	char address[WEIR_ADDRESS_TEXT_MAX];
	int port;
	if (exchange->channel)
		weir_channel_local(exchange->channel, &local);
	weir_address_host(&local, address);
	int error = fastcgi_params_format(to, "SERVER_ADDR", "%s", address);
	if (!error)
		error = fastcgi_params_format(to, "SERVER_PORT", "%u", weir_address_port(&local));
	if (error)
		return error;
	if (http_authority_parse(weir_http_request(exchange)->host, &host, &port) < 0)
		host = to->params[to->param_count - 2].value;
	fastcgi_params_put(to, "SERVER_NAME", host);
	fastcgi_params_put(to, "SERVER_SOFTWARE", WEIR_SPAN("weir"));
	return 0;
}

/* The user has proved the name by one of the two (RFC 3875 4.1.1). */
static struct weir_span fastcgi_params_scheme(const struct weir_http_exchange *exchange)
{
	struct weir_span rest =
	        weir_http_request_known(weir_http_request(exchange), WEIR_HTTP_AUTHORIZATION);
	struct weir_span scheme = {0};
	if (rest.data)
		weir_span_cut(&rest, ' ', &scheme);
	return weir_span_equal_nocase(scheme, WEIR_SPAN("Bearer")) ? WEIR_SPAN("Bearer")
	                                                           : WEIR_SPAN("Basic");
}

static int fastcgi_params_add_client(
        const struct weir_http_exchange *exchange, struct proxy_request *to)
{
	const struct weir_address *peer = weir_http_peer(exchange);
	struct weir_span user = weir_http_user(exchange);
	struct weir_tls_info tls;
	char address[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(peer, address);
	int error = fastcgi_params_format(to, "REMOTE_ADDR", "%s", address);
	if (!error)
		error = fastcgi_params_format(to, "REMOTE_PORT", "%u", weir_address_port(peer));
	if (user.size) {
		fastcgi_params_put(to, "AUTH_TYPE", fastcgi_params_scheme(exchange));
		fastcgi_params_put(to, "REMOTE_USER", user);
	}
	bool secure = weir_http_tls(exchange, &tls);
	if (secure)
		fastcgi_params_put(to, "HTTPS", WEIR_SPAN("on"));
	fastcgi_params_put(to, "REQUEST_SCHEME", secure ? WEIR_SPAN("https") : WEIR_SPAN("http"));
	return error;
}

static struct weir_span fastcgi_params_protocol(const struct weir_http_exchange *exchange)
{
	if (exchange->connection->major == 2)
		return WEIR_SPAN("HTTP/2.0");
	return weir_http_request(exchange)->minor ? WEIR_SPAN("HTTP/1.1") : WEIR_SPAN("HTTP/1.0");
}

int http_proxy_add_params(struct proxy_job *job, struct proxy_request *request)
{
	int error = fastcgi_params_add_script(job, request);
	if (!error)
		error = fastcgi_params_add_uri(job->exchange, request);
	if (!error)
		error = fastcgi_params_add_server(job->exchange, request);
	if (!error)
		error = fastcgi_params_add_client(job->exchange, request);
	fastcgi_params_put(request, "SERVER_PROTOCOL", fastcgi_params_protocol(job->exchange));
	/* PHP asks for this where it is built to be behind a server. */
	fastcgi_params_put(request, "REDIRECT_STATUS", WEIR_SPAN("200"));
	return error;
}
