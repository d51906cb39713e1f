/* PUT and DELETE on a directory of this test's own. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
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

#include <weir/http_files.h>
#include <weir/http_upload.h>
#include "allocation.h"
#include "upload_tree.h"

static const struct {
	const char *what, *request;
	unsigned status;
	const char *path, *content; /* what is there then; NULL: nothing */
} cases[] = {
        {"a new file", PUT("/new", "3") "\r\nabc", 201, "new", "abc"},
        {"an empty one", PUT("/new", "0") "\r\n", 201, "new", ""},
        {"no length at all", "PUT /new HTTP/1.1\r\n" HOST "\r\n", 201, "new", ""},
        {"chunked",
                "PUT /new HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                201, "new", "abc"},
        {"over another", PUT("/file", "3") "\r\nabc", 204, "file", "abc"},
        {"in a directory", PUT("/dir/n%20m", "3") "\r\nabc", 201, "dir/n m", "abc"},
        {"in no directory", PUT("/none/new", "3") "\r\nabc", 409, "none", NULL},
        {"below a file", PUT("/file/new", "3") "\r\nabc", 409, "file", "old"},
        {"on a directory", PUT("/dir", "3") "\r\nabc", 405, "dir/file", "old"},
        {"with a slash", PUT("/new/", "3") "\r\nabc", 405, "new", NULL},
        {"on the root", PUT("/", "3") "\r\nabc", 405, "file", "old"},
        {"hidden", PUT("/.new", "3") "\r\nabc", 403, ".new", NULL},
        {"in a hidden directory", PUT("/.git/new", "3") "\r\nabc", 403, ".git", NULL},
        {"a temporary's name", PUT("/.weir-0123456789abcdef", "3") "\r\nabc", 403, "new", NULL},
        {"out of the root", PUT("/../new", "3") "\r\nabc", 400, "../new", NULL},
        {"out of it by a link", PUT("/out/new", "3") "\r\nabc", 403, "new", NULL},
        {"a part", PUT("/file", "3") "Content-Range: bytes 0-2/9\r\n\r\nabc", 400, "file", "old"},
        {"compressed", PUT("/file", "3") "Content-Encoding: gzip\r\n\r\nabc", 415, "file", "old"},
        {"identity", PUT("/file", "3") "Content-Encoding: identity\r\n\r\nabc", 204, "file", "abc"},
        {"too large", PUT("/new", "1001") "Expect: 100-continue\r\n\r\n", 413, "new", NULL},
        {"too large in chunks",
                "PUT /new HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" THOUSAND
                "x\r\n0\r\n\r\n",
                413, "new", NULL},
        {"just not", PUT("/new", "1000") "\r\n" THOUSAND, 201, "new", THOUSAND},
        {"only a new one", PUT("/file", "3") "If-None-Match: *\r\n\r\nabc", 412, "file", "old"},
        {"and it is", PUT("/new", "3") "If-None-Match: *\r\n\r\nabc", 201, "new", "abc"},
        {"only an old one", PUT("/new", "3") "If-Match: *\r\n\r\nabc", 412, "new", NULL},
        {"and it was", PUT("/file", "3") "If-Match: *\r\n\r\nabc", 204, "file", "abc"},
        {"of another tag", PUT("/file", "3") "If-Match: \"a\"\r\n\r\nabc", 412, "file", "old"},
        {"unchanged since then",
                PUT("/file", "3") "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nabc",
                412, "file", "old"},
        {"a link that leads nowhere", PUT("/dangling", "3") "\r\nabc", 204, "dangling", "abc"},
        {"delete", DELETE("/file") "\r\n", 204, "file", NULL},
        {"delete what is not", DELETE("/new") "\r\n", 404, "new", NULL},
        {"delete below a file", DELETE("/file/a") "\r\n", 404, "file", "old"},
        {"delete a directory", DELETE("/dir") "\r\n", 405, "dir/file", "old"},
        {"delete with a slash", DELETE("/dir/") "\r\n", 405, "dir/file", "old"},
        {"delete the root", DELETE("/") "\r\n", 405, "file", "old"},
        {"delete what is hidden", DELETE("/.hidden") "\r\n", 404, ".hidden", "old"},
        {"delete a link", DELETE("/dangling") "\r\n", 204, "dangling", NULL},
        {"delete another version", DELETE("/file") "If-Match: \"a\"\r\n\r\n", 412, "file", "old"},
        {"delete any version", DELETE("/file") "If-Match: *\r\n\r\n", 204, "file", NULL},
        {"post without forms", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 405, "new",
                NULL},
};

static void each_alone(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct upload_tree tree = {
		        .options = {.put = true, .remove = true, .max_size = 1000}};
		char status[32];
		upload_tree_start(&tree, *state);
		snprintf(status, sizeof status, "HTTP/1.1 %u ", cases[i].status);
		const char *reply = upload_tree_ask(&tree, cases[i].request);
		if (strncmp(reply, status, strlen(status)) != 0)
			fail_msg("%s: %s", cases[i].what, reply);
		if (!upload_tree_holds(&tree, cases[i].path, cases[i].content))
			fail_msg("%s: %s", cases[i].what, cases[i].path);
		upload_tree_stop(&tree);
	}
}

/* Whole requests in one packet, each on what the one before has left. */
static void one_after_the_other(void **state)
{
	struct upload_tree tree = {.options = {.put = true, .remove = true}};
	upload_tree_start(&tree, *state);
	int fd = web_connect(&tree.web);
	for (int i = 0; i < 20; i++) {
		static const char put[] =
		        "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
		static const char removal[] = "DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n";
		assert_true(web_send(&tree.web, fd, put, sizeof put - 1));
		assert_contains(web_read(&tree.web, fd, "\r\n\r\n"), "201 Created");
		assert_true(web_send(&tree.web, fd, removal, sizeof removal - 1));
		assert_contains(web_read(&tree.web, fd, "\r\n\r\n"), "204 No Content");
	}
	close(fd);
	upload_tree_stop(&tree);
}

/* The refusal comes before the body: nothing is sent in vain. */
static void a_refusal_comes_before_the_body(void **state)
{
	struct upload_tree tree = {.options = {.put = true}};
	upload_tree_start(&tree, *state);
	const char *reply =
	        upload_tree_ask(&tree, PUT("/none/new", "1000") "Expect: 100-continue\r\n\r\n");
	assert_contains(reply, "HTTP/1.1 409 ");
	assert_null(strstr(reply, "100 Continue"));
	upload_tree_stop(&tree);
}

static void the_tag_of_get_fits_put(void **state)
{
	struct upload_tree tree = {.options = {.put = true}};
	char etag[64], request[512];
	upload_tree_start(&tree, *state);
	const char *reply = upload_tree_ask(&tree, "GET /file HTTP/1.1\r\n" HOST "\r\n");
	const char *field = strstr(reply, "ETag: ");
	assert_non_null(field);
	assert_int_equal(sscanf(field, "ETag: %63[^\r]", etag), 1);
	snprintf(request, sizeof request, PUT("/file", "5") "If-Match: %s\r\n\r\nfirst", etag);
	assert_contains(upload_tree_ask(&tree, request), "204 ");
	snprintf(request, sizeof request, PUT("/file", "5") "If-Match: %s\r\n\r\nlater", etag);
	assert_contains(upload_tree_ask(&tree, request), "412 ");
	assert_true(upload_tree_holds(&tree, "file", "first"));
	upload_tree_stop(&tree);
}

/* Of two clients that change the same version at the same time, one does. */
static void two_with_the_same_condition(void **state)
{
	static const char *const conditions[] = {"If-Match: *", "If-None-Match: *"};
	for (int i = 0; i < 2; i++) {
		struct upload_tree tree = {.options = {.put = true}};
		char request[256];
		upload_tree_start(&tree, *state);
		snprintf(request, sizeof request,
		        "PUT /%s HTTP/1.1\r\n" HOST "Content-Length: 2\r\n%s\r\n\r\na",
		        i ? "new" : "file", conditions[i]);
		int first = web_connect(&tree.web), second = web_connect(&tree.web);
		assert_true(web_send(&tree.web, first, request, strlen(request)));
		assert_true(web_send(&tree.web, second, request, strlen(request)));
		web_turn(&tree.web, 50);
		assert_true(web_send(&tree.web, first, "1", 1));
		assert_contains(web_read(&tree.web, first, NULL), i ? "201" : "204");
		if (!i)
			unlinkat(tree.fd, "file", 0);
		assert_true(web_send(&tree.web, second, "2", 1));
		assert_contains(web_read(&tree.web, second, NULL), "412");
		assert_true(upload_tree_holds(&tree, i ? "new" : "file", i ? "a1" : NULL));
		close(first);
		close(second);
		upload_tree_stop(&tree);
	}
}

static void a_client_that_goes_leaves_nothing(void **state)
{
	static const char request[] = PUT("/new", "100") "\r\nhello";
	struct upload_tree tree = {.options = {.put = true}};
	upload_tree_start(&tree, *state);
	for (size_t size = sizeof request - 1; size > 40; size -= 3)
		for (int ms = 0; ms < 30; ms += 10) {
			int fd = web_connect(&tree.web);
			struct linger reset = {1, 0};
			assert_true(web_send(&tree.web, fd, request, size));
			web_turn(&tree.web, ms);
			if (size & 1)
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
			close(fd);
		}
	web_turn(&tree.web, 100);
	assert_int_equal(upload_tree_count(&tree), UPLOAD_TREE_ENTRIES);
	upload_tree_stop(&tree);
}

static void only_below_the_prefix(void **state)
{
	struct upload_tree tree = {.options = {.put = true, .prefix = "dir"}};
	upload_tree_start(&tree, *state);
	assert_contains(upload_tree_ask(&tree, PUT("/dir/a", "1") "\r\na"), "201 ");
	assert_contains(upload_tree_ask(&tree, PUT("/dirt", "1") "\r\na"), "405 ");
	assert_contains(upload_tree_ask(&tree, PUT("/dir/../a", "1") "\r\na"), "405 ");
	upload_tree_stop(&tree);
}

static void memory_may_be_short(void **state)
{
	bool failed = true;
	for (unsigned good = 0; failed && good < 200; good++) {
		struct upload_tree tree = {.options = {.put = true, .remove = true}};
		upload_tree_start(&tree, *state);
		fail_allocation_after(good, false);
		upload_tree_ask(&tree, PUT("/file", "3") "If-Match: *\r\n\r\nabc");
		failed = stop_failing_allocations();
		assert_true(upload_tree_holds(&tree, "file", "old") ||
		            upload_tree_holds(&tree, "file", "abc"));
		fail_allocation_after(good, false);
		upload_tree_ask(&tree, DELETE("/file") "If-Match: *\r\n\r\n");
		failed |= stop_failing_allocations();
		assert_contains(upload_tree_ask(&tree, PUT("/new", "3") "\r\nabc"), "201 ");
		upload_tree_stop(&tree);
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_alone),
	        cmocka_unit_test(one_after_the_other),
	        cmocka_unit_test(a_refusal_comes_before_the_body),
	        cmocka_unit_test(the_tag_of_get_fits_put),
	        cmocka_unit_test(two_with_the_same_condition),
	        cmocka_unit_test(a_client_that_goes_leaves_nothing),
	        cmocka_unit_test(only_below_the_prefix),
	        cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, upload_tree_setup, upload_tree_teardown);
}
