/* Encryption is OpenSSL's. Copies of secrets are erased before their memory is freed. */
#include <weir/database_secrets.h>

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <weir/base64.h>
#include <weir/error.h>

#include "helper.h"
#include "seal.h"

#define SEAL_PREFIX "sealed:"

enum {
	SEAL_NONCE = 12,
	SEAL_TAG = 16,
	SEAL_OVERHEAD = SEAL_NONCE + SEAL_TAG,
};

void weir_database_erase(struct weir_buffer *secret)
{
	buffer_erase(secret);
}

bool weir_database_is_sealed(struct weir_span text)
{
	return weir_span_starts(text, WEIR_SPAN(SEAL_PREFIX));
}

/* Authenticates "purpose\0name". */
static bool seal_name(
        EVP_CIPHER_CTX *cipher, bool sealing, const char *purpose, struct weir_span name)
{
	int (*update)(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int) =
	        sealing ? EVP_EncryptUpdate : EVP_DecryptUpdate;
	int size;
	return update(cipher, NULL, &size, (const unsigned char *)purpose,
	               (int)strlen(purpose) + 1) == 1 &&
	       update(cipher, NULL, &size, (const unsigned char *)name.data, (int)name.size) == 1;
}

/* -- sealing ----------------------------------------------------------------------------------- */

/* `to` has room for the secret and SEAL_OVERHEAD bytes. */
static bool seal_encrypt(EVP_CIPHER_CTX *cipher, const unsigned char *key, const char *purpose,
        struct weir_span name, struct weir_span secret, unsigned char *to)
{
	unsigned char *text = to + SEAL_NONCE;
	int size, last;
	return EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, to) == 1 &&
	       seal_name(cipher, true, purpose, name) &&
	       EVP_EncryptUpdate(cipher, text, &size, (const unsigned char *)secret.data,
	               (int)secret.size) == 1 &&
	       EVP_EncryptFinal_ex(cipher, text + size, &last) == 1 &&
	       EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, text + size + last) == 1;
}

static int seal_bytes(const unsigned char *key, const char *purpose, struct weir_span name,
        struct weir_span secret, struct weir_buffer *ret)
{
	size_t size = secret.size + SEAL_OVERHEAD;
	int error = weir_buffer_reserve(ret, size, WEIR_DATABASE_SECRET_MAX + SEAL_OVERHEAD);
	EVP_CIPHER_CTX *cipher = error == 0 ? EVP_CIPHER_CTX_new() : NULL;
	unsigned char *to = (unsigned char *)ret->data;
	if (error == 0 && !cipher)
		error = -ENOMEM;
	if (error == 0 && RAND_bytes(to, SEAL_NONCE) != 1)
		error = -EAGAIN;
	if (error == 0 && !seal_encrypt(cipher, key, purpose, name, secret, to))
		error = -ENOMEM;
	EVP_CIPHER_CTX_free(cipher);
	if (error == 0)
		ret->size = size;
	return error;
}

static int seal_append_base64(const char *prefix, struct weir_span bytes, struct weir_buffer *text)
{
	size_t limit = text->size + strlen(prefix) + WEIR_BASE64_ENCODED(bytes.size);
	int error = weir_buffer_reserve(text, limit - text->size, limit);
	if (error < 0)
		return error;
	weir_buffer_append(text, prefix, strlen(prefix), limit);
	text->size += weir_base64_encode(bytes, text->data + text->size);
	return 0;
}

int weir_database_seal_by(const unsigned char key[WEIR_DATABASE_SEAL_SIZE], const char *purpose,
        struct weir_span name, struct weir_span secret, struct weir_buffer *text)
{
	struct weir_buffer bytes = {0};
	int error = seal_bytes(key, purpose, name, secret, &bytes);
	if (error == 0)
		error = seal_append_base64(SEAL_PREFIX, weir_buffer_span(&bytes), text);
	weir_buffer_finish(&bytes);
	return error;
}

int weir_database_seal(const struct weir_database *database, const char *purpose,
        struct weir_span name, struct weir_span secret, struct weir_buffer *text)
{
	const struct weir_database_sealer *sealer = database_sealer(database);
	const unsigned char *key = database_seal_key(database);
	if (sealer)
		return sealer->seal(sealer->context, purpose, name, secret, text);
	return key ? weir_database_seal_by(key, purpose, name, secret, text)
	           : seal_append_base64("", secret, text);
}

/* -- unsealing --------------------------------------------------------------------------------- */

static bool seal_decrypt(EVP_CIPHER_CTX *cipher, const unsigned char *key, const char *purpose,
        struct weir_span name, const struct weir_buffer *bytes, unsigned char *to)
{
	unsigned char *all = (unsigned char *)bytes->data;
	size_t size = bytes->size - SEAL_OVERHEAD;
	int put, last;
	return EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, all) == 1 &&
	       seal_name(cipher, false, purpose, name) &&
	       EVP_DecryptUpdate(cipher, to, &put, all + SEAL_NONCE, (int)size) == 1 &&
	       EVP_CIPHER_CTX_ctrl(
	               cipher, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, all + SEAL_NONCE + size) == 1 &&
	       EVP_DecryptFinal_ex(cipher, to + put, &last) == 1;
}

/* Appends the bytes of a text in base64. */
static int seal_read_base64(struct weir_span text, struct weir_buffer *bytes)
{
	size_t room = WEIR_BASE64_DECODED(text.size), size;
	int error = weir_buffer_reserve(
	        bytes, room, bytes->size + WEIR_DATABASE_SECRET_MAX + SEAL_OVERHEAD);
	if (error == 0)
		error = weir_base64_decode(text, bytes->data + bytes->size, room, &size);
	if (error == 0)
		bytes->size += size;
	return error;
}

static int seal_open(const unsigned char *key, const char *purpose, struct weir_span name,
        const struct weir_buffer *bytes, struct weir_buffer *secret)
{
	if (bytes->size < SEAL_OVERHEAD)
		return WEIR_E_SYNTAX;
	size_t size = bytes->size - SEAL_OVERHEAD;
	int error = weir_buffer_reserve(secret, size, secret->size + WEIR_DATABASE_SECRET_MAX);
	EVP_CIPHER_CTX *cipher = error == 0 ? EVP_CIPHER_CTX_new() : NULL;
	if (error == 0 && !cipher)
		error = -ENOMEM;
	if (error == 0 && !seal_decrypt(cipher, key, purpose, name, bytes,
	                          (unsigned char *)secret->data + secret->size))
		error = -EBADMSG;
	EVP_CIPHER_CTX_free(cipher);
	/* It was decrypted before it was known to be good. */
	if (error == -EBADMSG)
		OPENSSL_cleanse(secret->data + secret->size, size);
	if (error == 0)
		secret->size += size;
	return error;
}

int weir_database_unseal_by(const unsigned char key[WEIR_DATABASE_SEAL_SIZE], const char *purpose,
        struct weir_span name, struct weir_span text, struct weir_buffer *secret)
{
	struct weir_buffer bytes = {0};
	if (!weir_database_is_sealed(text))
		return WEIR_E_SYNTAX;
	int error = seal_read_base64(weir_span_skip(text, sizeof SEAL_PREFIX - 1), &bytes);
	if (error == 0)
		error = seal_open(key, purpose, name, &bytes, secret);
	weir_buffer_finish(&bytes);
	return error;
}

int weir_database_unseal(const struct weir_database *database, const char *purpose,
        struct weir_span name, struct weir_span text, struct weir_buffer *secret)
{
	const struct weir_database_sealer *sealer = database_sealer(database);
	const unsigned char *key = database_seal_key(database);
	if (!weir_database_is_sealed(text))
		return seal_read_base64(text, secret);
	if (sealer)
		return sealer->unseal(sealer->context, purpose, name, text, secret);
	return key ? weir_database_unseal_by(key, purpose, name, text, secret) : -ENOKEY;
}
