/* Accept-Encoding: weights, defaults and malformed elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "head.h"

static void weights(void **state)
{
	static const struct {
		const char *text;
		int weight;
	} cases[] = {
	        {"0", 0},
	        {"1", 1000},
	        {"0.", 0},
	        {"1.", 1000},
	        {"0.5", 500},
	        {"0.05", 50},
	        {"0.005", 5},
	        {"0.999", 999},
	        {"1.0", 1000},
	        {"1.000", 1000},
	        {"0.000", 0},
	        {"", -1},
	        {"2", -1},
	        {"1.1", -1},
	        {"1.001", -1},
	        {"0.0005", -1},
	        {"1.0000", -1},
	        {".5", -1},
	        {"00", -1},
	        {"0,5", -1},
	        {"-0", -1},
	        {"+1", -1},
	        {"0.5 ", -1},
	        {" 0.5", -1},
	        {"0.a", -1},
	        {"1e0", -1},
	        {"10", -1},
	        {"0..5", -1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (http_weight_parse(weir_span_of(cases[i].text)) != cases[i].weight)
			fail_msg("%s", cases[i].text);
}

static void choices(void **state)
{
	static const struct {
		const char *value;
		enum http_coding coding;
	} cases[] = {
	        {"gzip", WEIR_HTTP_GZIP},
	        {"GZip", WEIR_HTTP_GZIP},
	        {"x-gzip", WEIR_HTTP_GZIP},
	        {"gzip, deflate, br, zstd", WEIR_HTTP_GZIP},
	        {"br;q=1.0, gzip;q=0.8, *;q=0.1", WEIR_HTTP_GZIP},
	        {"*", WEIR_HTTP_GZIP},
	        {"gzip;q=0.001", WEIR_HTTP_GZIP},
	        {"gzip ; Q=0.5", WEIR_HTTP_GZIP},
	        {"gzip;q=0.5, identity;q=0.5", WEIR_HTTP_GZIP},
	        {"identity;q=0, gzip", WEIR_HTTP_GZIP},
	        {"*;q=0, gzip", WEIR_HTTP_GZIP},
	        {",, gzip,", WEIR_HTTP_GZIP},
	        {"deflate;q=x, gzip", WEIR_HTTP_GZIP},
	        {"", WEIR_HTTP_IDENTITY},
	        {"br", WEIR_HTTP_IDENTITY},
	        {"identity", WEIR_HTTP_IDENTITY},
	        {"gzip;q=0", WEIR_HTTP_IDENTITY},
	        {"gzip;q=0, gzip", WEIR_HTTP_IDENTITY},
	        {"gzip;q=0, *", WEIR_HTTP_IDENTITY},
	        {"gzip;q=0.4, identity;q=0.5", WEIR_HTTP_IDENTITY},
	        {"identity, *;q=0", WEIR_HTTP_IDENTITY},
	        {"xgzip", WEIR_HTTP_IDENTITY},
	        {"gzip2", WEIR_HTTP_IDENTITY},
	        {"gzip;q=2", WEIR_HTTP_IDENTITY},
	        {"gzip;q", WEIR_HTTP_IDENTITY},
	        {"gzip;q=", WEIR_HTTP_IDENTITY},
	        {"gzip;r=1", WEIR_HTTP_IDENTITY},
	        {"gzip q=1", WEIR_HTTP_IDENTITY},
	        {"gzip;q =1", WEIR_HTTP_IDENTITY},
	        {"gzip;q=1;q=1", WEIR_HTTP_IDENTITY},
	        {"\"gzip\"", WEIR_HTTP_IDENTITY},
	        {"identity;q=0", WEIR_HTTP_NO_CODING},
	        {"*;q=0", WEIR_HTTP_NO_CODING},
	        {"br, identity;q=0", WEIR_HTTP_NO_CODING},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_accept accept = WEIR_HTTP_ACCEPT_NONE;
		http_accept_add(&accept, weir_span_of(cases[i].value));
		if (http_accept_choose(&accept, false) != cases[i].coding)
			fail_msg("%s", cases[i].value);
	}
}

static void zstd_where_it_is_not_worth_less(void **state)
{
	static const struct {
		const char *value;
		enum http_coding coding;
	} cases[] = {
	        {"gzip, zstd", WEIR_HTTP_ZSTD},
	        {"zstd", WEIR_HTTP_ZSTD},
	        {"gzip;q=0.5, zstd;q=0.5", WEIR_HTTP_ZSTD},
	        {"gzip;q=0.8, zstd;q=0.5", WEIR_HTTP_GZIP},
	        {"gzip, zstd;q=0", WEIR_HTTP_GZIP},
	        {"*", WEIR_HTTP_GZIP},
	        {"zstd;q=0.4, identity;q=0.5", WEIR_HTTP_IDENTITY},
	        {"zstd;q=0", WEIR_HTTP_IDENTITY},
	        {"br, identity;q=0", WEIR_HTTP_NO_CODING},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_accept accept = WEIR_HTTP_ACCEPT_NONE;
		http_accept_add(&accept, weir_span_of(cases[i].value));
		if (http_accept_choose(&accept, true) != cases[i].coding)
			fail_msg("%s", cases[i].value);
	}
}

static void of_a_request(void **state)
{
	static struct weir_http_request request;
	(void)state;
	assert_int_equal(
	        http_head_parse(WEIR_SPAN("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &request), 0);
	assert_int_equal(http_accept_coding(&request, true), WEIR_HTTP_IDENTITY);
	assert_int_equal(
	        http_head_parse(WEIR_SPAN("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n"
	                                  "Accept-Encoding: gzip\r\n\r\n"),
	                &request),
	        0);
	assert_int_equal(http_accept_coding(&request, true), WEIR_HTTP_GZIP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(weights),
	        cmocka_unit_test(choices),
	        cmocka_unit_test(zstd_where_it_is_not_worth_less),
	        cmocka_unit_test(of_a_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
