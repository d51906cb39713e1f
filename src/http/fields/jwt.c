/*
 * Keys of tokens, and the verification of a token: the form, then the signature, then the claims.
 * Nothing of a token is believed before its signature was verified, but for the algorithm that it
 * names, which must be one for the type of the key.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <weir/base64.h>
#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/open_file.h>

#include "jwt.h"
#include "refcount.h"

/* How keys of a type sign (RFC 7518 3.1, RFC 8037). */
struct jwt_algorithm {
	const char *name;
	int type;           /* of the key */
	const char *curve;  /* of ECDSA */
	const char *digest; /* NULL: none */
	size_t half;        /* of ECDSA: bytes of each of the two numbers of a signature */
	bool pss;           /* of RSA: with that padding */
};

struct weir_http_token_keys {
	struct refcount references;
	size_t count;
	EVP_PKEY *items[WEIR_HTTP_TOKEN_KEYS_MAX];
};

static const struct jwt_algorithm jwt_algorithms[] = {
        {"RS256", EVP_PKEY_RSA, NULL, "SHA256"},
        {"RS384", EVP_PKEY_RSA, NULL, "SHA384"},
        {"RS512", EVP_PKEY_RSA, NULL, "SHA512"},
        {"PS256", EVP_PKEY_RSA, NULL, "SHA256", .pss = true},
        {"PS384", EVP_PKEY_RSA, NULL, "SHA384", .pss = true},
        {"PS512", EVP_PKEY_RSA, NULL, "SHA512", .pss = true},
        {"ES256", EVP_PKEY_EC, "prime256v1", "SHA256", 32},
        {"ES384", EVP_PKEY_EC, "secp384r1", "SHA384", 48},
        {"ES512", EVP_PKEY_EC, "secp521r1", "SHA512", 66},
        {"EdDSA", EVP_PKEY_ED25519, NULL, NULL},
};

enum {
	JWT_ALGORITHMS = sizeof jwt_algorithms / sizeof *jwt_algorithms,
	JWT_RSA_BITS_MIN = 2048,
};

/* -- keys -------------------------------------------------------------------------------------- */

static bool jwt_key_fits(EVP_PKEY *key, const struct jwt_algorithm *algorithm)
{
	char curve[32];
	if (EVP_PKEY_get_base_id(key) != algorithm->type)
		return false;
	if (algorithm->type == EVP_PKEY_RSA)
		return EVP_PKEY_get_bits(key) >= JWT_RSA_BITS_MIN;
	return !algorithm->curve || (EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 &&
	                                    strcmp(curve, algorithm->curve) == 0);
}

static bool jwt_key_is_of_use(EVP_PKEY *key)
{
	for (size_t i = 0; i < JWT_ALGORITHMS; i++)
		if (jwt_key_fits(key, &jwt_algorithms[i]))
			return true;
	return false;
}

/* Reads the keys of a PEM file. Returns 0, WEIR_E_SYNTAX or WEIR_E_LIMIT. */
static int jwt_keys_read(struct weir_http_token_keys *keys, BIO *pem)
{
	EVP_PKEY *key;
	while ((key = PEM_read_bio_PUBKEY(pem, NULL, NULL, NULL))) {
		bool of_use = jwt_key_is_of_use(key);
		if (!of_use || keys->count == WEIR_HTTP_TOKEN_KEYS_MAX) {
			EVP_PKEY_free(key);
			return of_use ? WEIR_E_LIMIT : WEIR_E_SYNTAX;
		}
		keys->items[keys->count++] = key;
	}
	ERR_clear_error();
	return keys->count ? 0 : WEIR_E_SYNTAX;
}

int weir_http_token_keys_load(const char *path, struct weir_http_token_keys **ret)
{
	struct weir_buffer text = {0};
	int fd = weir_open_file(path);
	if (fd < 0)
		return fd;
	int error = weir_buffer_read(&text, fd, WEIR_HTTP_TOKEN_KEYS_FILE_MAX);
	close(fd);
	struct weir_http_token_keys *keys = error ? NULL : calloc(1, sizeof *keys);
	BIO *pem = keys ? BIO_new_mem_buf(text.size ? text.data : "", (int)text.size) : NULL;
	if (!error)
		error = pem ? jwt_keys_read(keys, pem) : -ENOMEM;
	BIO_free(pem);
	weir_buffer_finish(&text);
	if (keys)
		refcount_init(&keys->references);
	if (error)
		weir_http_token_keys_release(keys);
	else
		*ret = keys;
	return error;
}

struct weir_http_token_keys *weir_http_token_keys_hold(struct weir_http_token_keys *keys)
{
	refcount_hold(&keys->references);
	return keys;
}

void weir_http_token_keys_release(struct weir_http_token_keys *keys)
{
	if (!keys || !refcount_release(&keys->references))
		return;
	for (size_t i = 0; i < keys->count; i++)
		EVP_PKEY_free(keys->items[i]);
	free(keys);
}

/* -- the parts --------------------------------------------------------------------------------- */

/* Decodes an object of JSON. NULL: it is none, or there is no memory. */
static json_t *jwt_decode_object(struct weir_span text)
{
	char bytes[WEIR_HTTP_TOKEN_MAX];
	size_t size;
	json_t *object = weir_base64url_decode(text, bytes, sizeof bytes, &size)
	                         ? NULL
	                         : json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
	if (object && !json_is_object(object)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* -- the signature ----------------------------------------------------------------------------- */

/* Turns the two numbers of JWS into the DER of OpenSSL. Returns its size, or 0. */
static size_t jwt_to_der(const struct jwt_algorithm *algorithm, const unsigned char *signature,
        size_t size, unsigned char *der, size_t capacity)
{
	if (size != 2 * algorithm->half)
		return 0;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, (int)algorithm->half, NULL);
	BIGNUM *s = BN_bin2bn(signature + algorithm->half, (int)algorithm->half, NULL);
	int length = 0;
	if (pair && r && s && ECDSA_SIG_set0(pair, r, s)) {
		r = s = NULL;
		length = i2d_ECDSA_SIG(pair, NULL);
		if (length > 0 && (size_t)length <= capacity)
			length = i2d_ECDSA_SIG(pair, &der);
		else
			length = 0;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return length > 0 ? (size_t)length : 0;
}

/* The salt is as long as the digest (RFC 7518 3.5). */
static bool jwt_set_padding(EVP_PKEY_CTX *context)
{
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool jwt_key_verifies(EVP_PKEY *key, const struct jwt_algorithm *algorithm,
        struct weir_span text, const unsigned char *signature, size_t size)
{
	unsigned char der[160];
	EVP_PKEY_CTX *parameters;
	if (algorithm->half) {
		size = jwt_to_der(algorithm, signature, size, der, sizeof der);
		signature = der;
	}
	EVP_MD_CTX *context = size ? EVP_MD_CTX_new() : NULL;
	bool good = context &&
	            EVP_DigestVerifyInit_ex(
	                    context, &parameters, algorithm->digest, NULL, NULL, key, NULL) == 1 &&
	            (!algorithm->pss || jwt_set_padding(parameters)) &&
	            EVP_DigestVerify(context, signature, size, (const unsigned char *)text.data,
	                    text.size) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}

static const struct jwt_algorithm *jwt_algorithm_find(const char *name)
{
	for (size_t i = 0; i < JWT_ALGORITHMS; i++)
		if (strcmp(jwt_algorithms[i].name, name) == 0)
			return &jwt_algorithms[i];
	return NULL;
}

/* `text` is what was signed: header and payload with the dot between them. */
static bool jwt_is_signed(const struct weir_http_token_keys *keys, const char *name,
        struct weir_span text, struct weir_span encoded)
{
	const struct jwt_algorithm *algorithm = jwt_algorithm_find(name);
	unsigned char signature[WEIR_HTTP_TOKEN_MAX];
	size_t size;
	if (!algorithm ||
	        weir_base64url_decode(encoded, (char *)signature, sizeof signature, &size) < 0)
		return false;
	for (size_t i = 0; size && i < keys->count; i++)
		if (jwt_key_fits(keys->items[i], algorithm) &&
		        jwt_key_verifies(keys->items[i], algorithm, text, signature, size))
			return true;
	return false;
}

/* An extension that must be understood is not (RFC 7515 4.1.11). */
static const char *jwt_check_signature(const struct weir_http_token_keys *keys, json_t *header,
        struct weir_span text, struct weir_span signature)
{
	const char *algorithm = json_string_value(json_object_get(header, "alg"));
	if (!algorithm || json_object_get(header, "crit"))
		return "form";
	return jwt_is_signed(keys, algorithm, text, signature) ? NULL : "signature";
}

/* -- claims ------------------------------------------------------------------------------------ */

static bool jwt_time(json_t *claims, const char *name, int64_t *ret)
{
	json_t *value = json_object_get(claims, name);
	if (json_is_integer(value))
		*ret = json_integer_value(value);
	else if (json_is_real(value) && json_real_value(value) > -1e15 &&
	         json_real_value(value) < 1e15)
		*ret = (int64_t)json_real_value(value);
	else
		return false;
	return true;
}

static bool jwt_is_text(json_t *value, const char *text)
{
	return json_is_string(value) && json_string_length(value) == strlen(text) &&
	       strcmp(json_string_value(value), text) == 0;
}

static bool jwt_is_for(json_t *audience, const char *name)
{
	size_t i;
	json_t *one;
	if (!json_is_array(audience))
		return jwt_is_text(audience, name);
	json_array_foreach(audience, i, one) if (jwt_is_text(one, name)) return true;
	return false;
}

static const char *jwt_check_claims(
        json_t *claims, const struct http_jwt_rules *rules, int64_t now_s)
{
	int64_t expires, begins;
	if (!jwt_time(claims, "exp", &expires))
		return "no_exp";
	if (now_s - rules->leeway_s >= expires)
		return "expired";
	if (json_object_get(claims, "nbf") &&
	        (!jwt_time(claims, "nbf", &begins) || now_s + rules->leeway_s < begins))
		return "not_yet";
	if (rules->issuer && !jwt_is_text(json_object_get(claims, "iss"), rules->issuer))
		return "issuer";
	if (rules->audience && !jwt_is_for(json_object_get(claims, "aud"), rules->audience))
		return "audience";
	return NULL;
}

/* A name that cannot be in a log is none. */
static void jwt_copy_user(json_t *claims, const char *claim, char *user)
{
	json_t *value = json_object_get(claims, claim);
	size_t size = json_is_string(value) ? json_string_length(value) : 0;
	*user = 0;
	if (size > WEIR_HTTP_TOKEN_USER_MAX || !size)
		return;
	const char *text = json_string_value(value);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return;
	memcpy(user, text, size + 1);
}

/* -- tokens ------------------------------------------------------------------------------------ */

const char *http_jwt_verify(const struct weir_http_token_keys *keys, struct weir_span token,
        const struct http_jwt_rules *rules, int64_t now_s, char user[WEIR_HTTP_TOKEN_USER_MAX + 1])
{
	struct weir_span rest = token, header_text, claims_text;
	if (token.size > WEIR_HTTP_TOKEN_MAX || !weir_span_cut(&rest, '.', &header_text) ||
	        !weir_span_cut(&rest, '.', &claims_text))
		return "form";
	struct weir_span text = weir_span(token.data, header_text.size + 1 + claims_text.size);
	json_t *header = jwt_decode_object(header_text);
	const char *why = header ? jwt_check_signature(keys, header, text, rest) : "form";
	json_decref(header);
	if (why)
		return why;
	json_t *claims = jwt_decode_object(claims_text);
	why = claims ? jwt_check_claims(claims, rules, now_s) : "form";
	if (!why)
		jwt_copy_user(claims, rules->user, user);
	json_decref(claims);
	return why;
}
