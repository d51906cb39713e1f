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
 * The first route of the table whose path and method fit handles the exchange. A path that fits no
 * route is left to the handlers behind this one in the chain; behind the last that is a 404.
 *
 * Where routes have the path but none has the method, the reply is made here: 405 with Allow, and
 * for OPTIONS 204 with Allow. A route for GET also answers HEAD, unless an earlier route for HEAD
 * fits; the reply's body is not sent then.
 */
#ifndef WEIR_HTTP_ROUTES_H
#define WEIR_HTTP_ROUTES_H

#include <stddef.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/span.h>

struct weir_http_route {
	const char *method; /* case counts; NULL: all */
	/*
	 * Compared with weir_http_path: no '/' at its ends, "" is the root. "{name}" is a whole
	 * segment, never an empty one; "{name...}" is the rest of the path, as the last segment.
	 */
	const char *path;
	void (*handle)(void *context, struct weir_http_exchange *exchange);
};

/* Table and texts are borrowed, and outlive the exchanges. NULL without memory. */
WEIR_API struct weir_http_handler *weir_http_routes_create(
        const struct weir_http_route *routes, size_t count, void *context);

/*
 * The value of "{name}" or "{name...}" in the path of the exchange, decoded like weir_http_path.
 * Absent, or when the exchange is with no route: data is NULL. Valid until the route's function
 * returns; where it returns without a reply, call this again later: the path has moved.
 */
WEIR_API struct weir_span weir_http_route_value(
        const struct weir_http_exchange *exchange, const char *name);

#endif
