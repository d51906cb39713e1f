/*
 * Computations and parsing for both sides of SCRAM, with OpenSSL's primitives. Intermediate secrets
 * are erased. There is no state.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <weir/base64.h>
#include <weir/sasl.h>

#include "scram.h"

int scram_salt_password(
        struct weir_span password, const struct weir_scram *salted, unsigned char ret[SCRAM_KEY])
{
	if (password.size > INT_MAX)
		return -ENOMEM;
	/* A NULL password means "none" to OpenSSL. */
	const char *data = password.size ? password.data : "";
	int good = PKCS5_PBKDF2_HMAC(data, (int)password.size, salted->salt, (int)salted->salt_size,
	        (int)salted->iterations, EVP_sha256(), SCRAM_KEY, ret);
	return good == 1 ? 0 : -ENOMEM;
}

int scram_hmac(
        const unsigned char key[SCRAM_KEY], struct weir_span text, unsigned char ret[SCRAM_KEY])
{
	return HMAC(EVP_sha256(), key, SCRAM_KEY, (const unsigned char *)text.data, text.size, ret,
	               NULL)
	               ? 0
	               : -ENOMEM;
}

int scram_hash(const unsigned char bytes[SCRAM_KEY], unsigned char ret[SCRAM_KEY])
{
	return EVP_Digest(bytes, SCRAM_KEY, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int scram_derive(const unsigned char salted[SCRAM_KEY], struct weir_scram *scram,
        unsigned char ret_client_key[SCRAM_KEY])
{
	int error = scram_hmac(salted, WEIR_SPAN("Client Key"), ret_client_key);
	if (error == 0)
		error = scram_hash(ret_client_key, scram->stored_key);
	if (error == 0)
		error = scram_hmac(salted, WEIR_SPAN("Server Key"), scram->server_key);
	return error;
}

int weir_scram_make(struct weir_span password, struct weir_scram *ret)
{
	enum {
		SALT = 16
	};
	struct weir_scram scram = {.iterations = WEIR_SCRAM_ITERATIONS, .salt_size = SALT};
	unsigned char salted[SCRAM_KEY], client_key[SCRAM_KEY];
	if (getrandom(scram.salt, SALT, 0) != SALT)
		return -EIO;
	int error = scram_salt_password(password, &scram, salted);
	if (error == 0)
		error = scram_derive(salted, &scram, client_key);
	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client_key, sizeof client_key);
	if (error == 0)
		*ret = scram;
	return error;
}

bool scram_equal(const unsigned char a[SCRAM_KEY], const unsigned char b[SCRAM_KEY])
{
	return CRYPTO_memcmp(a, b, SCRAM_KEY) == 0;
}

int scram_nonce(char ret[SCRAM_NONCE_OWN])
{
	unsigned char bytes[WEIR_BASE64_DECODED(SCRAM_NONCE_OWN)];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return -EIO;
	weir_base64_encode(weir_span(bytes, sizeof bytes), ret);
	return 0;
}

bool scram_attribute(struct weir_span *rest, char name, struct weir_span *ret)
{
	if (rest->size < 2 || rest->data[0] != name || rest->data[1] != '=')
		return false;
	weir_span_cut(rest, ',', ret);
	*ret = weir_span_skip(*ret, 2);
	return true;
}

bool scram_is_nonce(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '!' || text.data[i] > '~' || text.data[i] == ',')
			return false;
	return text.size;
}

bool scram_key(struct weir_span text, unsigned char ret[SCRAM_KEY])
{
	char bytes[SCRAM_KEY];
	size_t size;
	if (weir_base64_decode(text, bytes, sizeof bytes, &size) < 0 || size != SCRAM_KEY)
		return false;
	memcpy(ret, bytes, SCRAM_KEY);
	return true;
}
