/* Percent-decoding, queries, cookies: what is decoded, what is borrowed, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/http_form.h>

#define assert_span(span, text)                                                                    \
	assert_true(weir_span_equal(span, weir_span(text, sizeof(text) - 1)))

static void escapes_are_decoded_once(void **state)
{
	(void)state;
	char buffer[16];
	struct weir_span got;
	assert_int_equal(weir_http_percent_decode(WEIR_SPAN("%41%2541+"), buffer, 16, &got), 0);
	assert_span(got, "A%41+");
	assert_int_equal(weir_http_form_decode(WEIR_SPAN("a+b%2B%00"), buffer, 16, &got), 0);
	assert_span(got, "a b+\0");
	assert_int_equal(weir_http_percent_decode(WEIR_SPAN("%c3%BC"), buffer, 2, &got), 0);
	assert_span(got, "\xc3\xbc");
}

static void plain_text_is_not_copied(void **state)
{
	(void)state;
	struct weir_span text = WEIR_SPAN("a+b"), got = {0};
	assert_int_equal(weir_http_percent_decode(text, NULL, 0, &got), 0);
	assert_ptr_equal(got.data, text.data);
	assert_int_equal(weir_http_form_decode(weir_span(NULL, 0), NULL, 0, &got), 0);
	assert_int_equal(got.size, 0);
}

static void decoding_in_place_works(void **state)
{
	(void)state;
	char text[] = "x%20%79z";
	struct weir_span got;
	assert_int_equal(weir_http_percent_decode(weir_span(text, 8), text, sizeof text, &got), 0);
	assert_span(got, "x yz");
}

static void malformed_escapes_and_short_buffers_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"%", "%4", "a%", "%4g", "%g4", "%%41", "% 41"};
	char buffer[16];
	struct weir_span got = WEIR_SPAN("untouched");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(weir_http_percent_decode(weir_span_of(bad[i]), buffer, 16, &got),
		        WEIR_E_SYNTAX);
	assert_int_equal(
	        weir_http_percent_decode(WEIR_SPAN("%41bc"), buffer, 2, &got), WEIR_E_LIMIT);
	assert_span(got, "untouched");
}

static void pairs_are_cut_before_they_are_decoded(void **state)
{
	(void)state;
	struct weir_span rest = WEIR_SPAN("&a=1&&b&c=&=d&e=f=g&%26=%3D&");
	static const char *const expected[][2] = {
	        {"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}, {"%26", "%3D"}};
	struct weir_http_pair pair;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		assert_true(weir_http_pair_next(&rest, &pair));
		assert_true(weir_span_equal(pair.name, weir_span_of(expected[i][0])));
		assert_true(weir_span_equal(pair.value, weir_span_of(expected[i][1])));
	}
	assert_true(weir_http_pair_named(&pair, WEIR_SPAN("&")));
	assert_false(weir_http_pair_named(&pair, WEIR_SPAN("%26")));
	assert_false(weir_http_pair_named(&pair, WEIR_SPAN("")));
	assert_false(weir_http_pair_next(&rest, &pair));
	rest = weir_span(NULL, 0);
	assert_false(weir_http_pair_next(&rest, &pair));
}

static void a_parameter_is_found_by_its_decoded_name(void **state)
{
	(void)state;
	struct weir_span query = WEIR_SPAN("x=1&na%6De=J%C3%BCrgen+K&name=2&bad=%zz&%zz=3"), got;
	char buffer[16];
	assert_int_equal(weir_http_query_value(query, WEIR_SPAN("name"), buffer, 16, &got), 1);
	assert_span(got, "J\xc3\xbcrgen K");
	assert_int_equal(
	        weir_http_query_value(query, WEIR_SPAN("name"), buffer, 3, &got), WEIR_E_LIMIT);
	assert_int_equal(
	        weir_http_query_value(query, WEIR_SPAN("bad"), buffer, 16, &got), WEIR_E_SYNTAX);
	assert_int_equal(weir_http_query_value(query, WEIR_SPAN("nam"), buffer, 16, &got), 0);
	assert_int_equal(weir_http_query_value(query, WEIR_SPAN("names"), buffer, 16, &got), 0);
	assert_int_equal(weir_http_query_value(query, WEIR_SPAN("%zz"), buffer, 16, &got), 0);
}

static void cookies_of_all_fields_are_found(void **state)
{
	(void)state;
	struct weir_http_request request = {.field_count = 3};
	request.fields[0] = (struct weir_http_field){
	        WEIR_SPAN("Cookie"), WEIR_SPAN("a=1; b=\"x y\";junk; c=d=e")};
	request.fields[1] = (struct weir_http_field){WEIR_SPAN("Host"), WEIR_SPAN("f=1")};
	request.fields[2] = (struct weir_http_field){WEIR_SPAN("Cookie"), WEIR_SPAN(" f= ;a=2")};
	request.known[0] = request.known[2] = WEIR_HTTP_COOKIE;
	request.known[1] = WEIR_HTTP_HOST;
	request.first[WEIR_HTTP_COOKIE] = 1;
	request.first[WEIR_HTTP_HOST] = 2;
	assert_span(weir_http_cookie(&request, WEIR_SPAN("a")), "1");
	assert_span(weir_http_cookie(&request, WEIR_SPAN("b")), "\"x y\"");
	assert_span(weir_http_cookie(&request, WEIR_SPAN("c")), "d=e");
	struct weir_span empty = weir_http_cookie(&request, WEIR_SPAN("f"));
	assert_non_null(empty.data);
	assert_int_equal(empty.size, 0);
	assert_null(weir_http_cookie(&request, WEIR_SPAN("junk")).data);
	assert_null(weir_http_cookie(&request, WEIR_SPAN("A")).data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(escapes_are_decoded_once),
	        cmocka_unit_test(plain_text_is_not_copied),
	        cmocka_unit_test(decoding_in_place_works),
	        cmocka_unit_test(malformed_escapes_and_short_buffers_are_refused),
	        cmocka_unit_test(pairs_are_cut_before_they_are_decoded),
	        cmocka_unit_test(a_parameter_is_found_by_its_decoded_name),
	        cmocka_unit_test(cookies_of_all_fields_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
