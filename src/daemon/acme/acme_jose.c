/* JSON is written here as text: all values are base64url, or were checked to need no escapes. */
#include <errno.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <weir/base64.h>

#include "acme_jose.h"

enum {
	COORDINATE = 32, /* bytes, of P-256 */
};

/* -- base64url --------------------------------------------------------------------------------- */

int acme_base64_append(struct weir_buffer *to, struct weir_span bytes)
{
	int error = weir_buffer_reserve(to, WEIR_BASE64_ENCODED(bytes.size) + 1, ACME_JOSE_MAX);
	if (error < 0)
		return error;
	char *text = to->data + to->size;
	size_t size = weir_base64_encode(bytes, text);
	while (size && text[size - 1] == '=')
		size--;
	for (size_t i = 0; i < size; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	to->size += size;
	return 0;
}

bool acme_base64_decode(struct weir_span text, unsigned char *to, size_t room, size_t *ret_size)
{
	char padded[WEIR_BASE64_ENCODED(ACME_BINDING_KEY_MAX) + 4];
	if (text.size > sizeof padded - 4)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (c == '+' || c == '/' || c == '=')
			return false;
		padded[i] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	while (text.size % 4)
		padded[text.size++] = '=';
	int error = weir_base64_decode(weir_span(padded, text.size), (char *)to, room, ret_size);
	OPENSSL_cleanse(padded, sizeof padded);
	return error == 0;
}

static int acme_jose_append(struct weir_buffer *to, const char *text)
{
	return weir_buffer_append(to, text, strlen(text), ACME_JOSE_MAX);
}

/* -- keys -------------------------------------------------------------------------------------- */

EVP_PKEY *acme_key_create(void)
{
	return EVP_EC_gen("P-256");
}

static int acme_key_refuse_password(char *text, int size, int writing, void *unused)
{
	(void)text, (void)size, (void)writing, (void)unused;
	return -1;
}

EVP_PKEY *acme_key_parse(struct weir_span pem)
{
	char group[32] = "";
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	EVP_PKEY *key =
	        bio ? PEM_read_bio_PrivateKey(bio, NULL, acme_key_refuse_password, NULL) : NULL;
	BIO_free(bio);
	if (key && (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
	                   strcmp(group, SN_X9_62_prime256v1) != 0)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

int acme_key_print(EVP_PKEY *key, struct weir_buffer *to)
{
	char *text;
	BIO *bio = BIO_new(BIO_s_secmem());
	int error = -ENOMEM;
	if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		long size = BIO_get_mem_data(bio, &text);
		error = weir_buffer_append(to, text, (size_t)size, ACME_JOSE_MAX);
	}
	BIO_free(bio);
	return error;
}

static int acme_key_append_number(EVP_PKEY *key, const char *name, struct weir_buffer *to)
{
	unsigned char bytes[COORDINATE];
	BIGNUM *number = NULL;
	int error = -ENOMEM;
	if (EVP_PKEY_get_bn_param(key, name, &number) == 1 &&
	        BN_bn2binpad(number, bytes, sizeof bytes) == sizeof bytes)
		error = acme_base64_append(to, weir_span(bytes, sizeof bytes));
	BN_free(number);
	return error;
}

int acme_key_jwk(EVP_PKEY *key, struct weir_buffer *to)
{
	int error = acme_jose_append(to, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	if (error == 0)
		error = acme_key_append_number(key, OSSL_PKEY_PARAM_EC_PUB_X, to);
	if (error == 0)
		error = acme_jose_append(to, "\",\"y\":\"");
	if (error == 0)
		error = acme_key_append_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, to);
	return error ? error : acme_jose_append(to, "\"}");
}

int acme_key_thumbprint(EVP_PKEY *key, char ret[ACME_THUMBPRINT_SIZE])
{
	unsigned char digest[32];
	struct weir_buffer jwk = {0}, text = {0};
	int error = acme_key_jwk(key, &jwk);
	if (error == 0 && EVP_Digest(jwk.data, jwk.size, digest, NULL, EVP_sha256(), NULL) != 1)
		error = -ENOMEM;
	if (error == 0)
		error = acme_base64_append(&text, weir_span(digest, sizeof digest));
	if (error == 0) {
		memcpy(ret, text.data, ACME_THUMBPRINT_SIZE - 1);
		ret[ACME_THUMBPRINT_SIZE - 1] = 0;
	}
	weir_buffer_finish(&jwk);
	weir_buffer_finish(&text);
	return error;
}

/* -- signatures -------------------------------------------------------------------------------- */

/* Both numbers of the signature, each of 32 bytes (RFC 7518 3.4). */
static bool acme_jose_split(
        const unsigned char *der, size_t size, unsigned char ret[2 * COORDINATE])
{
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)size);
	bool good = signature &&
	            BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, COORDINATE) == COORDINATE &&
	            BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + COORDINATE, COORDINATE) ==
	                    COORDINATE;
	ECDSA_SIG_free(signature);
	return good;
}

static int acme_jose_es256(EVP_PKEY *key, struct weir_span input, unsigned char ret[2 * COORDINATE])
{
	unsigned char der[256];
	size_t size = sizeof der;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	            EVP_DigestSign(context, der, &size, (const unsigned char *)input.data,
	                    input.size) == 1 &&
	            acme_jose_split(der, size, ret);
	EVP_MD_CTX_free(context);
	return good ? 0 : -ENOMEM;
}

/* Makes the input of the signature: both parts in base64url, with a dot between them. */
static int acme_jose_join(
        struct weir_buffer *to, struct weir_span protected, struct weir_span payload)
{
	int error = acme_base64_append(to, protected);
	if (error == 0)
		error = acme_jose_append(to, ".");
	return error ? error : acme_base64_append(to, payload);
}

static int acme_jose_wrap(
        struct weir_buffer *to, struct weir_span input, struct weir_span signature)
{
	struct weir_span protected;
	weir_span_cut(&input, '.', &protected);
	int error = weir_buffer_format(to, ACME_JOSE_MAX,
	        "{\"protected\":\"%.*s\",\"payload\":\"%.*s\",\"signature\":\"",
	        (int)protected.size, protected.data, (int)input.size, input.data);
	if (error == 0)
		error = acme_base64_append(to, signature);
	return error ? error : acme_jose_append(to, "\"}");
}

static int acme_jose_protect(const struct acme_jose *jose, struct weir_buffer *to)
{
	int error = acme_jose_append(to, "{\"alg\":\"ES256\",");
	if (error == 0 && jose->kid)
		error = weir_buffer_format(to, ACME_JOSE_MAX, "\"kid\":\"%s\"", jose->kid);
	else if (error == 0 && (error = acme_jose_append(to, "\"jwk\":")) == 0)
		error = acme_key_jwk(jose->key, to);
	if (error == 0 && jose->nonce)
		error = weir_buffer_format(to, ACME_JOSE_MAX, ",\"nonce\":\"%s\"", jose->nonce);
	return error ? error : weir_buffer_format(to, ACME_JOSE_MAX, ",\"url\":\"%s\"}", jose->url);
}

int acme_jose_sign(const struct acme_jose *jose, struct weir_span payload, struct weir_buffer *to)
{
	unsigned char signature[2 * COORDINATE];
	struct weir_buffer protected = {0}, input = {0};
	int error = acme_jose_protect(jose, &protected);
	if (error == 0)
		error = acme_jose_join(&input, weir_buffer_span(&protected), payload);
	if (error == 0)
		error = acme_jose_es256(jose->key, weir_buffer_span(&input), signature);
	if (error == 0)
		error = acme_jose_wrap(
		        to, weir_buffer_span(&input), weir_span(signature, sizeof signature));
	weir_buffer_finish(&protected);
	weir_buffer_finish(&input);
	return error;
}

int acme_jose_bind(EVP_PKEY *key, const char *url, const char *key_id, struct weir_span binding_key,
        struct weir_buffer *to)
{
	unsigned char signature[32];
	struct weir_buffer protected = {0}, payload = {0}, input = {0};
	int error = weir_buffer_format(&protected, ACME_JOSE_MAX,
	        "{\"alg\":\"HS256\",\"kid\":\"%s\",\"url\":\"%s\"}", key_id, url);
	if (error == 0)
		error = acme_key_jwk(key, &payload);
	if (error == 0)
		error = acme_jose_join(
		        &input, weir_buffer_span(&protected), weir_buffer_span(&payload));
	if (error == 0 && !HMAC(EVP_sha256(), binding_key.data, (int)binding_key.size,
	                          (const unsigned char *)input.data, input.size, signature, NULL))
		error = -ENOMEM;
	if (error == 0)
		error = acme_jose_wrap(
		        to, weir_buffer_span(&input), weir_span(signature, sizeof signature));
	weir_buffer_finish(&protected);
	weir_buffer_finish(&payload);
	weir_buffer_finish(&input);
	return error;
}
