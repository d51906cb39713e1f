/* Base64: the vectors of RFC 4648, and that every text has one meaning and one spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/base64.h>
#include <weir/error.h>

static void vectors(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
	        {"", ""},
	        {"f", "Zg=="},
	        {"fo", "Zm8="},
	        {"foo", "Zm9v"},
	        {"foob", "Zm9vYg=="},
	        {"fooba", "Zm9vYmE="},
	        {"foobar", "Zm9vYmFy"},
	        {"\xff\xff\xfe\xfb", "///++w=="},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[16], bytes[16];
		size_t size = weir_base64_encode(weir_span_of(cases[i].bytes), text);
		assert_true(weir_span_equal(weir_span(text, size), weir_span_of(cases[i].text)));
		assert_int_equal(WEIR_BASE64_ENCODED(strlen(cases[i].bytes)), size);
		assert_int_equal(weir_base64_decode(weir_span(text, size), bytes,
		                         strlen(cases[i].bytes), &size),
		        0);
		assert_true(weir_span_equal(weir_span(bytes, size), weir_span_of(cases[i].bytes)));
		if (size)
			assert_int_equal(weir_base64_decode(weir_span_of(cases[i].text), bytes,
			                         size - 1, &size),
			        WEIR_E_LIMIT);
	}
}

static void texts_for_urls_have_other_digits_and_no_padding(void **state)
{
	static const char *const malformed[] = {
	        "A", "Zg==", "Zg=", "Zh", "Zm9=", "Zm8+", "Zm8/", "Zm 8", "Zm9vY"};
	char bytes[300], text[WEIR_BASE64_ENCODED(sizeof bytes)], again[sizeof bytes];
	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 37);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		size_t decoded, size = weir_base64url_encode(weir_span(bytes, n), text);
		assert_int_equal(size, (n * 4 + 2) / 3);
		for (size_t i = 0; i < size; i++)
			assert_false(strchr("+/=", text[i]));
		assert_int_equal(
		        weir_base64url_decode(weir_span(text, size), again, n, &decoded), 0);
		assert_int_equal(decoded, n);
		assert_memory_equal(bytes, again, n);
		if (n)
			assert_int_equal(weir_base64url_decode(
			                         weir_span(text, size), again, n - 1, &decoded),
			        WEIR_E_LIMIT);
	}
	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		size_t decoded;
		assert_int_equal(weir_base64url_decode(
		                         weir_span_of(malformed[i]), again, sizeof again, &decoded),
		        WEIR_E_SYNTAX);
	}
}

/* All texts of four characters out of a few: what is decoded is coded the same again. */
static void one_spelling(void **state)
{
	static const char few[] = "AQgB/+= \r-_z9";
	unsigned taken = 0;
	(void)state;
	for (unsigned i = 0; i < 13 * 13 * 13 * 13; i++) {
		char text[4] = {few[i % 13], few[i / 13 % 13], few[i / 169 % 13], few[i / 2197]};
		char bytes[3], again[4];
		size_t size;
		if (weir_base64_decode(weir_span(text, 4), bytes, sizeof bytes, &size) < 0)
			continue;
		taken++;
		assert_int_equal(weir_base64_encode(weir_span(bytes, size), again), 4);
		assert_memory_equal(text, again, 4);
	}
	/* 8 of the characters stand for bits; of these 3 end in four zero bits (A, Q, g), and those
	 * as well as none of the others in two. */
	assert_in_range(taken, 8 * 8 * 8 * 8, 8 * 8 * 8 * 8 + 8 * 8 * 8 + 8 * 8);
	for (size_t size = 1; size < 12; size++) {
		char bytes[12];
		size_t got;
		if (size % 4)
			assert_int_equal(weir_base64_decode(weir_span("AAAAAAAAAAAA", size), bytes,
			                         sizeof bytes, &got),
			        WEIR_E_SYNTAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(vectors),
	        cmocka_unit_test(texts_for_urls_have_other_digits_and_no_padding),
	        cmocka_unit_test(one_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
