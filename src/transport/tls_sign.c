/*
 * Private keys that are elsewhere: an OpenSSL provider whose keys have the public half of a
 * certificate, and sign by weir_tls_options.sign. OpenSSL takes such a key wherever it takes one
 * with its secret.
 *
 * The provider lives in a library context of its own, so that no other fetch of an algorithm finds
 * it. Left out: decryption, which no cipher with forward secrecy needs, and export.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "refcount.h"
#include "tls_state.h"

/* The parameter by which a key is imported: a struct sign_key. */
#define SIGN_KEY_PARAM "weir-key"

/* Whether this thread has asked for a signature since tls_sign_begin. */
static _Thread_local bool sign_made;

void tls_sign_begin(void)
{
	sign_made = false;
}

bool tls_sign_made(void)
{
	return sign_made;
}

/* -- signers ----------------------------------------------------------------------------------- */

struct tls_signer {
	struct refcount references;
	weir_tls_sign_fn *sign;
	weir_tls_sign_release_fn *release; /* or NULL */
	void *context;
};

struct tls_signer *tls_signer_create(const struct weir_tls_options *options)
{
	struct tls_signer *signer = calloc(1, sizeof *signer);
	if (!signer)
		return NULL;
	refcount_init(&signer->references);
	signer->sign = options->sign;
	signer->context = options->sign_context;
	return signer;
}

void tls_signer_own(struct tls_signer *signer, weir_tls_sign_release_fn *release)
{
	signer->release = release;
}

void tls_signer_release(struct tls_signer *signer)
{
	if (!signer || !refcount_release(&signer->references))
		return;
	if (signer->release)
		signer->release(signer->context);
	free(signer);
}

/* -- keys -------------------------------------------------------------------------------------- */

struct sign_key {
	EVP_PKEY *public;          /* of OpenSSL's own provider; a reference */
	struct tls_signer *signer; /* held; NULL: the key of a certificate, to be compared with */
	size_t certificate;
};

static void *sign_key_create(void *unused)
{
	(void)unused;
	return OPENSSL_zalloc(sizeof(struct sign_key));
}

static void sign_key_free(void *data)
{
	struct sign_key *key = data;
	if (key) {
		EVP_PKEY_free(key->public);
		tls_signer_release(key->signer);
	}
	OPENSSL_free(key);
}

static int sign_key_has(const void *data, int selection)
{
	const struct sign_key *key = data;
	return key && key->public &&
	       (!(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || key->signer);
}

static int sign_key_match(const void *one, const void *other, int selection)
{
	(void)selection; /* never the secrets alone */
	return EVP_PKEY_eq(((const struct sign_key *)one)->public,
	               ((const struct sign_key *)other)->public) == 1;
}

static int sign_key_import(struct sign_key *key, const char *type, const OSSL_PARAM params[])
{
	const OSSL_PARAM *own = OSSL_PARAM_locate_const(params, SIGN_KEY_PARAM);
	const void *from = NULL;
	size_t size = 0;
	if (own) {
		if (OSSL_PARAM_get_octet_ptr(own, &from, &size) != 1 || size != sizeof *key)
			return 0;
		const struct sign_key *given = from;
		if (EVP_PKEY_up_ref(given->public) != 1)
			return 0;
		*key = *given;
		refcount_hold(&key->signer->references);
		return 1;
	}
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	int good = context && EVP_PKEY_fromdata_init(context) == 1 &&
	           EVP_PKEY_fromdata(context, &key->public, EVP_PKEY_PUBLIC_KEY,
	                   (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(context);
	return good;
}

static int sign_key_import_rsa(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return sign_key_import(key, "RSA", params);
}

static int sign_key_import_ec(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return sign_key_import(key, "EC", params);
}

static int sign_key_import_ed25519(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return sign_key_import(key, "ED25519", params);
}

static const OSSL_PARAM *sign_key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
	        OSSL_PARAM_octet_ptr(SIGN_KEY_PARAM, NULL, 0), OSSL_PARAM_END};
	(void)selection;
	return types;
}

static int sign_key_get(void *key, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct sign_key *)key)->public, params);
}

static const OSSL_PARAM *sign_key_gettable(void *unused)
{
	static const OSSL_PARAM types[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0), OSSL_PARAM_END};
	(void)unused;
	return types;
}

static const char *sign_key_operation_ec(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define SIGN_KEY_COMMON                                                                            \
	{OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))sign_key_create},                                  \
	        {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))sign_key_free},                           \
	        {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))sign_key_has},                             \
	        {OSSL_FUNC_KEYMGMT_MATCH, (void (*)(void))sign_key_match},                         \
	        {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))sign_key_import_types},           \
	        {OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))sign_key_get},                      \
	{                                                                                          \
		OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))sign_key_gettable               \
	}

static const OSSL_DISPATCH sign_keys_rsa[] = {SIGN_KEY_COMMON,
        {OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))sign_key_import_rsa}, {0, NULL}};
static const OSSL_DISPATCH sign_keys_ec[] = {SIGN_KEY_COMMON,
        {OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))sign_key_import_ec},
        {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))sign_key_operation_ec}, {0, NULL}};
static const OSSL_DISPATCH sign_keys_ed25519[] = {SIGN_KEY_COMMON,
        {OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))sign_key_import_ed25519}, {0, NULL}};

/* -- signatures -------------------------------------------------------------------------------- */

struct sign_operation {
	const struct sign_key *key; /* of the EVP_PKEY, which outlives this */
	const char *digest;         /* NULL: none */
	bool pss;
};

static void *sign_operation_create(void *unused, const char *properties)
{
	(void)unused, (void)properties;
	return OPENSSL_zalloc(sizeof(struct sign_operation));
}

static void sign_operation_free(void *operation)
{
	OPENSSL_free(operation);
}

/* The length of the salt is that of the digest, as TLS has it, and is not looked at. */
static int sign_operation_set(void *data, const OSSL_PARAM params[])
{
	struct sign_operation *operation = data;
	const OSSL_PARAM *mode = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	const char *text = NULL;
	int number = 0;
	if (!mode)
		return 1;
	if (mode->data_type == OSSL_PARAM_UTF8_STRING) {
		if (OSSL_PARAM_get_utf8_string_ptr(mode, &text) != 1)
			return 0;
		operation->pss = strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
	} else if (OSSL_PARAM_get_int(mode, &number) != 1) {
		return 0;
	} else {
		operation->pss = number == RSA_PKCS1_PSS_PADDING;
	}
	return 1;
}

static const OSSL_PARAM *sign_operation_settable(void *unused, void *provider)
{
	static const OSSL_PARAM types[] = {
	        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
	        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0), OSSL_PARAM_END};
	(void)unused, (void)provider;
	return types;
}

/* Returns the name that weir/tls.h has for a digest of TLS, or NULL. OpenSSL has two. */
static const char *sign_digest(const char *name)
{
	static const char *const names[][2] = {
	        {"SHA2-256", "SHA256"}, {"SHA2-384", "SHA384"}, {"SHA2-512", "SHA512"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i][0]) == 0 || strcmp(name, names[i][1]) == 0)
			return names[i][1];
	return NULL;
}

static int sign_operation_begin(
        void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct sign_operation *operation = data;
	operation->key = key;
	operation->digest = digest && *digest ? sign_digest(digest) : NULL;
	return key && (operation->digest || !digest || !*digest) &&
	       sign_operation_set(operation, params);
}

static int sign_operation_make(void *data, unsigned char *signature, size_t *size, size_t room,
        const unsigned char *input, size_t input_size)
{
	const struct sign_operation *operation = data;
	const struct sign_key *key = operation->key;
	int most = EVP_PKEY_get_size(key->public);
	struct weir_tls_signing signing = {
	        .certificate = key->certificate,
	        .digest = operation->digest,
	        .pss = operation->pss,
	        .input = weir_span((const char *)input, input_size),
	};
	*size = most < 0 ? 0 : (size_t)most;
	if (!signature)
		return 1;
	sign_made = true;
	const struct tls_signer *signer = key->signer;
	return signer && room >= *size &&
	       signer->sign(signer->context, &signing, signature, *size, size) == 0 &&
	       *size <= room;
}

static const OSSL_DISPATCH sign_operations[] = {
        {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))sign_operation_create},
        {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))sign_operation_free},
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))sign_operation_begin},
        {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))sign_operation_make},
        {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (void (*)(void))sign_operation_set},
        {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (void (*)(void))sign_operation_settable},
        {0, NULL}};

/* -- the provider ------------------------------------------------------------------------------ */

#define SIGN_PROVIDER "weir"
#define SIGN_PROPERTIES "provider=" SIGN_PROVIDER

static const OSSL_ALGORITHM *sign_provider_query(void *unused, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
	        {"RSA:rsaEncryption", SIGN_PROPERTIES, sign_keys_rsa, NULL},
	        {"EC:id-ecPublicKey", SIGN_PROPERTIES, sign_keys_ec, NULL},
	        {"ED25519", SIGN_PROPERTIES, sign_keys_ed25519, NULL}, {NULL, NULL, NULL, NULL}};
	static const OSSL_ALGORITHM signatures[] = {
	        {"RSA:rsaEncryption", SIGN_PROPERTIES, sign_operations, NULL},
	        {"ECDSA", SIGN_PROPERTIES, sign_operations, NULL},
	        {"ED25519", SIGN_PROPERTIES, sign_operations, NULL}, {NULL, NULL, NULL, NULL}};
	(void)unused;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT     ? keys
	       : operation == OSSL_OP_SIGNATURE ? signatures
	                                        : NULL;
}

static int sign_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
        const OSSL_DISPATCH **ret, void **ret_provider)
{
	static const OSSL_DISPATCH calls[] = {
	        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))sign_provider_query},
	        {0, NULL}};
	(void)core;
	*ret = calls;
	*ret_provider = (void *)(uintptr_t)handle; /* nothing of ours; NULL would be an error */
	return 1;
}

static OSSL_LIB_CTX *sign_library; /* or NULL */
static CRYPTO_ONCE sign_once = CRYPTO_ONCE_STATIC_INIT;

static void sign_make_library(void)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	if (library && OSSL_PROVIDER_add_builtin(library, SIGN_PROVIDER, sign_provider_init) == 1 &&
	        OSSL_PROVIDER_load(library, SIGN_PROVIDER))
		sign_library = library;
	else
		OSSL_LIB_CTX_free(library);
}

/* Returns NULL, and leaves the reason among OpenSSL's errors. */
static EVP_PKEY *sign_make_key(const struct sign_key *from)
{
	void *bytes = (void *)(uintptr_t)from;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_ptr(SIGN_KEY_PARAM, &bytes, sizeof *from),
	        OSSL_PARAM_construct_end()};
	const char *type = EVP_PKEY_get0_type_name(from->public);
	EVP_PKEY *key = NULL;
	if (!CRYPTO_THREAD_run_once(&sign_once, sign_make_library) || !sign_library || !type)
		return NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(sign_library, type, NULL);
	if (context && EVP_PKEY_fromdata_init(context) == 1)
		EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(context);
	return key;
}

/* -- a certificate's key ----------------------------------------------------------------------- */

/* The context of a server's signature in TLS 1.3 (RFC 8446 4.4.3). */
#define SIGN_CONTEXT "TLS 1.3, server CertificateVerify"

enum {
	SIGN_SPACES = 64,
	SIGN_INPUT = SIGN_SPACES + sizeof SIGN_CONTEXT + 32,
};

/* Makes a signature of an empty handshake, and verifies it. */
static bool sign_prove(const struct sign_key *key)
{
	unsigned char input[SIGN_INPUT] = {0}, signature[1024];
	bool rsa = EVP_PKEY_is_a(key->public, "RSA") == 1;
	bool own_digest = EVP_PKEY_is_a(key->public, "ED25519") == 1;
	EVP_PKEY_CTX *context = NULL;
	size_t size = 0;
	memset(input, ' ', SIGN_SPACES);
	memcpy(input + SIGN_SPACES, SIGN_CONTEXT, sizeof SIGN_CONTEXT);
	struct weir_tls_signing signing = {
	        .certificate = key->certificate,
	        .digest = own_digest ? NULL : "SHA256",
	        .pss = rsa,
	        .input = weir_span((const char *)input, sizeof input),
	};
	const struct tls_signer *signer = key->signer;
	if (signer->sign(signer->context, &signing, signature, sizeof signature, &size) < 0)
		return false;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool good = hash &&
	            EVP_DigestVerifyInit_ex(
	                    hash, &context, signing.digest, NULL, NULL, key->public, NULL) == 1 &&
	            (!rsa || EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1) &&
	            EVP_DigestVerify(hash, signature, size, input, sizeof input) == 1;
	EVP_MD_CTX_free(hash);
	return good;
}

const char *tls_sign_use_key(SSL_CTX *context, const struct weir_tls *tls, size_t certificate)
{
	struct sign_key from = {
	        .public = X509_get0_pubkey(SSL_CTX_get0_certificate(context)),
	        .signer = tls->signer,
	        .certificate = certificate,
	};
	EVP_PKEY *key = from.public ? sign_make_key(&from) : NULL;
	const char *why = !key ? "this kind of key is not for signing elsewhere"
	                  : !sign_prove(&from)
	                          ? "no signature by this key, or it does not belong to "
	                            "the certificate"
	                  : SSL_CTX_use_PrivateKey(context, key) != 1
	                          ? "this key does not belong to the certificate"
	                          : NULL;
	EVP_PKEY_free(key);
	return why;
}
