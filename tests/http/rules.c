/* Rules behind a real connection: what a reply has, and what is sent when memory is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/http_files.h>
#include <weir/http_routes.h>
#include <weir/http_rules.h>
#include <weir/tree.h>
#include "allocation.h"
#include "web.h"
#include "with_loop.h"

/* A handler of the paths below "app": an error with fields of its own, after the request's body. */
static void app_handle(void *context, struct weir_http_exchange *exchange)
{
	(void)context;
	weir_http_add_field(exchange, "X-App", WEIR_SPAN("1"));
	weir_http_add_field(exchange, "Retry-After", WEIR_SPAN("7"));
	weir_http_reply_text(exchange, 503, "text/plain", WEIR_SPAN("not now"));
}

static const char *const all[] = {"/**"}, *const app[] = {"/app/**"}, *const moved[] = {"/moved/*"},
                         *const rewritten[] = {"/re/**"}, *const tried[] = {"/try/*"};
static const char *const candidates[] = {"/$1", "/$1.html"};
static const struct weir_http_error_page pages[] = {{{500, 599}, "/down.html"}};
static const char *const removed[] = {"X-App"};
static const struct weir_http_field_change changes[] = {
        {.set = "X-A: 1\r\nX-B: 2\r\n", .always = true},
        {.remove = removed, .remove_count = 1, .always = true},
};

static const struct weir_http_rule table[] = {
        {.name = "app",
                .paths = app,
                .path_count = 1,
                .body_max = UINT64_MAX,
                .errors = pages,
                .error_count = 1,
                .changes = changes,
                .change_count = 2},
        {.name = "moved",
                .paths = moved,
                .path_count = 1,
                .body_max = UINT64_MAX,
                .redirect = "/to/$1",
                .redirect_status = 308},
        {.name = "rewritten",
                .paths = rewritten,
                .path_count = 1,
                .body_max = UINT64_MAX,
                .rewrite = "/$1?q"},
        {.name = "tried",
                .paths = tried,
                .path_count = 1,
                .body_max = UINT64_MAX,
                .candidates = candidates,
                .candidate_count = 2,
                .respond = {404, "text/plain", "none"}},
        {.name = "all", .paths = all, .path_count = 1, .body_max = UINT64_MAX},
};

struct site {
	struct web web;
	char root[64];
};

static void write_file(const struct site *site, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", site->root, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static struct weir_http_handler *make_files(const struct site *site)
{
	struct weir_http_files_options options;
	struct weir_tree *tree;
	weir_http_files_options_init(&options);
	assert_int_equal(weir_tree_open(NULL, site->root, NULL, &tree), 0);
	struct weir_http_handler *files = weir_http_files_create(tree, &options);
	assert_non_null(files);
	return files;
}

static void site_start(struct site *site, struct weir_loop *loop)
{
	struct weir_http_handler *files, *check, *act;
	strcpy(site->root, "/tmp/weir-rules-XXXXXX");
	assert_non_null(mkdtemp(site->root));
	write_file(site, "down.html", "down for now");
	write_file(site, "a.html", "a page");
	files = make_files(site);
	const struct weir_http_rules_options options = {
	        .rules = table, .count = sizeof table / sizeof *table, .files = files};
	assert_int_equal(weir_http_rules_create(&options, &check, &act), 0);
	struct weir_http_handler *chain = web_chain(check,
	        web_chain(
	                act, web_chain(weir_http_function_create("app", app_handle, NULL), files)));
	web_start(&site->web, loop, chain);
}

static void site_stop(struct site *site)
{
	char path[128];
	web_stop(&site->web);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", site->root, i ? "a.html" : "down.html");
		unlink(path);
	}
	rmdir(site->root);
}

static const char *ask(struct site *site, const char *line, const char *rest)
{
	char request[512];
	snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s", line,
	        rest);
	return web_ask(&site->web, request);
}

static void a_reply_is_changed(void **state)
{
	struct site site = {0};
	site_start(&site, *state);
	const char *reply = ask(&site, "GET /app/x", "\r\n");
	assert_contains(reply, "HTTP/1.1 503 ");
	assert_contains(reply, "\r\nRetry-After: 7\r\n");
	assert_contains(reply, "\r\nX-A: 1\r\nX-B: 2\r\n");
	assert_contains(reply, "\r\n\r\ndown for now");
	assert_null(strstr(reply, "X-App"));
	reply = ask(&site, "POST /app/x", "Content-Length: 3\r\n\r\nabc");
	assert_contains(reply, "down for now");
	reply = ask(&site, "HEAD /app/x", "\r\n");
	assert_contains(reply, "Content-Length: 12\r\n");
	assert_null(strstr(reply, "down for now"));
	assert_contains(ask(&site, "GET /moved/b", "\r\n"), "\r\nLocation: /to/b\r\n");
	assert_contains(ask(&site, "GET /re/a.html", "\r\n"), "\r\n\r\na page");
	assert_contains(ask(&site, "GET /try/a", "\r\n"), "\r\n\r\na page");
	assert_contains(ask(&site, "GET /try/b", "\r\n"), "\r\n\r\nnone");
	assert_contains(ask(&site, "OPTIONS *", "\r\n"), "HTTP/1.1 204 ");
	site_stop(&site);
}

/* Pipelined requests get their replies in order, also those whose page is looked up meanwhile. */
static void pages_keep_the_order(void **state)
{
	struct site site = {0};
	site_start(&site, *state);
	const char *reply = web_ask(&site.web,
	        "GET /app/1 HTTP/1.1\r\nHost: a\r\n\r\n"
	        "GET /a.html HTTP/1.1\r\nHost: a\r\n\r\n"
	        "POST /app/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	        "GET /try/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	const char *first = strstr(reply, "down for now"), *second = strstr(reply, "a page");
	assert_true(first && second && first < second);
	const char *third = strstr(second, "down for now");
	assert_true(third && strstr(third, "a page"));
	site_stop(&site);
}

/* A client that goes while its page is looked up. */
static void nobody_waits_for_the_page(void **state)
{
	struct site site = {0};
	site_start(&site, *state);
	for (unsigned i = 0; i < 20; i++) {
		int fd = web_connect(&site.web);
		static const char request[] = "GET /app/1 HTTP/1.1\r\nHost: a\r\n\r\n";
		web_send(&site.web, fd, request, sizeof request - 1);
		close(fd);
		web_turn(&site.web, 1);
	}
	assert_contains(ask(&site, "GET /app/x", "\r\n"), "down for now");
	site_stop(&site);
}

/* A reply whose fields cannot be changed is not sent with them. */
static void memory_may_be_short(void **state)
{
	static const char *const lines[] = {
	        "GET /app/x", "GET /moved/b", "GET /re/a.html", "GET /try/a"};
	for (size_t line = 0; line < sizeof lines / sizeof *lines; line++) {
		bool failed = true;
		for (unsigned good = 0; failed && good < 200; good++) {
			struct site site = {0};
			site_start(&site, *state);
			fail_allocation_after(good, false);
			const char *reply = ask(&site, lines[line], "\r\n");
			failed = stop_failing_allocations();
			if (strstr(lines[line], "app") && *reply) {
				assert_null(strstr(reply, "X-App"));
				assert_true(strstr(reply, "X-A: 1") || strstr(reply, " 500 "));
			}
			ask(&site, lines[line], "\r\n");
			site_stop(&site);
		}
		assert_false(failed);
	}
}

static void tables_may_be_refused(void **state)
{
	static const char *const bad[] = {"/a**"};
	const struct weir_http_rule rule = {.name = "", .paths = bad, .path_count = 1};
	struct weir_http_rules_options options = {.rules = &rule, .count = 1};
	struct weir_http_handler *check = NULL, *act = NULL;
	(void)state;
	assert_int_equal(weir_http_rules_create(&options, &check, &act), WEIR_E_SYNTAX);
	assert_null(check);
	assert_non_null(weir_http_target_fault("/$2", "/*"));
	assert_null(weir_http_target_fault("/$1", "/*"));
	options.rules = table;
	options.count = sizeof table / sizeof *table;
	bool failed = true;
	for (unsigned good = 0; failed && good < 100; good++) {
		fail_allocation_after(good, false);
		int error = weir_http_rules_create(&options, &check, &act);
		failed = stop_failing_allocations();
		if (error == 0) {
			check->next = act;
			weir_http_handlers_destroy(check);
		}
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_reply_is_changed),
	        cmocka_unit_test(pages_keep_the_order),
	        cmocka_unit_test(nobody_waits_for_the_page),
	        cmocka_unit_test(memory_may_be_short),
	        cmocka_unit_test(tables_may_be_refused),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
