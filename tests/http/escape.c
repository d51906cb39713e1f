/* Escapes for HTML and URLs, into buffers of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include "path.h"

typedef int escape(struct weir_span text, char *buffer, size_t capacity, size_t *ret_size);

static void check(escape *function, const char *text, const char *expected)
{
	size_t wanted = strlen(expected), size;
	for (size_t capacity = 0; capacity <= wanted + 1; capacity++) {
		char *buffer = malloc(capacity + !capacity);
		assert_non_null(buffer);
		size = 99;
		int error = function(weir_span_of(text), buffer, capacity, &size);
		assert_int_equal(error, capacity < wanted ? WEIR_E_LIMIT : 0);
		assert_int_equal(size, capacity < wanted ? 99 : wanted);
		if (error == 0)
			assert_memory_equal(buffer, expected, wanted);
		free(buffer);
	}
}

static void html(void **state)
{
	(void)state;
	check(http_escape_html, "", "");
	check(http_escape_html, "a b\xc3\xa4/;", "a b\xc3\xa4/;");
	check(http_escape_html, "<a href=\"b\">'&amp;'</a>",
	        "&lt;a href=&quot;b&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;");
}

static void url(void **state)
{
	(void)state;
	check(http_escape_url, "", "");
	check(http_escape_url, "aZ09-._~", "aZ09-._~");
	check(http_escape_url, "a b/c?d#e%f", "a%20b%2Fc%3Fd%23e%25f");
	check(http_escape_url, "\xc3\xa4\x01\"<>&'+:", "%C3%A4%01%22%3C%3E%26%27%2B%3A");
}

static void escapes_of_unreserved_characters(void **state)
{
	static const char *const texts[][2] = {{"", ""}, {"/%61dm%69n/%7E%2D", "/admin/~-"},
	        {"%2F%3f%25%20%00%C3%a4", "%2F%3f%25%20%00%C3%a4"}, {"a%", "a%"}, {"a%6", "a%6"},
	        {"%%61", "%a"}, {"%2561", "%2561"}, {"%zz%6g", "%zz%6g"}};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		size_t size = strlen(texts[i][0]);
		char *text = malloc(size + 1); /* so that a read beyond it is noticed */
		assert_non_null(text);
		memcpy(text, texts[i][0], size);
		text[http_unescape_unreserved(text, size)] = 0;
		assert_string_equal(text, texts[i][1]);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(html),
	        cmocka_unit_test(url),
	        cmocka_unit_test(escapes_of_unreserved_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
