/* The handler of a proxy: which requests it passes on, and its options. */
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "path.h"
#include "proxy_state.h"

bool http_proxy_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct proxy *proxy = WEIR_CONTAINER(handler, const struct proxy, handler);
	/* "*" of OPTIONS is no path. */
	return weir_span_starts(weir_http_request(exchange)->path, WEIR_SPAN("/")) &&
	       http_path_below(weir_http_path(exchange), weir_span_of(proxy->prefix));
}

static void proxy_handle(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	http_proxy_start(WEIR_CONTAINER(handler, struct proxy, handler), exchange, NULL);
}

void http_proxy_finish(struct proxy *proxy)
{
	weir_http_upstreams_release(proxy->options.upstreams);
	free(proxy->prefix);
	free(proxy->host);
	free(proxy->trusted);
}

static void proxy_destroy(struct weir_http_handler *handler)
{
	struct proxy *proxy = WEIR_CONTAINER(handler, struct proxy, handler);
	http_proxy_finish(proxy);
	free(proxy);
}

/* The upstream has methods of its own, so all are allowed. */
unsigned http_proxy_methods(const struct weir_http_handler *handler,
        const struct weir_http_exchange *exchange, enum weir_http_target target)
{
	if (target == WEIR_HTTP_TARGET_SITE || !http_proxy_match(handler, exchange))
		return 0;
	return 1u << WEIR_HTTP_GET | 1u << WEIR_HTTP_HEAD | 1u << WEIR_HTTP_POST |
	       1u << WEIR_HTTP_PUT | 1u << WEIR_HTTP_DELETE | 1u << WEIR_HTTP_OPTIONS;
}

void weir_http_proxy_options_init(struct weir_http_proxy_options *options)
{
	*options = (struct weir_http_proxy_options){.prefix = "",
	        .via = true,
	        .request_id = true,
	        .body_max = UINT64_MAX,
	        .zstd = true,
	        .compress_level = WEIR_COMPRESS_LEVEL_MIN};
}

bool http_proxy_init(struct proxy *proxy, const struct weir_http_proxy_options *options)
{
	size_t size = options->trusted_count * sizeof *options->trusted;
	proxy->options = *options;
	weir_http_upstreams_hold(options->upstreams);
	proxy->prefix = strdup(options->prefix);
	proxy->host = options->host ? strdup(options->host) : NULL;
	proxy->trusted = size ? malloc(size) : NULL;
	if (proxy->trusted)
		memcpy(proxy->trusted, options->trusted, size);
	proxy->options.trusted = proxy->trusted;
	return proxy->prefix && (proxy->host || !options->host) && (proxy->trusted || !size) &&
	       http_proxy_make_via(proxy);
}

struct weir_http_handler *weir_http_proxy_create(const struct weir_http_proxy_options *options)
{
	static const struct weir_http_handler_type type = {.name = "proxy",
	        .match = http_proxy_match,
	        .handle = proxy_handle,
	        .destroy = proxy_destroy,
	        .methods = http_proxy_methods,
	        .behind_files = true};
	bool http = options->upstreams && !options->upstreams->options.fastcgi;
	struct proxy *proxy = http ? calloc(1, sizeof *proxy) : NULL;
	if (!proxy)
		return NULL;
	proxy->handler.type = &type;
	if (!http_proxy_init(proxy, options)) {
		proxy_destroy(&proxy->handler);
		return NULL;
	}
	return &proxy->handler;
}
