/*
 * Signatures of the ACME client: each is checked by OpenSSL with the public key that comes with it.
 * Thumbprints are compared with one that was made by hand. Every allocation is made to fail.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>

#include "acme_jose.h"
#include "allocation.h"

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgEjRWeJCrze8SNFZ4\n"
                              "kKvN7xI0VniQq83vEjRWeJCrze+hRANCAARHHD51jEkEKFu6flMRjtD1JK3rB1fS\n"
                              "W9L457DXbfpxTN1SD3rKiouResw39R3o8Mm7462Fg4LnAtwloS0J96hY\n"
                              "-----END PRIVATE KEY-----\n";

static struct weir_span member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	assert_true(json_is_string(value));
	return weir_span(json_string_value(value), json_string_length(value));
}

/* Decodes a member as JSON. */
static json_t *decoded(const json_t *object, const char *name)
{
	unsigned char bytes[1024];
	size_t size;
	assert_true(acme_base64_decode(member(object, name), bytes, sizeof bytes, &size));
	json_t *ret = json_loadb((const char *)bytes, size, 0, NULL);
	assert_non_null(ret);
	return ret;
}

static void assert_signed(const json_t *object, EVP_PKEY *key)
{
	unsigned char raw[64], der[128], *at = der;
	size_t size;
	char input[4096];
	struct weir_span protected = member(object, "protected"),
	                 payload = member(object, "payload");
	int input_size = snprintf(input, sizeof input, "%.*s.%.*s", (int)protected.size,
	        protected.data, (int)payload.size, payload.data);
	assert_true(acme_base64_decode(member(object, "signature"), raw, sizeof raw, &size));
	assert_int_equal(size, 64);
	ECDSA_SIG *signature = ECDSA_SIG_new();
	assert_int_equal(
	        ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)),
	        1);
	int der_size = i2d_ECDSA_SIG(signature, &at);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(context, der, (size_t)der_size, (unsigned char *)input,
	                         (size_t)input_size),
	        1);
	EVP_MD_CTX_free(context);
	ECDSA_SIG_free(signature);
}

static json_t *sign(const struct acme_jose *jose, const char *payload)
{
	struct weir_buffer text = {0};
	assert_int_equal(acme_jose_sign(jose, weir_span_of(payload), &text), 0);
	json_t *object = json_loadb(text.data, text.size, 0, NULL);
	weir_buffer_finish(&text);
	assert_non_null(object);
	assert_int_equal(json_object_size(object), 3);
	assert_signed(object, jose->key);
	return object;
}

static void test_an_account_signs_with_its_url(void **state)
{
	EVP_PKEY *key = acme_key_create();
	(void)state;
	json_t *object = sign(
	        &(struct acme_jose){
	                .key = key, .kid = "https://a/1", .nonce = "n", .url = "https://a/b"},
	        "{\"a\":1}");
	json_t *head = decoded(object, "protected"), *payload = decoded(object, "payload");
	assert_string_equal(json_string_value(json_object_get(head, "alg")), "ES256");
	assert_string_equal(json_string_value(json_object_get(head, "kid")), "https://a/1");
	assert_string_equal(json_string_value(json_object_get(head, "nonce")), "n");
	assert_string_equal(json_string_value(json_object_get(head, "url")), "https://a/b");
	assert_int_equal(json_object_size(head), 4);
	assert_int_equal(json_integer_value(json_object_get(payload, "a")), 1);
	json_decref(payload);
	json_decref(head);
	json_decref(object);
	EVP_PKEY_free(key);
}

static void test_a_new_key_is_sent(void **state)
{
	EVP_PKEY *key = acme_key_create();
	(void)state;
	json_t *object = sign(&(struct acme_jose){.key = key, .url = "https://a/b"}, "");
	json_t *head = decoded(object, "protected");
	const json_t *jwk = json_object_get(head, "jwk");
	assert_int_equal(json_object_size(head), 3); /* neither an account nor a nonce */
	assert_int_equal(json_object_size(jwk), 4);
	assert_string_equal(json_string_value(json_object_get(jwk, "crv")), "P-256");
	assert_int_equal(member(jwk, "x").size, 43); /* 32 bytes, with their leading zeros */
	assert_int_equal(member(jwk, "y").size, 43);
	assert_int_equal(member(object, "payload").size, 0);
	json_decref(head);
	json_decref(object);
	EVP_PKEY_free(key);
}

/* Signatures and coordinates with leading zeros have their full size. */
static void test_many_keys(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		EVP_PKEY *key = acme_key_create();
		struct weir_buffer jwk = {0};
		assert_int_equal(acme_key_jwk(key, &jwk), 0);
		assert_int_equal(jwk.size, 126);
		weir_buffer_finish(&jwk);
		json_decref(
		        sign(&(struct acme_jose){.key = key, .kid = "k", .nonce = "n", .url = "u"},
		                "{}"));
		EVP_PKEY_free(key);
	}
}

static void test_thumbprint(void **state)
{
	char text[ACME_THUMBPRINT_SIZE];
	struct weir_buffer jwk = {0};
	EVP_PKEY *key = acme_key_parse(weir_span_of(key_pem));
	(void)state;
	assert_non_null(key);
	assert_int_equal(acme_key_jwk(key, &jwk), 0);
	assert_memory_equal(jwk.data,
	        "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"Rxw-dYxJBChbun5TEY7Q9SSt6wdX0lvS-Oew1236cUw\",\"y\":\"3VIPesqKi5F6zDf1HejwybvjrYWDgucC3CWhLQn3qFg\"}",
	        jwk.size);
	assert_int_equal(acme_key_thumbprint(key, text), 0);
	assert_string_equal(text, "D8HvZq-fumkXpCwYIpjAPoqJx7WoEcJUS7tPPyIEJKI");
	weir_buffer_finish(&jwk);
	EVP_PKEY_free(key);
}

static void test_keys_survive_printing(void **state)
{
	struct weir_buffer pem = {0};
	EVP_PKEY *key = acme_key_create();
	(void)state;
	assert_int_equal(acme_key_print(key, &pem), 0);
	EVP_PKEY *again = acme_key_parse(weir_buffer_span(&pem));
	assert_int_equal(EVP_PKEY_eq(key, again), 1);
	for (size_t i = 0; i < pem.size; i++)
		EVP_PKEY_free(acme_key_parse(weir_span(pem.data, i)));
	weir_buffer_finish(&pem);
	EVP_PKEY_free(again);
	EVP_PKEY_free(key);
}

static void test_other_keys_are_refused(void **state)
{
	struct weir_buffer pem = {0};
	EVP_PKEY *other = EVP_EC_gen("P-384");
	(void)state;
	assert_int_equal(acme_key_print(other, &pem), 0);
	assert_null(acme_key_parse(weir_buffer_span(&pem)));
	assert_null(acme_key_parse(weir_span_of("")));
	assert_null(acme_key_parse(weir_span_of("-----BEGIN CERTIFICATE-----\nAAAA\n")));
	weir_buffer_finish(&pem);
	EVP_PKEY_free(other);
}

static void test_external_account(void **state)
{
	unsigned char raw[64], expected[32];
	size_t size;
	char input[4096];
	struct weir_buffer text = {0};
	EVP_PKEY *key = acme_key_create();
	(void)state;
	assert_int_equal(
	        acme_jose_bind(key, "https://a/new", "kid-1", WEIR_SPAN("secret"), &text), 0);
	json_t *object = json_loadb(text.data, text.size, 0, NULL);
	json_t *head = decoded(object, "protected"), *payload = decoded(object, "payload");
	assert_string_equal(json_string_value(json_object_get(head, "alg")), "HS256");
	assert_string_equal(json_string_value(json_object_get(head, "kid")), "kid-1");
	assert_string_equal(json_string_value(json_object_get(payload, "kty")), "EC");
	assert_true(acme_base64_decode(member(object, "signature"), raw, sizeof raw, &size));
	assert_int_equal(size, 32);
	int input_size = snprintf(input, sizeof input, "%s.%s", member(object, "protected").data,
	        member(object, "payload").data);
	HMAC(EVP_sha256(), "secret", 6, (unsigned char *)input, (size_t)input_size, expected, NULL);
	assert_memory_equal(raw, expected, 32);
	json_decref(payload);
	json_decref(head);
	json_decref(object);
	weir_buffer_finish(&text);
	EVP_PKEY_free(key);
}

static void test_base64(void **state)
{
	static const char *const bad[] = {
	        "a", "ab=", "ab==", "a+b/", "ab c", "\xff\xff", "YR", "AAA*"};
	unsigned char bytes[1100];
	size_t size;
	(void)state;
	for (size_t length = 0; length < 70; length++) {
		unsigned char data[70];
		struct weir_buffer text = {0};
		for (size_t i = 0; i < length; i++)
			data[i] = (unsigned char)(251 + 7 * i);
		assert_int_equal(acme_base64_append(&text, weir_span(data, length)), 0);
		assert_int_equal(text.size, (length * 8 + 5) / 6);
		assert_null(memchr(text.size ? text.data : "", '=', text.size));
		assert_true(
		        acme_base64_decode(weir_buffer_span(&text), bytes, sizeof bytes, &size));
		assert_int_equal(size, length);
		assert_memory_equal(bytes, data, length);
		weir_buffer_finish(&text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(acme_base64_decode(weir_span_of(bad[i]), bytes, sizeof bytes, &size));
	assert_false(acme_base64_decode(WEIR_SPAN("YWJj"), bytes, 2, &size));
	char large[4096];
	memset(large, 'A', sizeof large);
	assert_false(
	        acme_base64_decode(weir_span(large, sizeof large), bytes, sizeof bytes, &size));
}

static void test_without_memory(void **state)
{
	EVP_PKEY *key = acme_key_create();
	struct acme_jose jose = {.key = key, .nonce = "n", .url = "https://a/b"};
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		char thumbprint[ACME_THUMBPRINT_SIZE];
		struct weir_buffer text = {0}, other = {0};
		fail_allocation_after(good, true);
		int signing = acme_jose_sign(&jose, WEIR_SPAN("{}"), &text);
		int binding = acme_jose_bind(key, "u", "k", WEIR_SPAN("secret"), &other);
		int printing = acme_key_thumbprint(key, thumbprint);
		failed = stop_failing_allocations();
		assert_true(signing == 0 || signing == -ENOMEM);
		assert_true(binding == 0 || binding == -ENOMEM);
		assert_true(printing == 0 || printing == -ENOMEM);
		assert_true(!failed || signing < 0 || binding < 0 || printing < 0);
		weir_buffer_finish(&text);
		weir_buffer_finish(&other);
	}
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_an_account_signs_with_its_url),
	        cmocka_unit_test(test_a_new_key_is_sent),
	        cmocka_unit_test(test_many_keys),
	        cmocka_unit_test(test_thumbprint),
	        cmocka_unit_test(test_keys_survive_printing),
	        cmocka_unit_test(test_other_keys_are_refused),
	        cmocka_unit_test(test_external_account),
	        cmocka_unit_test(test_base64),
	        cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
