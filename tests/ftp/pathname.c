/* Pathnames against a plain model, and patterns against the C library's fnmatch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "listing.h"

static void resolves(void **state)
{
	static const struct {
		const char *base, *name, *path;
	} cases[] = {
	        {"", "", "/"},
	        {"/", ".", "/"},
	        {"/a/b", "c", "/a/b/c"},
	        {"/a/b", "/c", "/c"},
	        {"/a/b", "..", "/a"},
	        {"/a/b", "../..", "/"},
	        {"/a/b", "../../..", "/"},
	        {"/a/b", "../../../../c", "/c"},
	        {"", "/../../etc/passwd", "/etc/passwd"},
	        {"/a", "./b/./c//d/", "/a/b/c/d"},
	        {"/a", "..b", "/a/..b"},
	        {"/a", "...", "/a/..."},
	        {"/a", ".b", "/a/.b"},
	        {"/a", "b/../c", "/a/c"},
	        {"/a", "//", "/"},
	        {"/a", " ", "/a/ "},
	};
	char path[WEIR_PATH_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(ftp_path_resolve(cases[i].base, cases[i].name, path), 0);
		assert_string_equal(path, cases[i].path);
	}
}

static void refuses_the_long(void **state)
{
	static char name[2 * WEIR_PATH_MAX];
	char path[WEIR_PATH_MAX];
	(void)state;
	memset(name, 'a', WEIR_PATH_MAX - 2);
	assert_int_equal(ftp_path_resolve("", name, path), 0);
	assert_int_equal(strlen(path), WEIR_PATH_MAX - 1);
	name[WEIR_PATH_MAX - 2] = 'a';
	assert_int_equal(ftp_path_resolve("", name, path), -ENAMETOOLONG);
	/* Components that `..` removes do not count. */
	for (size_t i = 0; i < sizeof name - 5; i += 5)
		memcpy(name + i, "a/../", 5);
	name[(sizeof name - 5) / 5 * 5] = 0;
	assert_int_equal(ftp_path_resolve("/x", name, path), 0);
	assert_string_equal(path, "/x");
}

/* Parts on a stack: what resolving means, written down the slow way. */
static void model(const char *base, const char *name, char *ret)
{
	char parts[64][8], text[128];
	int count = 0;
	assert_true(strlen(base) + strlen(name) + 2 <= sizeof text);
	strcpy(text, name[0] == '/' ? "" : base);
	strcat(strcat(text, "/"), name);
	for (char *save, *part = strtok_r(text, "/", &save); part;
	        part = strtok_r(NULL, "/", &save)) {
		if (!strcmp(part, ".."))
			count -= count > 0;
		else if (strcmp(part, "."))
			strcpy(parts[count++], part);
	}
	ret[0] = 0;
	for (int i = 0; i < count; i++)
		strcat(strcat(ret, "/"), parts[i]);
	if (!count)
		strcpy(ret, "/");
}

static unsigned random_number(void)
{
	static uint64_t random = 88172645463325252u;
	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	return (unsigned)(random >> 16);
}

static void random_text(const char *letters, char *to, unsigned most)
{
	unsigned size = random_number() % most;
	for (unsigned i = 0; i < size; i++)
		to[i] = letters[random_number() % strlen(letters)];
	to[size] = 0;
}

static void agrees_with_the_model(void **state)
{
	char base[WEIR_PATH_MAX], text[32], path[WEIR_PATH_MAX], expected[256];
	(void)state;
	strcpy(base, "/");
	for (int i = 0; i < 100000; i++) {
		random_text("../ab", text, 7);
		assert_int_equal(ftp_path_resolve(base, text, path), 0);
		model(base, text, expected);
		assert_string_equal(path, expected);
		if (strlen(path) < 40)
			strcpy(base, path);
		else
			strcpy(base, "/");
	}
}

static void knows_the_hidden(void **state)
{
	(void)state;
	assert_true(ftp_path_is_hidden("/.a"));
	assert_true(ftp_path_is_hidden("/a/.b/c"));
	assert_false(ftp_path_is_hidden("/a.b/c."));
	assert_false(ftp_path_is_hidden("/"));
	assert_true(ftp_path_is_temporary("/a/.weir-0"));
	assert_false(ftp_path_is_temporary("/a/.weird"));
}

/* Brackets are left to the next test: fnmatch is stranger about them. */
static void agrees_with_fnmatch(void **state)
{
	char pattern[16], name[16];
	(void)state;
	for (int i = 0; i < 300000; i++) {
		random_text("ab*?", pattern, 8);
		random_text("ab", name, 9);
		assert_int_equal(ftp_wildcard(pattern, name), fnmatch(pattern, name, 0) == 0);
	}
}

static void brackets(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool fits;
	} cases[] = {
	        {"[a-c]x", "bx", true},
	        {"[a-c]x", "dx", false},
	        {"[!a-c]x", "dx", true},
	        {"[^a]", "a", false},
	        {"[]]", "]", true},
	        {"[]-a]", "^", true},
	        {"[a-]", "-", true},
	        {"[", "[", true},
	        {"[a", "[a", true},
	        {"*[0-9].txt", "a1.txt", true},
	        {"*[0-9].txt", "a.txt", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(ftp_wildcard(cases[i].pattern, cases[i].name), cases[i].fits);
}

/* It would not come back from this in a lifetime if it went back to every star. */
static void many_stars(void **state)
{
	char pattern[201], name[251];
	(void)state;
	for (size_t i = 0; i < 200; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[199] = 'b';
	pattern[200] = 0;
	memset(name, 'a', 250);
	name[250] = 0;
	assert_false(ftp_wildcard(pattern, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(resolves),
	        cmocka_unit_test(refuses_the_long),
	        cmocka_unit_test(agrees_with_the_model),
	        cmocka_unit_test(knows_the_hidden),
	        cmocka_unit_test(agrees_with_fnmatch),
	        cmocka_unit_test(brackets),
	        cmocka_unit_test(many_stars),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
