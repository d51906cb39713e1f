/* Patterns of paths: what they match and capture, which are refused, and targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pattern.h"

static const struct {
	const char *pattern, *path;
	bool matches;
	const char *captures[4];
} cases[] = {
        {"/", "", true, {0}},
        {"/", "a", false, {0}},
        {"/a", "a", true, {0}},
        {"/a/", "a", true, {0}},
        {"/a", "A", true, {0}},
        {"/A/b", "a/B", true, {0}},
        {"/a", "a/b", false, {0}},
        {"/a", "ab", false, {0}},
        {"/*", "a", true, {"a"}},
        {"/*", "", false, {0}},
        {"/*", "a/b", false, {0}},
        {"/a*", "a", true, {""}},
        {"/a*c", "abbc", true, {"bb"}},
        {"/a*c", "abbcd", false, {0}},
        {"/*.tar.*", "a.tar.b.tar.gz", true, {"a", "b.tar.gz"}},
        {"/*b*", "abb", true, {"a", "b"}},
        {"/*aab", "aaab", true, {"a"}},
        {"/**", "", true, {""}},
        {"/**", "a/b", true, {"a/b"}},
        {"/a/**", "a", true, {""}},
        {"/a/**", "a/b/c", true, {"b/c"}},
        {"/a/**", "ab", false, {0}},
        {"/a/**", "b", false, {0}},
        {"/a/**/z", "a/z", true, {""}},
        {"/a/**/z", "a/b/c/z", true, {"b/c"}},
        {"/a/**/z", "a", false, {0}},
        {"/a/**/a", "a", false, {0}},
        {"/**/*.css", "x.css", true, {"", "x"}},
        {"/**/*.css", "a/b/x.css", true, {"a/b", "x"}},
        {"/*/**/*/*", "a/b/c", true, {"a", "", "b", "c"}},
        {"/*/**/*/*", "a/b", false, {0}},
        {"*.css", "x.css", true, {"x"}},
        {"*.css", "a/b/x.CSS", true, {"x"}},
        {"*.css", "a.css/b", false, {0}},
        {"index.html", "a/index.html", true, {0}},
        {"index.html", "", false, {0}},
        {"/\xc3\xa4", "\xc3\xa4", true, {0}},
        {"/\xc3\xa4", "\xc3\x84", false, {0}},
};

static void patterns_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_pattern pattern;
		struct http_captures captures;
		struct weir_span path = weir_span_of(cases[i].path);
		assert_null(http_pattern_parse(weir_span_of(cases[i].pattern), &pattern));
		if (http_pattern_match(&pattern, path, &captures) != cases[i].matches)
			fail_msg("%s with %s", cases[i].pattern, cases[i].path);
		assert_int_equal(http_pattern_match(&pattern, path, NULL), cases[i].matches);
		unsigned count = 0;
		for (; count < 4 && cases[i].captures[count]; count++)
			assert_true(weir_span_equal(
			        captures.items[count], weir_span_of(cases[i].captures[count])));
		if (cases[i].matches) {
			assert_int_equal(captures.count, count);
			assert_int_equal(http_pattern_captures(&pattern), count);
		}
	}
}

static void malformed_patterns_are_refused(void **state)
{
	static const char *const patterns[] = {"", "a/b", "a/*", "/a//b", "//", "/a/../b", "/.",
	        "/./a", "/a**", "/**a", "/**/**", "/a/**/b/**", "**", "***", "/***", "/a\tb",
	        "/a\x7f", "/*/*/*/*/*/*/*/*/*/*", "/*/*/*/*/*/*/*/*/*/**"};
	struct http_pattern pattern;
	(void)state;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (!http_pattern_parse(weir_span_of(patterns[i]), &pattern))
			fail_msg("%s", patterns[i]);
	assert_null(http_pattern_parse(WEIR_SPAN("/*/*/*/*/*/*/*/*/*"), &pattern));
}

/* Wildcards of a pattern that takes long with backtracking: matching is done in one go. */
static void much_repetition_is_no_work(void **state)
{
	static char path[8000];
	struct http_pattern pattern;
	(void)state;
	memset(path, 'a', sizeof path);
	assert_null(http_pattern_parse(WEIR_SPAN("/*a*a*a*a*a*a*a*a*b"), &pattern));
	for (unsigned i = 0; i < 100; i++)
		assert_false(http_pattern_match(&pattern, weir_span(path, sizeof path), NULL));
	for (size_t i = 1; i < sizeof path; i += 2)
		path[i] = '/';
	assert_null(http_pattern_parse(WEIR_SPAN("/*/*/**/a/a/a/b"), &pattern));
	for (unsigned i = 0; i < 100; i++)
		assert_false(http_pattern_match(&pattern, weir_span(path, sizeof path - 1), NULL));
}

static void targets_are_checked(void **state)
{
	(void)state;
	assert_null(http_target_fault(WEIR_SPAN("https://$host/a$path?b=$1&c=$$"), 1));
	assert_non_null(http_target_fault(WEIR_SPAN("/$1"), 0));
	assert_non_null(http_target_fault(WEIR_SPAN("/$2"), 1));
	assert_non_null(http_target_fault(WEIR_SPAN("/$0"), 9));
	assert_non_null(http_target_fault(WEIR_SPAN("/$"), 9));
	assert_non_null(http_target_fault(WEIR_SPAN("/$paths$pat"), 9));
	assert_non_null(http_target_fault(WEIR_SPAN("/a b"), 9));
	assert_non_null(http_target_fault(WEIR_SPAN("/a\r\nb"), 9));
	assert_non_null(http_target_fault(WEIR_SPAN("/\xc3\xa4"), 9));
	assert_non_null(http_target_fault(WEIR_SPAN("/\"a\""), 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(patterns_match),
	        cmocka_unit_test(malformed_patterns_are_refused),
	        cmocka_unit_test(much_repetition_is_no_work),
	        cmocka_unit_test(targets_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
