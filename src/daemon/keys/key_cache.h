/*
 * Private keys of certificates in the database, which the key process has unsealed: parsed, and by
 * the digest of their row, since a key is used many times. A row that was changed or removed leaves
 * its key behind until others need the slot. Any thread may use it.
 */
#ifndef DAEMON_KEY_CACHE_H
#define DAEMON_KEY_CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#include <weir/limits.h>
#include <weir/span.h>

struct key_cache {
	pthread_mutex_t lock;
	const unsigned char *seal; /* borrowed; NULL: no text can be unsealed */
	uint64_t uses;
	size_t count;
	struct key_cache_item {
		unsigned char digest[32];
		EVP_PKEY *key;
		uint64_t used; /* the value of `uses` then */
	} items[WEIR_TLS_CERTIFICATES_MAX];
};

#define KEY_CACHE_EMPTY                                                                            \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER                                                  \
	}

/*
 * Stores a reference to the key of a row. Returns 0, an error of weir_database_unseal, or
 * WEIR_E_SYNTAX if it is no key in PEM without a password.
 */
int key_cache_find(
        struct key_cache *cache, struct weir_span name, struct weir_span text, EVP_PKEY **ret);

/* Frees the keys. */
void key_cache_finish(struct key_cache *cache);

/* Reads a key in PEM; NULL if it is none, or has a password. */
EVP_PKEY *key_read(BIO *from);

#endif
