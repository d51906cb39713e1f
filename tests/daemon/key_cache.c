/*
 * Keys of rows, which the key process has unsealed: each by its own name and text alone, also when
 * there are more rows than slots, and when all threads ask at a time.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include <weir/database_secrets.h>
#include <weir/error.h>

#include "key_cache.h"

enum {
	KEYS = 2,
	ROWS = WEIR_TLS_CERTIFICATES_MAX + 64,
	THREADS = 4,
	ROUNDS = 1100,
	STEP = 7, /* it is no divisor of ROWS */
};

static const unsigned char seal[WEIR_DATABASE_SEAL_SIZE] = {1, 2, 3};
static struct key_cache cache = KEY_CACHE_EMPTY;
static EVP_PKEY *keys[KEYS];
static struct weir_buffer rows[ROWS]; /* the texts; a row has the key of its number modulo KEYS */
static atomic_uint wrong;

static struct weir_span name_of(unsigned row, char text[16])
{
	return weir_span(text, (size_t)snprintf(text, 16, "name%u", row));
}

static void seal_row(unsigned row, const char *purpose, struct weir_buffer *ret)
{
	char name[16], *pem;
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(
	        PEM_write_bio_PrivateKey(bio, keys[row % KEYS], NULL, NULL, 0, NULL, NULL), 1);
	long size = BIO_get_mem_data(bio, &pem);
	assert_int_equal(weir_database_seal_by(seal, purpose, name_of(row, name),
	                         weir_span(pem, (size_t)size), ret),
	        0);
	BIO_free(bio);
}

static int find(unsigned name, struct weir_span text, EVP_PKEY **ret)
{
	char of[16];
	return key_cache_find(&cache, name_of(name, of), text, ret);
}

static bool row_is_right(unsigned row)
{
	EVP_PKEY *key;
	if (find(row, weir_buffer_span(&rows[row]), &key) < 0)
		return false;
	bool right = EVP_PKEY_eq(key, keys[row % KEYS]) == 1;
	EVP_PKEY_free(key);
	return right;
}

static void a_row_is_of_its_name_alone(void **state)
{
	EVP_PKEY *key = NULL;
	struct weir_buffer other = {0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(row_is_right(0));
		assert_int_equal(find(1, weir_buffer_span(&rows[0]), &key), -EBADMSG);
	}
	seal_row(0, WEIR_DATABASE_SEAL_TSIG, &other);
	assert_int_equal(find(0, weir_buffer_span(&other), &key), -EBADMSG);
	weir_database_erase(&other);
	assert_int_equal(find(0, WEIR_SPAN("a2V5"), &key), WEIR_E_SYNTAX);
	/* A name that ends within the text of the row makes no row that is known. */
	char name[4096];
	size_t size = (size_t)snprintf(name, sizeof name, "name0") + 1;
	memcpy(name + size, rows[0].data, 20);
	assert_int_equal(key_cache_find(&cache, weir_span(name, size + 20),
	                         weir_span_skip(weir_buffer_span(&rows[0]), 20), &key),
	        WEIR_E_SYNTAX);
	assert_null(key);
}

static void *ask(void *context)
{
	unsigned row = *(const unsigned *)context;
	for (unsigned i = 0; i < ROUNDS; i++, row = (row + STEP) % ROWS)
		wrong += !row_is_right(row) || !row_is_right(row % 8);
	return NULL;
}

static void threads_share_the_keys(void **state)
{
	pthread_t threads[THREADS];
	unsigned first[THREADS];
	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		first[i] = i / 2; /* two each ask for the same at the same time */
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &first[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(cache.count, WEIR_TLS_CERTIFICATES_MAX);
}

static int start_all(void **state)
{
	(void)state;
	cache.seal = seal;
	for (unsigned i = 0; i < KEYS; i++)
		keys[i] = EVP_EC_gen("P-256");
	for (unsigned row = 0; row < ROWS; row++)
		seal_row(row, WEIR_DATABASE_SEAL_CERTIFICATE, &rows[row]);
	return 0;
}

static int stop_all(void **state)
{
	(void)state;
	key_cache_finish(&cache);
	for (unsigned i = 0; i < KEYS; i++)
		EVP_PKEY_free(keys[i]);
	for (unsigned row = 0; row < ROWS; row++)
		weir_database_erase(&rows[row]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_row_is_of_its_name_alone),
	        cmocka_unit_test(threads_share_the_keys),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
