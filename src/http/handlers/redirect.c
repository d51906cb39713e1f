/*
 * Redirects of a prefix, and from http to https.
 *
 * Location is composed from the normalized path, and each segment is escaped again, so that a
 * client can neither end the field nor name another host. To https, the host is that of the
 * request; the grammar of Host has been checked, so the field cannot hold anything else. The query
 * is copied unchanged. Left out: patterns; a prefix is moved with all below it.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http_redirect.h>
#include <weir/limits.h>
#include <weir/list.h>

#include "exchange.h"
#include "head.h"
#include "path.h"

/* -- from a prefix ----------------------------------------------------------------------------- */

struct redirect {
	struct weir_http_handler handler;
	struct weir_span from; /* in text, as is `to` */
	struct weir_span to;
	unsigned status;
	char text[];
};

static bool http_redirect_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct redirect *redirect = WEIR_CONTAINER(handler, struct redirect, handler);
	/* "*" of OPTIONS is no path; and a path that a rule has rewritten is not the client's. */
	return weir_span_starts(weir_http_request(exchange)->path, WEIR_SPAN("/")) &&
	       !exchange->handling->rewrites &&
	       http_path_below(weir_http_path(exchange), redirect->from);
}

static bool http_redirect_ends_in_slash(struct weir_span text)
{
	return text.size && text.data[text.size - 1] == '/';
}

/* Returns 0, -ENOMEM or WEIR_E_LIMIT. */
static int http_redirect_compose(const struct redirect *redirect,
        const struct weir_http_exchange *exchange, struct weir_buffer *location)
{
	const size_t limit = WEIR_HTTP_REPLY_FIELDS_MAX;
	struct weir_span to = redirect->to;
	/* The rest of the path begins with a slash of its own. */
	if (weir_http_path(exchange).size > redirect->from.size && http_redirect_ends_in_slash(to))
		to.size--;
	int error = weir_buffer_append(location, to.data, to.size, limit);
	return error ? error
	             : http_location_put_rest(location, exchange, redirect->from.size, limit);
}

static void http_redirect_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct redirect *redirect = WEIR_CONTAINER(handler, struct redirect, handler);
	struct weir_buffer location = {0};
	int error = http_redirect_compose(redirect, exchange, &location);
	if (error == 0)
		error = weir_http_add_field(exchange, "Location", weir_buffer_span(&location));
	weir_buffer_finish(&location);
	weir_http_reply_error(exchange, error == 0              ? redirect->status
	                                : error == WEIR_E_LIMIT ? 414
	                                                        : 500);
}

static void http_redirect_destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct redirect, handler));
}

struct weir_http_handler *weir_http_redirect_create(
        const char *from, const char *to, unsigned status)
{
	static const struct weir_http_handler_type type = {.name = "redirect",
	        .match = http_redirect_match,
	        .handle = http_redirect_handle,
	        .destroy = http_redirect_destroy};
	size_t from_size = strlen(from), to_size = strlen(to);
	struct redirect *redirect = malloc(sizeof *redirect + from_size + to_size);
	if (!redirect)
		return NULL;
	memcpy(redirect->text, from, from_size);
	memcpy(redirect->text + from_size, to, to_size);
	redirect->handler = (struct weir_http_handler){.type = &type};
	redirect->from = weir_span(redirect->text, from_size);
	redirect->to = weir_span(redirect->text + from_size, to_size);
	redirect->status = status;
	return &redirect->handler;
}

/* -- from http to https ------------------------------------------------------------------------ */

struct redirect_https {
	struct weir_http_handler handler;
	unsigned port;
};

static bool http_redirect_https_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	(void)handler;
	return exchange->channel && !weir_http_secure(exchange) &&
	       weir_span_starts(weir_http_request(exchange)->path, WEIR_SPAN("/"));
}

/* An address in the syntax of a URL. */
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
	/* The port that a client of a forwarder reaches is the forwarder's. */
	const struct http_handling *handling = exchange->handling;
	bool forwarded = handling->forwarded || handling->forwarded_scheme != HTTP_SCHEME_UNKNOWN;
	if (error == 0 && redirect->port && redirect->port != 443 && !forwarded)
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
