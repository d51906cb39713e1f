/* URLs of the client, and the references of RFC 3986 5.4 as a Location field contains them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "client_url.h"

static void parts(void **state)
{
	struct http_url url;
	(void)state;
	assert_int_equal(http_url_parse(WEIR_SPAN("http://a.b"), &url), 0);
	assert_false(url.tls);
	assert_int_equal(url.port, 80);
	assert_int_equal(url.path.size + url.query.size, 0);
	assert_int_equal(http_url_parse(WEIR_SPAN("HTTPS://[::1]:8443/a/b?c?d#e"), &url), 0);
	assert_true(url.tls);
	assert_int_equal(url.port, 8443);
	assert_true(weir_span_equal(url.host, WEIR_SPAN("[::1]")));
	assert_true(weir_span_equal(url.authority, WEIR_SPAN("[::1]:8443")));
	assert_true(weir_span_equal(url.path, WEIR_SPAN("/a/b")));
	assert_true(weir_span_equal(url.query, WEIR_SPAN("?c?d")));
	assert_int_equal(http_url_parse(WEIR_SPAN("https://a:?q"), &url), 0);
	assert_int_equal(url.port, 443);
	assert_int_equal(url.path.size, 0);
}

static void refused(void **state)
{
	static const char *const urls[] = {"", "a", "//a/", "ftp://a/", "http:/a", "http://",
	        "http:///a", "http://u@a/", "http://a:0/", "http://a:70000/", "http://a:b/",
	        "http://[::1/", "http://a b/", "http://a/b c", "http://a/\r\nX: y", "http://a/\x80",
	        "http://a?b c"};
	struct http_url url;
	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
		if (http_url_parse(weir_span_of(urls[i]), &url) != WEIR_E_SYNTAX)
			fail_msg("%s", urls[i]);
	assert_int_equal(http_url_parse(weir_span("http://a/\0", 10), &url), WEIR_E_SYNTAX);
}

static void references(void **state)
{
	static const struct {
		const char *reference, *url;
	} cases[] = {
	        {"g", "http://a/b/c/g"},
	        {"./g", "http://a/b/c/g"},
	        {"g/", "http://a/b/c/g/"},
	        {"/g", "http://a/g"},
	        {"//g", "http://g"},
	        {"?y", "http://a/b/c/d;p?y"},
	        {"g?y", "http://a/b/c/g?y"},
	        {"#s", "http://a/b/c/d;p?q"},
	        {"g#s", "http://a/b/c/g"},
	        {"", "http://a/b/c/d;p?q"},
	        {".", "http://a/b/c/"},
	        {"..", "http://a/b/"},
	        {"../g", "http://a/b/g"},
	        {"../..", "http://a/"},
	        {"../../g", "http://a/g"},
	        {"../../../g", "http://a/g"},
	        {"/./g", "http://a/g"},
	        {"/../g", "http://a/g"},
	        {"g.", "http://a/b/c/g."},
	        {"..g", "http://a/b/c/..g"},
	        {"./g/.", "http://a/b/c/g/"},
	        {"g/../h", "http://a/b/c/h"},
	        {"g?y/../x", "http://a/b/c/g?y/../x"},
	        {"https://x:1/y", "https://x:1/y"},
	        {"mailto:a", NULL},
	        {"ftp://a/", NULL},
	        {"//", NULL},
	        {"a b", NULL},
	        {"a\r\nb", NULL},
	};
	struct http_url base;
	(void)state;
	assert_int_equal(http_url_parse(WEIR_SPAN("http://a/b/c/d;p?q"), &base), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_buffer got = {0};
		int error = http_url_resolve(&base, weir_span_of(cases[i].reference), &got);
		struct weir_span text = weir_buffer_span(&got);
		if (cases[i].url ? error || !weir_span_equal(text, weir_span_of(cases[i].url))
		                 : error != WEIR_E_SYNTAX)
			fail_msg("'%s': %d, '%.*s'", cases[i].reference, error, (int)text.size,
			        text.data);
		weir_buffer_finish(&got);
	}
}

static void below_an_empty_path(void **state)
{
	struct http_url base;
	struct weir_buffer got = {0};
	(void)state;
	assert_int_equal(http_url_parse(WEIR_SPAN("http://a"), &base), 0);
	assert_int_equal(http_url_resolve(&base, WEIR_SPAN("g"), &got), 0);
	assert_true(weir_span_equal(weir_buffer_span(&got), WEIR_SPAN("http://a/g")));
	weir_buffer_finish(&got);
}

static void too_long(void **state)
{
	static char reference[WEIR_HTTP_CLIENT_URL_MAX + 1];
	struct http_url base;
	struct weir_buffer got = {0};
	(void)state;
	for (size_t i = 0; i < sizeof reference; i++)
		reference[i] = 'a';
	assert_int_equal(http_url_parse(WEIR_SPAN("http://a/"), &base), 0);
	assert_int_equal(http_url_resolve(&base, weir_span(reference, sizeof reference), &got),
	        WEIR_E_LIMIT);
	weir_buffer_finish(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(parts),
	        cmocka_unit_test(refused),
	        cmocka_unit_test(references),
	        cmocka_unit_test(below_an_empty_path),
	        cmocka_unit_test(too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
