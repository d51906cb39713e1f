/* The computations of SCRAM against the example of RFC 7677 3, and the text of the verifier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/base64.h>
#include <weir/error.h>
#include <weir/sasl.h>

#include "sasl_exchange.h"

static void example_of_the_rfc(void **state)
{
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	                              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	                              "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	                              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct weir_scram scram = {.iterations = 4096};
	unsigned char salted[SCRAM_KEY], key[SCRAM_KEY], signature[SCRAM_KEY];
	char text[WEIR_BASE64_ENCODED(SCRAM_KEY)];
	size_t size;
	(void)state;
	assert_int_equal(weir_base64_decode(WEIR_SPAN("W22ZaJ0SNY7soEsUEjb6gQ=="),
	                         (char *)scram.salt, sizeof scram.salt, &size),
	        0);
	scram.salt_size = (uint32_t)size;
	assert_int_equal(scram_salt_password(WEIR_SPAN("pencil"), &scram, salted), 0);
	assert_int_equal(scram_derive(salted, &scram, key), 0);
	assert_int_equal(scram_hmac(scram.stored_key, weir_span_of(message), signature), 0);
	for (int i = 0; i < SCRAM_KEY; i++)
		key[i] ^= signature[i];
	weir_base64_encode(weir_span(key, sizeof key), text);
	assert_memory_equal(text, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", sizeof text);
	assert_int_equal(scram_hmac(scram.server_key, weir_span_of(message), signature), 0);
	weir_base64_encode(weir_span(signature, sizeof signature), text);
	assert_memory_equal(text, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", sizeof text);
}

static void text_of_a_verifier(void **state)
{
	struct weir_scram made, other, parsed;
	char text[WEIR_SCRAM_TEXT_MAX], again[WEIR_SCRAM_TEXT_MAX];
	(void)state;
	assert_int_equal(weir_scram_make(WEIR_SPAN("secret"), &made), 0);
	assert_int_equal(weir_scram_make(WEIR_SPAN("secret"), &other), 0);
	assert_memory_not_equal(made.salt, other.salt, 16);
	size_t size = weir_scram_format(&made, text);
	assert_int_equal(strlen(text), size);
	assert_int_equal(weir_scram_parse(weir_span(text, size), &parsed), 0);
	weir_scram_format(&parsed, again);
	assert_string_equal(text, again);
	assert_memory_equal(&parsed, &made, sizeof made);
	/* A verifier that is cut, or has another byte, is malformed or another one. */
	for (size_t i = 0; i < size; i++) {
		char changed[WEIR_SCRAM_TEXT_MAX];
		assert_int_equal(weir_scram_parse(weir_span(text, i), &parsed), WEIR_E_SYNTAX);
		memcpy(changed, text, size + 1);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		if (weir_scram_parse(weir_span(changed, size), &parsed) == 0)
			assert_memory_not_equal(&parsed, &made, sizeof made);
	}
	/* The largest. */
	made.salt_size = sizeof made.salt;
	made.iterations = WEIR_SCRAM_ITERATIONS_MAX;
	size = weir_scram_format(&made, text);
	assert_true(size < WEIR_SCRAM_TEXT_MAX);
	assert_int_equal(weir_scram_parse(weir_span(text, size), &parsed), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(example_of_the_rfc),
	        cmocka_unit_test(text_of_a_verifier),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
