/* Routes: the order of the rules, nesting, mistakes in the file, bounds, no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <errno.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/mail_routes.h>
#include <weir/users.h>

#include "allocation.h"
#include "make_options.h"

static const char *const domains[] = {"example.org", "Example.NET", NULL};
static struct weir_users *users;
static struct weir_mail_routes *routes;
static struct weir_mail_routes_options options;
static char mistakes[2000];

static void on_mistake(void *context, unsigned line, const char *text)
{
	size_t size = strlen(mistakes);
	(void)context;
	snprintf(mistakes + size, sizeof mistakes - size, "%u %s\n", line, text);
}

static int set_up(void **state)
{
	(void)state;
	static const char text[] = "alice:!\nbob:!\nMixed:!\ncarol@example.net:!\npostmaster2:!\n";
	mistakes[0] = 0;
	routes = NULL;
	assert_int_equal(weir_users_parse(weir_span_of(text), NULL, NULL, &users), 0);
	options = OPTIONS(
	        weir_mail_routes_options, o.domains = domains, o.users = users, o.separator = '+');
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	weir_mail_routes_release(routes);
	weir_users_release(users);
	return 0;
}

static int parse(const char *text)
{
	weir_mail_routes_release(routes);
	routes = NULL;
	return weir_mail_routes_parse(weir_span_of(text), &options, on_mistake, NULL, &routes);
}

struct found {
	char text[300];
	size_t size;
};

static int on_found(void *context, const struct weir_mail_target *target)
{
	struct found *found = context;
	struct weir_span what = target->user.size ? target->user : target->address;
	found->size += (size_t)snprintf(found->text + found->size, sizeof found->text - found->size,
	        "%s%.*s", found->size ? "," : "", (int)what.size, what.data);
	return 0;
}

/* Returns "alice,dan@x"; "?": no such address, "-": not local, "!": too many. */
static const char *find(const char *address)
{
	static struct found found;
	const char *at = strrchr(address, '@');
	struct weir_span local = weir_span(address, at ? (size_t)(at - address) : strlen(address));
	found = (struct found){{0}, 0};
	int error = weir_mail_routes_find(
	        routes, local, weir_span_of(at ? at + 1 : ""), on_found, &found);
	return error == 0              ? found.text
	       : error == -ENOENT      ? "?"
	       : error == -EXDEV       ? "-"
	       : error == WEIR_E_LIMIT ? "!"
	                               : "error";
}

static void without_aliases(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_string_equal(find("alice@example.org"), "alice");
	assert_string_equal(find("ALICE@EXAMPLE.net"), "alice");
	assert_string_equal(find("Mixed@example.org"), "Mixed");
	assert_string_equal(find("mixed@example.org"), "?");
	assert_string_equal(find("carol@example.net"), "carol@example.net");
	assert_string_equal(find("carol@example.org"), "?");
	assert_string_equal(find("alice+a+b@example.org"), "alice");
	assert_string_equal(find("+a@example.org"), "?");
	assert_string_equal(find("dan@example.org"), "?");
	assert_string_equal(find("alice@elsewhere.example"), "-");
	assert_string_equal(find("alice@sub.example.org"), "-");
	assert_string_equal(find("postmaster@example.net"), "alice");
	assert_string_equal(find("Abuse@example.org"), "alice");
	assert_string_equal(find("PostMaster"), "alice");
	options.separator = 0;
	options.postmaster = "bob";
	assert_int_equal(parse(""), 0);
	assert_string_equal(find("alice+a@example.org"), "?");
	assert_string_equal(find("postmaster"), "bob");
}

static void aliases(void **state)
{
	(void)state;
	assert_int_equal(parse("# comment\n\n"
	                       "Sales@example.org: alice , bob,dan@elsewhere.example\r\n"
	                       "sales@example.net:bob\n"
	                       "webmaster: sales@example.org, alice\n"
	                       "team: webmaster, Mixed\n"
	                       "alice: alice, dan@elsewhere.example\n"
	                       "postmaster: bob\n"
	                       "bob+list@example.org: dan@elsewhere.example\n"
	                       "@example.net: Mixed\n"),
	        0);
	assert_string_equal(
	        find("sales@example.org"), "alice,dan@elsewhere.example,bob,dan@elsewhere.example");
	assert_string_equal(find("SALES@example.net"), "bob");
	assert_string_equal(find("webmaster@example.net"),
	        "alice,dan@elsewhere.example,bob,dan@elsewhere.example,"
	        "alice,dan@elsewhere.example");
	assert_string_equal(find("alice@example.net"), "alice,dan@elsewhere.example");
	assert_string_equal(find("sales+x@example.net"), "bob");
	assert_string_equal(find("bob+list@example.org"), "dan@elsewhere.example");
	assert_string_equal(find("bob+other@example.org"), "bob");
	assert_string_equal(find("nobody@example.net"), "Mixed");
	assert_string_equal(find("nobody@example.org"), "?");
	assert_string_equal(find("postmaster@example.net"), "bob");
	assert_string_equal(find("abuse@example.net"), "alice");
}

static void whose(void **state)
{
	(void)state;
	assert_int_equal(parse("info: bob\nall: alice, bob\n@example.net: bob\n"), 0);
	static const struct {
		const char *local, *domain, *user;
		bool belongs;
	} cases[] = {
	        {"bob", "example.org", "bob", true},
	        {"info", "example.org", "bob", true},
	        {"info", "example.org", "alice", false},
	        {"all", "example.org", "bob", true},
	        {"x", "example.net", "bob", true},
	        {"alice", "example.net", "bob", false},
	        {"bob", "elsewhere.example", "bob", false},
	        {"none", "example.org", "bob", false},
	        {"none", "example.org", "", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(
		        weir_mail_routes_belongs(routes, weir_span_of(cases[i].local),
		                weir_span_of(cases[i].domain), weir_span_of(cases[i].user)),
		        cases[i].belongs);
}

static void mistakes_are_told(void **state)
{
	(void)state;
	assert_int_equal(parse("a: alice\n"
	                       "no colon\n"
	                       ": alice\n"
	                       "b:\n"
	                       "b: , ,\n"
	                       "A: bob\n"
	                       "x@elsewhere.example: alice\n"
	                       "c d: alice\n"),
	        WEIR_E_SYNTAX);
	assert_string_equal(mistakes, "2 no colon after the address\n"
	                              "3 not an address or a name: \n"
	                              "4 alias without a target: b\n"
	                              "5 alias without a target: b\n"
	                              "6 duplicate alias: a\n"
	                              "7 not a local domain: elsewhere.example\n"
	                              "8 not an address or a name: c d\n");
	mistakes[0] = 0;
	assert_int_equal(parse("a: nobody\nb: c\nc: b\nd: x@\ne: @x\nf: a b\n"
	                       "g: nobody@example.org\n"),
	        WEIR_E_SYNTAX);
	assert_string_equal(mistakes, "1 no such user or alias: nobody\n"
	                              "2 alias loop without a mailbox: c\n"
	                              "3 alias loop without a mailbox: b\n"
	                              "4 not a user or an address: x@\n"
	                              "5 not a user or an address: @x\n"
	                              "6 not a user or an address: a b\n"
	                              "7 no such user or alias: nobody@example.org\n");
	mistakes[0] = 0;
	options.postmaster = "nobody";
	assert_int_equal(parse("a: alice\n"), WEIR_E_SYNTAX);
	assert_string_equal(mistakes, "0 postmaster is not a user: nobody\n");
	assert_null(routes);
}

static void nesting_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(
	        parse("a1: a2\na2: a3\na3: a4\na4: a5\na5: a6\na6: a7\na7: a8\na8: alice\n"), 0);
	assert_string_equal(find("a1@example.org"), "alice");
	assert_int_equal(parse("a0: a1\na1: a2\na2: a3\na3: a4\na4: a5\na5: a6\na6: a7\na7: a8\n"
	                       "a8: alice\n"),
	        WEIR_E_SYNTAX);
	assert_string_equal(mistakes, "1 aliases nested too deep, or too many targets: a1\n");
	/* Eleven times eleven times eleven are too many. */
	struct weir_buffer text = {0};
	weir_buffer_format(&text, SIZE_MAX, "a: x@y");
	for (int i = 0; i < 10; i++)
		weir_buffer_format(&text, SIZE_MAX, ", x%d@y", i);
	for (char c = 'b'; c <= 'd'; c++) {
		weir_buffer_format(&text, SIZE_MAX, "\n%c: %c", c, c - 1);
		for (int i = 0; i < 10; i++)
			weir_buffer_format(&text, SIZE_MAX, ", %c", c - 1);
	}
	weir_buffer_append(&text, "\n", 2, SIZE_MAX);
	mistakes[0] = 0;
	assert_int_equal(parse(text.data), WEIR_E_SYNTAX);
	assert_non_null(strstr(mistakes, "4 aliases nested too deep, or too many targets: c"));
	weir_buffer_finish(&text);
}

static void from_a_file(void **state)
{
	(void)state;
	char path[] = "/tmp/weir-aliases-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "info: bob", 9), 9);
	close(fd);
	assert_int_equal(weir_mail_routes_load(path, &options, on_mistake, NULL, &routes), 0);
	assert_string_equal(find("info@example.org"), "bob");
	unlink(path);
	struct weir_mail_routes *other = NULL;
	assert_int_equal(weir_mail_routes_load(path, &options, on_mistake, NULL, &other), -ENOENT);
	assert_string_equal(mistakes, "0 No such file or directory\n");
	assert_int_equal(weir_mail_routes_load(NULL, &options, NULL, NULL, &other), 0);
	weir_mail_routes_release(weir_mail_routes_hold(other));
	weir_mail_routes_release(other);
	weir_mail_routes_release(NULL);
}

static void without_anything(void **state)
{
	(void)state;
	options = OPTIONS(weir_mail_routes_options);
	assert_int_equal(parse(""), 0);
	assert_string_equal(find("alice@example.org"), "-");
	assert_string_equal(find("postmaster"), "-");
}

static void without_memory(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 100; good++) {
		fail_allocation_after(good, false);
		int error = parse("info: bob\nall: alice, bob\n");
		if (!stop_failing_allocations()) {
			assert_int_equal(error, 0);
			return;
		}
		assert_int_equal(error, -ENOMEM);
	}
	fail_msg("there is always another allocation");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(without_aliases),
	        TEST(aliases),
	        TEST(whose),
	        TEST(mistakes_are_told),
	        TEST(nesting_is_bounded),
	        TEST(from_a_file),
	        TEST(without_anything),
	        TEST(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
