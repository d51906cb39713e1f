/*
 * From http to https: the same host, path and query. The host is the one that was asked for, which
 * Host's grammar keeps from being anything else than a host, so that nobody but the client itself
 * is led astray.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http_redirect.h>
#include <weir/limits.h>
#include <weir/list.h>

#include "authority.h"
#include "exchange.h"
#include "location.h"

struct redirect_https {
	struct weir_http_handler handler;
	unsigned port;
};

static bool http_redirect_https_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	(void)handler;
	return exchange->channel && !weir_channel_secure(exchange->channel) &&
	       weir_span_starts(weir_http_request(exchange)->path, WEIR_SPAN("/"));
}

/* An address as it stands in a URL. */
static int http_redirect_https_put_local(
        struct weir_buffer *location, const struct weir_http_exchange *exchange)
{
	struct weir_address local;
	char host[WEIR_ADDRESS_TEXT_MAX];
	int error =
	        exchange->channel ? weir_channel_local(exchange->channel, &local) : WEIR_E_CLOSED;
	if (error < 0)
		return error;
	weir_address_host(&local, host);
	return weir_buffer_format(
	        location, WEIR_HTTP_REPLY_FIELDS_MAX, strchr(host, ':') ? "[%s]" : "%s", host);
}

static int http_redirect_https_put_host(
        struct weir_buffer *location, const struct weir_http_exchange *exchange)
{
	struct weir_span host;
	int port;
	if (http_authority_parse(weir_http_request(exchange)->host, &host, &port) < 0)
		return http_redirect_https_put_local(location, exchange);
	return weir_buffer_append(location, host.data, host.size, WEIR_HTTP_REPLY_FIELDS_MAX);
}

static int http_redirect_https_compose(const struct redirect_https *redirect,
        const struct weir_http_exchange *exchange, struct weir_buffer *location)
{
	const size_t limit = WEIR_HTTP_REPLY_FIELDS_MAX;
	int error = weir_buffer_format(location, limit, "https://");
	if (error == 0)
		error = http_redirect_https_put_host(location, exchange);
	if (error == 0 && redirect->port && redirect->port != 443)
		error = weir_buffer_format(location, limit, ":%u", redirect->port);
	if (error == 0 && weir_http_path(exchange).size == 0)
		error = weir_buffer_append(location, "/", 1, limit);
	return error ? error : http_location_put_rest(location, exchange, 0, limit);
}

static void http_redirect_https_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct redirect_https *redirect =
	        WEIR_CONTAINER(handler, struct redirect_https, handler);
	struct weir_buffer location = {0};
	int error = http_redirect_https_compose(redirect, exchange, &location);
	if (error == 0)
		error = weir_http_add_field(exchange, "Location", weir_buffer_span(&location));
	weir_buffer_finish(&location);
	weir_http_reply_error(exchange, error == 0 ? 308 : error == WEIR_E_LIMIT ? 414 : 500);
}

static void http_redirect_https_destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct redirect_https, handler));
}

struct weir_http_handler *weir_http_https_redirect_create(unsigned port)
{
	static const struct weir_http_handler_type type = {"redirect_to_https",
	        http_redirect_https_match, http_redirect_https_handle, http_redirect_https_destroy};
	struct redirect_https *redirect = calloc(1, sizeof *redirect);
	if (!redirect)
		return NULL;
	redirect->handler.type = &type;
	redirect->port = port;
	return &redirect->handler;
}
