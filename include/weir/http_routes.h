/*
 * Routes: handlers chosen by method and path, and the values in the path.
 *
 *   static const struct weir_http_route routes[] = {
 *           {"GET", "notes", notes_list},
 *           {"POST", "notes", notes_add},
 *           {"GET", "notes/{id}", notes_show},      weir_http_route_value(exchange, "id")
 *           {"GET", "files/{path...}", files_show}, one segment or more
 *   };
 *   weir_http_routes_create(routes, sizeof routes / sizeof *routes, context)
 *
 * The first route of the table that matches path and method handles the exchange. If no route
 * matches the path, the exchange goes to the next handler in the chain; behind the last, the reply
 * is 404.
 *
 * If routes match the path, but none the method, the reply is 405 with Allow; for OPTIONS, 204 with
 * Allow. A route for GET also answers HEAD, without the body, unless an earlier route for HEAD
 * matches.
 */
#ifndef WEIR_HTTP_ROUTES_H
#define WEIR_HTTP_ROUTES_H

#include <stddef.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_http_route {
	const char *method; /* case-sensitive; NULL: all */
	/*
	 * Compared with weir_http_path: without '/' at its ends, and "" is the root. "{name}"
	 * matches a whole segment that is not empty; "{name...}", as the last segment, the rest of
	 * the path.
	 */
	const char *path;
	weir_http_handle_fn *handle; /* gets the context of the table */
};

/*
 * Borrows the table and its texts, which must outlive the exchanges. Returns NULL without memory.
 */
WEIR_API struct weir_http_handler *weir_http_routes_create(
        const struct weir_http_route *routes, size_t count, void *context);

/*
 * Returns the value of "{name}" or "{name...}" in the path of the exchange, decoded as
 * weir_http_path; its data is NULL if the route has no such name. The value is valid until the
 * route's function returns. A function that replies later calls this again, since the path has
 * moved by then.
 */
WEIR_API struct weir_span weir_http_route_value(
        const struct weir_http_exchange *exchange, const char *name);

WEIR_C_END

#endif
