/* The function handler: a program's own callback for the paths under a prefix. */
#include <stdlib.h>

#include <weir/http.h>
#include <weir/list.h>

struct function {
	struct weir_http_handler handler;
	struct weir_span prefix;
	void (*handle)(void *context, struct weir_http_exchange *exchange);
	void *context;
};

static bool http_function_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct function *function = WEIR_CONTAINER(handler, struct function, handler);
	return weir_span_starts(weir_http_path(exchange), function->prefix);
}

static void http_function_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct function *function = WEIR_CONTAINER(handler, struct function, handler);
	function->handle(function->context, exchange);
}

static void http_function_destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct function, handler));
}

struct weir_http_handler *weir_http_function_create(const char *prefix,
        void (*handle_exchange)(void *context, struct weir_http_exchange *exchange), void *context)
{
	static const struct weir_http_handler_type type = {.name = "function",
	        .match = http_function_match,
	        .handle = http_function_handle,
	        .destroy = http_function_destroy};
	struct function *function = calloc(1, sizeof *function);
	if (!function)
		return NULL;
	function->handler.type = &type;
	function->prefix = weir_span_of(prefix);
	function->handle = handle_exchange;
	function->context = context;
	return &function->handler;
}
