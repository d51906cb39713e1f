/* Forms that are posted to a directory: what is stored, what is refused, and that it is whole. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "allocation.h"
#include "upload_tree.h"

#define B "--AaB03x"
#define FIELD "Content-Disposition: form-data; name=\"f\"\r\n\r\n"
#define FILE_OF(name) "Content-Disposition: form-data; name=\"f\"; filename=\"" name "\"\r\n\r\n"
#define ONE(name) B "\r\n" FILE_OF(name) "hello\r\n" B "--\r\n"

static const struct {
	const char *what, *target, *body;
	unsigned status;
	const char *path, *content; /* what is there then; NULL: nothing */
} cases[] = {
        {"one file", "/", ONE("new"), 201, "new", "hello"},
        {"in a directory", "/dir/", ONE("new"), 201, "dir/new", "hello"},
        {"without a slash", "/dir", ONE("new"), 201, "dir/new", "hello"},
        {"over another", "/", ONE("file"), 201, "file", "hello"},
        {"an empty one", "/", B "\r\n" FILE_OF("new") "\r\n" B "--", 201, "new", ""},
        {"with a path", "/", ONE("../../dir/new"), 201, "new", "hello"},
        {"with a path of Windows", "/", ONE("C:\\\\dir\\\\new"), 201, "new", "hello"},
        {"no ASCII", "/", ONE("n\xc3\xa4 w"), 201, "n\xc3\xa4 w", "hello"},
        {"a second one", "/",
                B "\r\n" FILE_OF("one") "1\r\n" B "\r\n" FIELD "x\r\n" B
                                        "\r\n" FILE_OF("two") "2\r\n" B "--\r\n",
                201, "two", "2"},
        {"over a link", "/", ONE("dangling"), 201, "dangling", "hello"},
        {"no file at all", "/", B "\r\n" FIELD "x\r\n" B "--\r\n", 400, "new", NULL},
        {"nothing chosen", "/", ONE(""), 400, "new", NULL},
        {"hidden", "/", ONE(".hidden"), 400, ".hidden", "old"},
        {"a temporary's name", "/", ONE(".weir-0123456789abcdef"), 400, "new", NULL},
        {"dots", "/", ONE("dir/.."), 400, "new", NULL},
        {"a directory", "/", ONE("dir/"), 400, "dir/file", "old"},
        {"a tab in it", "/", ONE("a\tb"), 400, "a\tb", NULL},
        {"a DEL in it", "/",
                ONE("a\x7f"
                    "b"),
                400,
                "a\x7f"
                "b",
                NULL},
        {"255 bytes", "/", ONE(HUNDRED HUNDRED TEN TEN TEN TEN TEN "01234"), 201,
                HUNDRED HUNDRED TEN TEN TEN TEN TEN "01234", "hello"},
        {"256 bytes", "/", ONE(HUNDRED HUNDRED TEN TEN TEN TEN TEN "012345"), 400, "new", NULL},
        {"twice the same", "/", B "\r\n" FILE_OF("new") "1\r\n" ONE("new"), 400, "new", NULL},
        {"a name that is a directory", "/", ONE("dir"), 405, "dir/file", "old"},
        {"one that cannot be put in place", "/", B "\r\n" FILE_OF("new") "1\r\n" ONE("dir"), 405,
                "new", NULL},
        {"no end", "/", B "\r\n" FILE_OF("new") "hello\r\n" B, 400, "new", NULL},
        {"no end of the file", "/", B "\r\n" FILE_OF("new") "hello", 400, "new", NULL},
        {"a form that breaks behind a file", "/",
                B "\r\n" FILE_OF("new") "1\r\n" B "\r\n\r\n\r\n" B "--", 400, "new", NULL},
        {"another boundary", "/", "--other\r\n" FILE_OF("new") "1\r\n--other--", 400, "new", NULL},
        {"too large", "/", B "\r\n" FILE_OF("new") THOUSAND THOUSAND "\r\n" B "--", 413, "new",
                NULL},
        {"into a file", "/file", ONE("new"), 405, "file", "old"},
        {"into nothing", "/none/", ONE("new"), 404, "none", NULL},
        {"out of the root", "/out/", ONE("weir-new"), 403, "new", NULL},
        {"into what is hidden", "/.hidden", ONE("new"), 404, ".hidden", "old"},
        {"nothing", "/", "", 400, "new", NULL},
};

static size_t compose(
        char *request, size_t room, const char *target, const char *body, const char *fields)
{
	return (size_t)snprintf(request, room,
	        "POST %s HTTP/1.1\r\n" HOST
	        "Content-Type: multipart/form-data; boundary=AaB03x\r\n%s"
	        "Content-Length: %zu\r\n\r\n%s",
	        target, fields, strlen(body), body);
}

static void start(struct upload_tree *tree, struct weir_loop *loop)
{
	tree->options.forms = true;
	upload_tree_start(tree, loop);
}

static void each_alone(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct upload_tree tree = {.options.max_size = 2000};
		char request[8192], status[32];
		start(&tree, *state);
		compose(request, sizeof request, cases[i].target, cases[i].body, "");
		snprintf(status, sizeof status, "HTTP/1.1 %u ", cases[i].status);
		const char *reply = upload_tree_ask(&tree, request);
		if (strncmp(reply, status, strlen(status)) != 0)
			fail_msg("%s: %s", cases[i].what, reply);
		if (!upload_tree_holds(&tree, cases[i].path, cases[i].content))
			fail_msg("%s: %s", cases[i].what, cases[i].path);
		upload_tree_stop(&tree);
	}
}

static const char two[] = B "\r\n" FILE_OF("a b?") "1\r\n" B "\r\n" FILE_OF("two") "2\r\n" B "--";

static void the_reply_names_the_files(void **state)
{
	struct upload_tree tree = {0};
	char request[1024];
	start(&tree, *state);
	compose(request, sizeof request, "/dir", two, "Accept: */*\r\n");
	const char *reply = upload_tree_ask(&tree, request);
	assert_contains(reply, "HTTP/1.1 201 ");
	assert_contains(reply, "Location: /dir/\r\n");
	assert_contains(reply, "\r\n\r\n./a%20b%3F\n./two\n");
	upload_tree_stop(&tree);
}

static void a_browser_is_sent_to_the_directory(void **state)
{
	static const struct {
		const char *accept;
		bool html;
	} accepts[] = {
	        {"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
	                true},
	        {"Accept: application/json\r\nAccept: TEXT/HTML;q=0.1\r\n", true},
	        {"Accept: text/html;q=0\r\n", false},
	        {"Accept: text/htmlx\r\n", false},
	        {"", false},
	};
	for (size_t i = 0; i < sizeof accepts / sizeof *accepts; i++) {
		struct upload_tree tree = {0};
		char request[1024];
		start(&tree, *state);
		compose(request, sizeof request, "/dir", two, accepts[i].accept);
		const char *reply = upload_tree_ask(&tree, request);
		assert_contains(reply, accepts[i].html ? "HTTP/1.1 303 " : "HTTP/1.1 201 ");
		assert_contains(reply, "Location: /dir/\r\n");
		assert_true(upload_tree_holds(&tree, "dir/two", "2"));
		upload_tree_stop(&tree);
	}
}

static void other_types_are_refused(void **state)
{
	static const struct {
		const char *fields, *status;
	} types[] = {
	        {"Content-Length: 3\r\n\r\nabc", "415 "},
	        {"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc", "415 "},
	        {"Content-Type: multipart/mixed; boundary=a\r\nContent-Length: 0\r\n\r\n", "415 "},
	        {"Content-Type: multipart/form-datax; boundary=a\r\nContent-Length: 3\r\n\r\nabc",
	                "415 "},
	        {"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc", "400 "},
	        {"Content-Type: multipart/form-data; boundary=\"a \"\r\nContent-Length: "
	         "3\r\n\r\nabc",
	                "400 "},
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct upload_tree tree = {0};
		char request[1024];
		start(&tree, *state);
		snprintf(request, sizeof request, "POST / HTTP/1.1\r\n" HOST "%s", types[i].fields);
		assert_contains(upload_tree_ask(&tree, request), types[i].status);
		upload_tree_stop(&tree);
	}
}

/* A packet ends at every byte in turn; the connection goes on behind a form. */
static void every_cut(void **state)
{
	static const char body[] = B "\r\n" FILE_OF("new") "he\r\n--Aa\r\r\nllo\r\n" B "--\r\n";
	struct upload_tree tree = {0};
	char request[1024];
	start(&tree, *state);
	int size = snprintf(request, sizeof request,
	        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n"
	        "Content-Type: multipart/form-data; boundary=AaB03x\r\n\r\n%s",
	        sizeof body - 1, body);
	int fd = web_connect(&tree.web);
	for (size_t first = 1; first < (size_t)size; first++) {
		assert_true(web_send(&tree.web, fd, request, first));
		web_turn(&tree.web, 1);
		assert_true(web_send(&tree.web, fd, request + first, (size_t)size - first));
		assert_contains(web_read(&tree.web, fd, "./new\n"), "201 Created");
		assert_true(upload_tree_holds(&tree, "new", "he\r\n--Aa\r\r\nllo"));
		unlinkat(tree.fd, "new", 0);
	}
	close(fd);
	upload_tree_stop(&tree);
}

static void a_client_that_goes_leaves_nothing(void **state)
{
	struct upload_tree tree = {0};
	char request[1024];
	start(&tree, *state);
	size_t size = compose(request, sizeof request, "/", two, "");
	for (size_t part = 1; part < size; part += 2) {
		int fd = web_connect(&tree.web);
		struct linger reset = {1, 0};
		assert_true(web_send(&tree.web, fd, request, part));
		web_turn(&tree.web, part % 3 * 3);
		if (part & 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
	}
	web_turn(&tree.web, 100);
	assert_int_equal(upload_tree_count(&tree), UPLOAD_TREE_ENTRIES);
	upload_tree_stop(&tree);
}

/* More than any buffer between the client and the disk, in two files of one form. */
static void large_files(void **state)
{
	enum {
		SIZE = 24 << 20
	};
	static const char between[] = "\r\n" B "\r\n" FILE_OF("two"),
	                  begin[] = B "\r\n" FILE_OF("one"), end[] = "\r\n" B "--\r\n";
	struct upload_tree tree = {.options.max_size = 1 << 30};
	char request[512];
	char *data = malloc(SIZE), *back = malloc(SIZE);
	assert_true(data && back);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = "\r\n--AaB03y"[i % 11 ? i * i % 10 : 0];
	start(&tree, *state);
	int size = snprintf(request, sizeof request,
	        "POST / HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n"
	        "Content-Type: multipart/form-data; boundary=AaB03x\r\n\r\n",
	        2 * (size_t)SIZE + sizeof begin + sizeof between + sizeof end - 3);
	int fd = web_connect(&tree.web);
	assert_true(web_send(&tree.web, fd, request, (size_t)size));
	assert_true(web_send(&tree.web, fd, begin, sizeof begin - 1));
	assert_true(web_send(&tree.web, fd, data, SIZE));
	assert_true(web_send(&tree.web, fd, between, sizeof between - 1));
	assert_true(web_send(&tree.web, fd, data, SIZE));
	assert_true(web_send(&tree.web, fd, end, sizeof end - 1));
	assert_contains(web_read(&tree.web, fd, NULL), "201 Created");
	for (int i = 0; i < 2; i++) {
		int file = openat(tree.fd, i ? "two" : "one", O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(file, back, SIZE), SIZE);
		assert_int_equal(lseek(file, 0, SEEK_END), SIZE);
		assert_memory_equal(data, back, SIZE);
		close(file);
	}
	close(fd);
	free(data);
	free(back);
	upload_tree_stop(&tree);
}

static void files_are_counted(void **state)
{
	for (int files = 100; files <= 101; files++) {
		struct upload_tree tree = {0};
		static char body[32 * 1024], request[33 * 1024];
		size_t size = 0;
		start(&tree, *state);
		for (int i = 0; i < files; i++)
			size += (size_t)snprintf(body + size, sizeof body - size,
			        B "\r\n" FILE_OF("n%d") "%d\r\n", i, i);
		snprintf(body + size, sizeof body - size, B "--");
		compose(request, sizeof request, "/", body, "");
		assert_contains(upload_tree_ask(&tree, request), files == 100 ? "201 " : "413 ");
		assert_true(upload_tree_holds(&tree, "n99", files == 100 ? "99" : NULL));
		upload_tree_stop(&tree);
	}
}

static void memory_may_be_short(void **state)
{
	bool failed = true;
	for (unsigned good = 0; failed && good < 200; good++) {
		struct upload_tree tree = {0};
		char request[1024];
		start(&tree, *state);
		compose(request, sizeof request, "/", two, "");
		fail_allocation_after(good, false);
		upload_tree_ask(&tree, request);
		failed = stop_failing_allocations();
		assert_contains(upload_tree_ask(&tree, request), "201 ");
		upload_tree_stop(&tree);
	}
	assert_false(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_alone),
	        cmocka_unit_test(the_reply_names_the_files),
	        cmocka_unit_test(a_browser_is_sent_to_the_directory),
	        cmocka_unit_test(other_types_are_refused),
	        cmocka_unit_test(every_cut),
	        cmocka_unit_test(a_client_that_goes_leaves_nothing),
	        cmocka_unit_test(large_files),
	        cmocka_unit_test(files_are_counted),
	        cmocka_unit_test(memory_may_be_short),
	};
	return cmocka_run_group_tests(tests, upload_tree_setup, upload_tree_teardown);
}
