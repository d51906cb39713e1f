/* Cleaning of paths: case by case, and against a plain model with a list of segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "path.h"
#include "syntax.h"

static const struct {
	const char *raw, *text;
	bool directory, hidden;
} clean[] = {
        {"/", "", true, false},
        {"/a", "a", false, false},
        {"/a/", "a", true, false},
        {"///a//b///c", "a/b/c", false, false},
        {"/a//", "a", true, false},
        {"/.", "", true, false},
        {"/./", "", true, false},
        {"/a/.", "a", true, false},
        {"/a/./b", "a/b", false, false},
        {"/a/..", "", true, false},
        {"/a/../", "", true, false},
        {"/a/../b", "b", false, false},
        {"/a/b/../c", "a/c", false, false},
        {"/a/b/../../c", "c", false, false},
        {"/a/%2e%2E/b", "b", false, false},
        {"/a/.%2e/b", "b", false, false},
        {"/a/%2e/b", "a/b", false, false},
        {"/a/...", "a/...", false, true},
        {"/a/..b", "a/..b", false, true},
        {"/a/b..", "a/b..", false, false},
        {"/%41%62c", "Abc", false, false},
        {"/%25%32%65", "%2e", false, false},
        {"/%252e%252e/a", "%2e%2e/a", false, false},
        {"/%c3%a4", "\xc3\xa4", false, false},
        {"/a%20b+c", "a b+c", false, false},
        {"/a%3fb%23c", "a?b#c", false, false},
        {"/a\\..\\b%5cc", "a\\..\\b\\c", false, false},
        {"/.git/config", ".git/config", false, true},
        {"/%2egit", ".git", false, true},
        {"/a/.b/c", "a/.b/c", false, true},
        {"/.git/../a", "a", false, false},
        {"/.well-known/acme", ".well-known/acme", false, false},
        {"/.well-known/.git", ".well-known/.git", false, true},
        {"/a/.well-known", "a/.well-known", false, true},
        {"/.well-known2", ".well-known2", false, true},
        {"/a:b@c;d=e,f!$&'()*~", "a:b@c;d=e,f!$&'()*~", false, false},
};

static void accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof clean / sizeof *clean; i++) {
		struct weir_http_path path;
		char *buffer = malloc(strlen(clean[i].raw));
		assert_non_null(buffer);
		/* A buffer of the raw path's size is enough. */
		int status = http_path_clean(
		        weir_span_of(clean[i].raw), buffer, strlen(clean[i].raw), &path);
		assert_int_equal(status, 0);
		assert_int_equal(path.text.data[path.text.size], 0);
		if (strcmp(path.text.data, clean[i].text) != 0 ||
		        path.directory != clean[i].directory || path.hidden != clean[i].hidden)
			fail_msg("%s: %s %d %d", clean[i].raw, path.text.data, path.directory,
			        path.hidden);
		free(buffer);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *what, *raw;
	} cases[] = {
	        {"nothing", ""},
	        {"no slash in front", "a"},
	        {"an asterisk", "*"},
	        {"above the root", "/.."},
	        {"above the root and back", "/../a"},
	        {"above the root from below", "/a/../../b"},
	        {"above the root, escaped", "/%2e%2e/a"},
	        {"above the root, half escaped", "/.%2E/a"},
	        {"above the root through dots", "/./.././a"},
	        {"an escaped slash", "/a%2fb"},
	        {"an escaped slash in capitals", "/a%2Fb"},
	        {"dots and an escaped slash", "/..%2fetc"},
	        {"NUL", "/a%00b"},
	        {"a line feed", "/a%0ab"},
	        {"a tab", "/a%09b"},
	        {"DEL", "/a%7f"},
	        {"half an escape", "/a%4"},
	        {"a percent sign at the end", "/a%"},
	        {"an escape that is not hexadecimal", "/a%4g"},
	        {"an escape with a space", "/a% 4"},
	        {"an escape with a sign", "/a%+4"},
	        {"a raw space", "/a b"},
	        {"a raw control character", "/a\x01"},
	        {"raw UTF-8", "/\xc3\xa4"},
	        {"a query", "/a?b"},
	        {"a fragment", "/a#b"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_http_path path;
		char buffer[64];
		int status =
		        http_path_clean(weir_span_of(cases[i].raw), buffer, sizeof buffer, &path);
		if (status != 400)
			fail_msg("%s: %d", cases[i].what, status);
	}
}

static void small_buffers(void **state)
{
	struct weir_http_path path;
	char buffer[8];
	(void)state;
	for (size_t capacity = 0; capacity < 6; capacity++)
		assert_int_equal(
		        http_path_clean(WEIR_SPAN("/ab/cd"), buffer, capacity, &path), 414);
	assert_int_equal(http_path_clean(WEIR_SPAN("/ab/cd"), buffer, 6, &path), 0);
	assert_string_equal(path.text.data, "ab/cd");
	assert_int_equal(http_path_clean(WEIR_SPAN("/"), buffer, 1, &path), 0);
}

/* The model decodes first and then walks a list of segments; it knows only what the test makes. */
static bool model(const char *raw, char *ret_text)
{
	char segments[16][16];
	size_t count = 0, size = 0;
	for (const char *at = raw; *at;) {
		char segment[16];
		size_t length = 0;
		while (*at == '/')
			at++;
		while (*at && *at != '/') {
			if (strncmp(at, "%2e", 3) == 0) {
				segment[length++] = '.';
				at += 3;
			} else {
				segment[length++] = *at++;
			}
		}
		segment[length] = 0;
		if (strcmp(segment, "..") == 0) {
			if (count-- == 0)
				return false;
		} else if (length && strcmp(segment, ".") != 0) {
			strcpy(segments[count++], segment);
		}
	}
	*ret_text = 0;
	for (size_t i = 0; i < count; i++)
		size += (size_t)sprintf(ret_text + size, "%s%s", i ? "/" : "", segments[i]);
	return true;
}

static void model_of_segments(void **state)
{
	static const char *const parts[] = {"/", "/", "/", ".", "..", "%2e", "a", "b"};
	uint32_t seed = 2463534242u;
	unsigned accepted_count = 0;
	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		char raw[64] = "/", expected[128], buffer[64];
		struct weir_http_path path;
		for (unsigned i = 0; i < 8; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 17;
			seed ^= seed << 5;
			strcat(raw, parts[seed % 8]);
		}
		bool valid = model(raw, expected);
		int status = http_path_clean(weir_span_of(raw), buffer, strlen(raw), &path);
		if (status != (valid ? 0 : 400))
			fail_msg("%s: %d", raw, status);
		if (valid && strcmp(buffer, expected) != 0)
			fail_msg("%s: %s, not %s", raw, buffer, expected);
		accepted_count += valid;
	}
	assert_true(accepted_count > 10000);
}

/*
 * A plain path is copied. Every other one, and one that begins with a dot, is cleaned byte by byte.
 */
static void plain_paths_are_cleaned_alike(void **state)
{
	static const char common[] = "abcdefghijklmnopqrstuvwxyz0123456789-_~/:@\\";
	static const char rare[] = "/..%?#\x7f\x01 \xc3";
	uint32_t seed = 2463534242u;
	unsigned accepted_count = 0, directories = 0;
	(void)state;
	for (unsigned round = 0; round < 300000; round++) {
		char raw[64], dotted[66], buffer[64], expected[66];
		struct weir_http_path path = {0}, model_path = {0};
		size_t size = 1 + round % (sizeof raw - 1);
		for (size_t i = 0; i < size; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 17;
			seed ^= seed << 5;
			raw[i] = seed % 64 ? common[(seed >> 8) % (sizeof common - 1)]
			                   : rare[(seed >> 8) % (sizeof rare - 1)];
		}
		raw[0] = '/';
		memcpy(dotted, "/.", 2);
		memcpy(dotted + 2, raw, size);
		/* Of its own size, so that nothing is read beyond it unseen. */
		char *exact = malloc(size);
		assert_non_null(exact);
		memcpy(exact, raw, size);
		int status = http_path_clean(weir_span(exact, size), buffer, size, &path);
		free(exact);
		assert_int_equal(status, http_path_clean(weir_span(dotted, size + 2), expected,
		                                 sizeof expected, &model_path));
		if (status)
			continue;
		accepted_count++;
		directories += path.directory;
		assert_string_equal(buffer, expected);
		assert_int_equal(path.text.size, model_path.text.size);
		assert_int_equal(path.directory, model_path.directory);
		assert_int_equal(path.hidden, model_path.hidden);
	}
	assert_true(accepted_count > 100000 && directories > 1000);
}

static void every_byte_is_plain_or_not_wherever_it_stands(void **state)
{
	(void)state;
	for (size_t size = 2; size < 40; size++)
		for (size_t at = 1; at < size; at++)
			for (unsigned byte = 0; byte < 256; byte++) {
				char raw[40], buffer[40];
				struct weir_http_path path;
				bool allowed = http_is((char)byte, WEIR_HTTP_PCHAR) && byte != '%';
				memset(raw, 'g', sizeof raw);
				raw[0] = '/';
				raw[at] = (char)byte;
				int status =
				        http_path_clean(weir_span(raw, size), buffer, size, &path);
				if (status != (allowed ? 0 : 400))
					fail_msg("%#x at %zu of %zu: %d", byte, at, size, status);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(accepted),
	        cmocka_unit_test(refused),
	        cmocka_unit_test(small_buffers),
	        cmocka_unit_test(model_of_segments),
	        cmocka_unit_test(plain_paths_are_cleaned_alike),
	        cmocka_unit_test(every_byte_is_plain_or_not_wherever_it_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
