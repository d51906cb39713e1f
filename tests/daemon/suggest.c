/* "Did you mean": distances, and which name is offered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "problems.h"

static void test_distances(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
	        {"", "", 0},
	        {"", "abc", 3},
	        {"root", "root", 0},
	        {"rooot", "root", 1},
	        {"rot", "root", 1},
	        {"ropt", "root", 1},
	        {"orot", "root", 1},
	        {"listne", "listen", 1},
	        {"kitten", "sitting", 3},
	        {"abc", "xyz", 3},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(suggest_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(suggest_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
}

static void test_long_names(void **state)
{
	char text[65];
	(void)state;
	memset(text, 'a', 64);
	text[64] = 0;
	assert_true(suggest_distance(text, "a") == SIZE_MAX);
	text[63] = 0;
	assert_int_equal(suggest_distance(text, ""), 63);
}

static const char *nearest(const char *typed)
{
	static const char *const names[] = {"root", "names", "listing", "to", NULL};
	struct suggestion best = {0};
	for (size_t i = 0; names[i]; i++)
		suggest(&best, typed, names[i]);
	return best.name;
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(nearest("rooot"), "root");
	assert_string_equal(nearest("name"), "names");
	assert_string_equal(nearest("lisitng"), "listing");
	assert_null(nearest("workers"));
	assert_null(nearest("x"));
	assert_null(nearest(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_distances),
	        cmocka_unit_test(test_long_names),
	        cmocka_unit_test(test_nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
