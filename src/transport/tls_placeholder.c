/*
 * Self-signed certificates that are made in memory, so that a server can begin before it has
 * obtained others. Clients warn of them. The key is new each time, and is in no file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "tls_state.h"

enum {
	PLACEHOLDER_S = 365 * 24 * 60 * 60,
	PLACEHOLDER_EARLY_S = 24 * 60 * 60, /* for clients whose clocks are slow */
};

static bool tls_placeholder_add_name(GENERAL_NAMES *names, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	bool good = name && value && ASN1_STRING_set(value, text, -1) == 1;
	if (good) {
		GENERAL_NAME_set0_value(name, GEN_DNS, value);
		value = NULL;
		good = sk_GENERAL_NAME_push(names, name) > 0;
	}
	ASN1_IA5STRING_free(value);
	if (!good)
		GENERAL_NAME_free(name);
	return good;
}

static bool tls_placeholder_add_names(X509 *certificate, const char *const *list)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = names;
	for (size_t i = 0; good && list[i]; i++)
		good = tls_placeholder_add_name(names, list[i]);
	good = good && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
	GENERAL_NAMES_free(names);
	return good;
}

static bool tls_placeholder_fill(X509 *certificate, EVP_PKEY *key, const char *const *names)
{
	static const char subject[] = "self-signed until there is another";
	X509_NAME *name = X509_get_subject_name(certificate);
	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -PLACEHOLDER_EARLY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), PLACEHOLDER_S) &&
	       X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
	               (const unsigned char *)subject, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, name) == 1 &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       tls_placeholder_add_names(certificate, names) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

int tls_placeholder_use(SSL_CTX *context, const char *const *names)
{
	size_t count = 0;
	while (names && count <= WEIR_TLS_PLACEHOLDER_NAMES_MAX && names[count])
		count++;
	if (count == 0 || count > WEIR_TLS_PLACEHOLDER_NAMES_MAX)
		return -EINVAL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	bool good = key && certificate && tls_placeholder_fill(certificate, key, names) &&
	            SSL_CTX_use_certificate(context, certificate) == 1 &&
	            SSL_CTX_use_PrivateKey(context, key) == 1;
	X509_free(certificate);
	EVP_PKEY_free(key);
	return good ? 0 : -ENOMEM;
}
