/* Routes: which one answers, what the values are, what is answered where the method is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <weir/http_routes.h>
#include <weir/list.h>
#include "allocation.h"
#include "web.h"
#include "with_loop.h"

static void say(struct weir_http_exchange *exchange, const char *who)
{
	struct weir_span id = weir_http_route_value(exchange, "id");
	struct weir_span path = weir_http_route_value(exchange, "path");
	char text[256];
	assert_null(weir_http_route_value(exchange, "other").data);
	assert_null(weir_http_route_value(exchange, "").data);
	int size = snprintf(text, sizeof text, "%s|%.*s|%.*s|", who, (int)id.size,
	        id.data ? id.data : "", (int)path.size, path.data ? path.data : "");
	weir_http_reply_text(exchange, 200, "text/plain", weir_span(text, (size_t)size));
}

#define ROUTE(name)                                                                                \
	static void name(void *context, struct weir_http_exchange *exchange)                       \
	{                                                                                          \
		assert_string_equal(context, "context");                                           \
		say(exchange, #name);                                                              \
	}
ROUTE(root)
ROUTE(list)
ROUTE(add)
ROUTE(show)
ROUTE(fixed)
ROUTE(files)
ROUTE(any)

struct deferred {
	struct weir_task task;
	struct weir_http_exchange *exchange;
};

static struct deferred deferred;

static void deferred_reply(struct weir_task *task)
{
	say(WEIR_CONTAINER(task, struct deferred, task)->exchange, "slow");
}

static void slow(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	deferred = (struct deferred){{.run = deferred_reply}, exchange};
	weir_loop_defer(weir_http_loop(exchange), &deferred.task);
}

static const struct weir_http_route table[] = {
        {"GET", "", root},
        {"GET", "notes", list},
        {"POST", "notes", add},
        {"GET", "notes/all", fixed},
        {"GET", "notes/{id}", show},
        {"DELETE", "notes/{id}", show},
        {"GET", "files/{id}/{path...}", files},
        {NULL, "any/{id}", any},
        {"GET", "slow/{id}", slow},
};

static void rest(void *context, struct weir_http_exchange *exchange)
{
	assert_null(weir_http_route_value(exchange, "id").data);
	weir_http_reply_text(exchange, 200, "text/plain", weir_span_of(context));
}

static struct weir_http_handler *routes(void)
{
	return weir_http_routes_create(table, sizeof table / sizeof *table, (void *)"context");
}

static const char *ask(struct web *web, const char *method, const char *path)
{
	char request[256];
	snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	        method, path);
	return web_ask(web, request);
}

static void a_route_is_chosen_by_method_and_path(void **state)
{
	static const char *const cases[][3] = {
	        {"GET", "/", "\r\n\r\nroot||"},
	        {"GET", "/notes", "\r\n\r\nlist||"},
	        {"GET", "/notes/", "\r\n\r\nlist||"},
	        {"POST", "/notes?x=y", "\r\n\r\nadd||"},
	        {"GET", "/notes/all", "\r\n\r\nfixed||"},
	        {"GET", "/notes/a%20%7Bb", "\r\n\r\nshow|a {b|"},
	        {"DELETE", "/notes/all", "\r\n\r\nshow|all|"},
	        {"GET", "/files/7/a/b%3F/c", "\r\n\r\nfiles|7|a/b?/c|"},
	        {"BREW", "/any/tea", "\r\n\r\nany|tea|"},
	        {"HEAD", "/notes/x", "Content-Length: 8\r\n"},
	        {"GET", "/slow/later", "\r\n\r\nslow|later|"},
	        {"GET", "/notes/a/b", "\r\n\r\nrest"},
	        {"GET", "/files/7", "\r\n\r\nrest"},
	        {"POST", "/note", "\r\n\r\nrest"},
	        {"GET", "/notesx", "\r\n\r\nrest"},
	};
	struct web web = {0};
	web_start(&web, *state,
	        weir_http_chain(routes(), weir_http_function_create("", rest, (void *)"rest")));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_contains(ask(&web, cases[i][0], cases[i][1]), cases[i][2]);
	web_stop(&web);
}

static void another_method_is_405_with_allow(void **state)
{
	struct web web = {0};
	web_start(&web, *state, routes());
	const char *reply = ask(&web, "PUT", "/notes");
	assert_contains(reply, "HTTP/1.1 405 ");
	assert_contains(reply, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
	reply = ask(&web, "get", "/notes/all");
	assert_contains(reply, "HTTP/1.1 405 ");
	assert_contains(reply, "\r\nAllow: GET, HEAD, DELETE, OPTIONS\r\n");
	reply = ask(&web, "OPTIONS", "/notes");
	assert_contains(reply, "HTTP/1.1 204 ");
	assert_contains(reply, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
	assert_contains(ask(&web, "PUT", "/nothing"), "HTTP/1.1 404 ");
	web_stop(&web);
}

static void chains_nest_as_producers_do(void **state)
{
	struct web web = {0};
	struct weir_http_handler *chain = weir_http_chain(
	        weir_http_chain(weir_http_function_create("a", rest, (void *)"first"),
	                weir_http_function_create("b", rest, (void *)"second")),
	        weir_http_chain(routes(), weir_http_function_create("", rest, (void *)"last")));
	web_start(&web, *state, chain);
	assert_contains(ask(&web, "GET", "/a"), "\r\n\r\nfirst");
	assert_contains(ask(&web, "GET", "/b"), "\r\n\r\nsecond");
	assert_contains(ask(&web, "GET", "/notes"), "\r\n\r\nlist");
	assert_contains(ask(&web, "GET", "/x"), "\r\n\r\nlast");
	web_stop(&web);
	assert_null(weir_http_chain(routes(), NULL));
	assert_null(weir_http_chain(NULL, weir_http_chain(routes(), routes())));
	assert_null(weir_http_chain(NULL, NULL));
	fail_allocation_after(1, false);
	chain = weir_http_chain(routes(), routes());
	stop_failing_allocations();
	assert_null(chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_route_is_chosen_by_method_and_path),
	        cmocka_unit_test(another_method_is_405_with_allow),
	        cmocka_unit_test(chains_nest_as_producers_do),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
