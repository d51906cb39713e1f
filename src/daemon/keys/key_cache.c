/* Slots are few: each use looks through all of them. */
#include "key_cache.h"

#include <errno.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include <weir/database_secrets.h>
#include <weir/error.h>

static int key_refuse_password(char *text, int size, int writing, void *unused)
{
	(void)text, (void)size, (void)writing, (void)unused;
	return -1;
}

EVP_PKEY *key_read(BIO *from)
{
	return PEM_read_bio_PrivateKey(from, NULL, key_refuse_password, NULL);
}

static int key_cache_unseal(
        const struct key_cache *cache, struct weir_span name, struct weir_span text, EVP_PKEY **ret)
{
	struct weir_buffer pem = {0};
	if (!cache->seal)
		return -ENOKEY;
	int error = weir_database_unseal_by(
	        cache->seal, WEIR_DATABASE_SEAL_CERTIFICATE, name, text, &pem);
	BIO *from = error == 0 ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
	EVP_PKEY *key = from ? key_read(from) : NULL;
	if (error == 0 && !key)
		error = from ? WEIR_E_SYNTAX : -ENOMEM;
	BIO_free(from);
	weir_database_erase(&pem);
	if (error == 0)
		*ret = key;
	return error;
}

/* The name and the text, which have no NUL in them. */
static bool key_cache_digest(struct weir_span name, struct weir_span text, unsigned char ret[32])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
	            EVP_DigestUpdate(hash, name.data, name.size) == 1 &&
	            EVP_DigestUpdate(hash, "", 1) == 1 &&
	            EVP_DigestUpdate(hash, text.data, text.size) == 1 &&
	            EVP_DigestFinal_ex(hash, ret, NULL) == 1;
	EVP_MD_CTX_free(hash);
	return good;
}

/* With the lock. Returns NULL if the row is not there. */
static struct key_cache_item *key_cache_look(
        struct key_cache *cache, const unsigned char digest[32])
{
	for (size_t i = 0; i < cache->count; i++)
		if (memcmp(cache->items[i].digest, digest, 32) == 0)
			return &cache->items[i];
	return NULL;
}

/* With the lock. Returns a free slot, or that of the key that was used least recently. */
static struct key_cache_item *key_cache_choose(struct key_cache *cache)
{
	if (cache->count < WEIR_TLS_CERTIFICATES_MAX)
		return &cache->items[cache->count++];
	struct key_cache_item *oldest = &cache->items[0];
	for (size_t i = 1; i < cache->count; i++)
		if (cache->items[i].used < oldest->used)
			oldest = &cache->items[i];
	EVP_PKEY_free(oldest->key);
	return oldest;
}

/* Takes a reference. Another thread may have put the key of this row there meanwhile. */
static void key_cache_put(struct key_cache *cache, const unsigned char digest[32], EVP_PKEY *key)
{
	pthread_mutex_lock(&cache->lock);
	if (!key_cache_look(cache, digest) && EVP_PKEY_up_ref(key) == 1) {
		struct key_cache_item *item = key_cache_choose(cache);
		memcpy(item->digest, digest, sizeof item->digest);
		item->key = key;
		item->used = ++cache->uses;
	}
	pthread_mutex_unlock(&cache->lock);
}

/* Returns a reference, or NULL. */
static EVP_PKEY *key_cache_get(struct key_cache *cache, const unsigned char digest[32])
{
	EVP_PKEY *key = NULL;
	pthread_mutex_lock(&cache->lock);
	struct key_cache_item *item = key_cache_look(cache, digest);
	if (item && EVP_PKEY_up_ref(item->key) == 1) {
		item->used = ++cache->uses;
		key = item->key;
	}
	pthread_mutex_unlock(&cache->lock);
	return key;
}

int key_cache_find(
        struct key_cache *cache, struct weir_span name, struct weir_span text, EVP_PKEY **ret)
{
	unsigned char digest[32];
	if (!key_cache_digest(name, text, digest))
		return -ENOMEM;
	EVP_PKEY *key = key_cache_get(cache, digest);
	int error = key ? 0 : key_cache_unseal(cache, name, text, &key);
	if (error < 0)
		return error;
	key_cache_put(cache, digest, key);
	*ret = key;
	return 0;
}

void key_cache_finish(struct key_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		EVP_PKEY_free(cache->items[i].key);
	cache->count = 0;
}
