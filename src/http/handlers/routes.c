/*
 * The functions of a program as handlers: by a table of routes, or one for all paths under a
 * prefix.
 *
 * A table is searched from its start. Nothing is compiled, and nothing is allocated for a request.
 * An exchange stores its route, and the values in its path are found by matching again, so that
 * they are right after the path was copied.
 */
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/http.h>
#include <weir/http_routes.h>
#include <weir/list.h>

#include "exchange.h"

struct routes {
	struct weir_http_handler handler;
	const struct weir_http_route *routes;
	size_t count;
	void *context;
};

/* -- paths ------------------------------------------------------------------------------------- */

/* Returns whether the segment is "{name}" or "{name...}", its name, and which of the two. */
static bool http_routes_parameter(
        struct weir_span segment, struct weir_span *ret_name, bool *ret_rest)
{
	if (segment.size < 2 || segment.data[0] != '{' || segment.data[segment.size - 1] != '}')
		return false;
	*ret_name = weir_span(segment.data + 1, segment.size - 2);
	*ret_rest =
	        ret_name->size >= 3 && memcmp(ret_name->data + ret_name->size - 3, "...", 3) == 0;
	if (*ret_rest)
		ret_name->size -= 3;
	return true;
}

/*
 * Returns whether the path matches, and in *ret the value of the parameter `wanted`, if there is
 * one.
 */
static bool http_routes_fit(struct weir_span pattern, struct weir_span path,
        struct weir_span wanted, struct weir_span *ret)
{
	while (pattern.size && path.size) {
		struct weir_span expected, segment, name, whole = path;
		bool rest;
		bool more = weir_span_cut(&pattern, '/', &expected);
		bool longer = weir_span_cut(&path, '/', &segment);
		if (!http_routes_parameter(expected, &name, &rest)) {
			if (!weir_span_equal(expected, segment))
				return false;
		} else {
			if (wanted.size && weir_span_equal(name, wanted))
				*ret = rest ? whole : segment;
			if (rest)
				return true;
		}
		if (more != longer)
			return false;
	}
	return pattern.size == 0 && path.size == 0;
}

static bool http_routes_path_fits(
        const struct weir_http_route *route, const struct weir_http_exchange *exchange)
{
	struct weir_span none;
	return http_routes_fit(
	        weir_span_of(route->path), weir_http_path(exchange), WEIR_SPAN(""), &none);
}

static bool http_routes_method_fits(
        const struct weir_http_route *route, const struct weir_http_request *request)
{
	if (!route->method)
		return true;
	struct weir_span method = weir_span_of(route->method);
	return weir_span_equal(method, request->method_name) ||
	       (request->method == WEIR_HTTP_HEAD && weir_span_equal(method, WEIR_SPAN("GET")));
}

struct weir_span weir_http_route_value(const struct weir_http_exchange *exchange, const char *name)
{
	struct weir_span value = {0};
	if (exchange->handling->route)
		http_routes_fit(weir_span_of(exchange->handling->route->path),
		        weir_http_path(exchange), weir_span_of(name), &value);
	return value;
}

/* -- methods that no route has ----------------------------------------------------------------- */

static bool http_routes_listed(struct weir_span list, struct weir_span method)
{
	struct weir_span one;
	while (list.size) {
		weir_span_cut(&list, ',', &one);
		if (weir_span_equal(weir_span_trim(one), method))
			return true;
	}
	return false;
}

static int http_routes_list_add(struct weir_buffer *list, struct weir_span method)
{
	if (http_routes_listed(weir_buffer_span(list), method))
		return 0;
	return weir_buffer_format(list, WEIR_HTTP_REPLY_FIELDS_MAX, "%s%.*s",
	        list->size ? ", " : "", (int)method.size, method.data);
}

static int http_routes_allow(const struct routes *routes, const struct weir_http_exchange *exchange,
        struct weir_buffer *list)
{
	int error = 0;
	for (size_t i = 0; i < routes->count && error == 0; i++) {
		const struct weir_http_route *route = &routes->routes[i];
		if (!http_routes_path_fits(route, exchange))
			continue;
		error = http_routes_list_add(list, weir_span_of(route->method));
		if (error == 0 && strcmp(route->method, "GET") == 0)
			error = http_routes_list_add(list, WEIR_SPAN("HEAD"));
	}
	return error ? error : http_routes_list_add(list, WEIR_SPAN("OPTIONS"));
}

static void http_routes_refuse(const struct routes *routes, struct weir_http_exchange *exchange)
{
	struct weir_buffer list = {0};
	int error = http_routes_allow(routes, exchange, &list);
	if (error == 0)
		error = weir_http_add_field(exchange, "Allow", weir_buffer_span(&list));
	weir_buffer_finish(&list);
	if (error)
		weir_http_reply_error(exchange, 500);
	else if (weir_http_request(exchange)->method == WEIR_HTTP_OPTIONS)
		weir_http_reply_empty(exchange, 204);
	else
		weir_http_reply_error(exchange, 405);
}

/* -- the handler ------------------------------------------------------------------------------- */

static bool http_routes_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct routes *routes = WEIR_CONTAINER(handler, struct routes, handler);
	for (size_t i = 0; i < routes->count; i++)
		if (http_routes_path_fits(&routes->routes[i], exchange))
			return true;
	return false;
}

static void http_routes_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct routes *routes = WEIR_CONTAINER(handler, struct routes, handler);
	for (size_t i = 0; i < routes->count; i++) {
		const struct weir_http_route *route = &routes->routes[i];
		if (!http_routes_method_fits(route, weir_http_request(exchange)) ||
		        !http_routes_path_fits(route, exchange))
			continue;
		exchange->handling->route = route;
		route->handle(routes->context, exchange);
		return;
	}
	http_routes_refuse(routes, exchange);
}

static void http_routes_destroy(struct weir_http_handler *handler)
{
	free(WEIR_CONTAINER(handler, struct routes, handler));
}

struct weir_http_handler *weir_http_routes_create(
        const struct weir_http_route *table, size_t count, void *context)
{
	static const struct weir_http_handler_type type = {
	        "routes", http_routes_match, http_routes_handle, http_routes_destroy};
	struct routes *routes = calloc(1, sizeof *routes);
	if (!routes)
		return NULL;
	routes->handler.type = &type;
	routes->routes = table;
	routes->count = count;
	routes->context = context;
	return &routes->handler;
}

/* -- functions --------------------------------------------------------------------------------- */

/* A program's own callback for the paths under a prefix. */
struct function {
	struct weir_http_handler handler;
	struct weir_span prefix;
	weir_http_handle_fn *handle;
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

struct weir_http_handler *weir_http_function_create(
        const char *prefix, weir_http_handle_fn *handle_exchange, void *context)
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
