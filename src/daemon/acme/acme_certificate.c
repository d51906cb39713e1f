/*
 * The chain that a server sends is parsed, and written anew: nothing that was not looked at goes to
 * a file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "acme_certificate.h"
#include "acme_jose.h"

enum {
	PEM_MAX = 128 * 1024,
	PROOF_S = 24 * 60 * 60,
	PROOF_EARLY_S = 60 * 60,
	DIGEST = 32,
};

/* -- names ------------------------------------------------------------------------------------- */

static X509_EXTENSION *acme_certificate_names(const char *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *entry = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509_EXTENSION *extension = NULL;
	if (names && entry && text && ASN1_STRING_set(text, name, -1) == 1) {
		GENERAL_NAME_set0_value(entry, GEN_DNS, text);
		text = NULL;
		if (sk_GENERAL_NAME_push(names, entry) > 0) {
			entry = NULL;
			extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
		}
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(entry);
	GENERAL_NAMES_free(names);
	return extension;
}

/* -- requests ---------------------------------------------------------------------------------- */

static bool acme_request_fill(X509_REQ *request, EVP_PKEY *key, const char *name)
{
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *names = acme_certificate_names(name);
	bool good = extensions && names && sk_X509_EXTENSION_push(extensions, names) > 0;
	if (!good)
		X509_EXTENSION_free(names);
	good = good && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
	       X509_REQ_set_pubkey(request, key) == 1 &&
	       X509_REQ_add_extensions(request, extensions) == 1 &&
	       X509_REQ_sign(request, key, EVP_sha256()) > 0;
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return good;
}

int acme_certificate_request(EVP_PKEY *key, const char *name, struct weir_buffer *to)
{
	X509_REQ *request = X509_REQ_new();
	unsigned char *der = NULL;
	int size =
	        request && acme_request_fill(request, key, name) ? i2d_X509_REQ(request, &der) : -1;
	int error = size < 0 ? -ENOMEM : weir_buffer_append(to, der, (size_t)size, PEM_MAX);
	OPENSSL_free(der);
	X509_REQ_free(request);
	return error;
}

/* -- proofs ------------------------------------------------------------------------------------ */

/* The extension acmeIdentifier, critical: an OCTET STRING with the digest of the authorisation. */
static X509_EXTENSION *acme_proof_extension(struct weir_span authorization)
{
	unsigned char value[2 + DIGEST] = {V_ASN1_OCTET_STRING, DIGEST};
	ASN1_OBJECT *id = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension = NULL;
	if (id && octets &&
	        EVP_Digest(authorization.data, authorization.size, value + 2, NULL, EVP_sha256(),
	                NULL) == 1 &&
	        ASN1_OCTET_STRING_set(octets, value, sizeof value) == 1)
		extension = X509_EXTENSION_create_by_OBJ(NULL, id, 1, octets);
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(id);
	return extension;
}

static bool acme_proof_add(X509 *certificate, X509_EXTENSION *extension)
{
	bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

static bool acme_proof_fill(
        X509 *certificate, EVP_PKEY *key, const char *name, struct weir_span authorization)
{
	static const char subject[] = "acme-tls/1";
	X509_NAME *names = X509_get_subject_name(certificate);
	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -PROOF_EARLY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), PROOF_S) &&
	       X509_NAME_add_entry_by_NID(names, NID_commonName, MBSTRING_ASC,
	               (const unsigned char *)subject, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, names) == 1 &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       acme_proof_add(certificate, acme_certificate_names(name)) &&
	       acme_proof_add(certificate, acme_proof_extension(authorization)) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static int acme_certificate_print(X509 *certificate, struct weir_buffer *to)
{
	char *text;
	BIO *bio = BIO_new(BIO_s_mem());
	int error = -ENOMEM;
	if (bio && PEM_write_bio_X509(bio, certificate) == 1) {
		long size = BIO_get_mem_data(bio, &text);
		error = weir_buffer_append(to, text, (size_t)size, PEM_MAX);
	}
	BIO_free(bio);
	return error;
}

int acme_certificate_prove(const char *name, struct weir_span authorization, struct weir_buffer *to)
{
	EVP_PKEY *key = acme_key_create();
	X509 *certificate = X509_new();
	bool good = key && certificate && acme_proof_fill(certificate, key, name, authorization);
	int error = good ? acme_certificate_print(certificate, to) : -ENOMEM;
	if (error == 0)
		error = acme_key_print(key, to);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return error;
}

/* -- chains ------------------------------------------------------------------------------------ */

bool acme_validity_is_newer(struct acme_validity one, struct acme_validity other)
{
	return one.begins_s != other.begins_s ? one.begins_s > other.begins_s
	                                      : one.expires_s > other.expires_s;
}

static bool acme_chain_time(const ASN1_TIME *time, int64_t *ret_s)
{
	struct tm parts;
	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return false;
	*ret_s = timegm(&parts);
	return true;
}

/* The key identifier of the authority and the serial number, in base64url, with a dot. */
static void acme_chain_identify(X509 *certificate, char ret[ACME_ID_SIZE])
{
	const ASN1_OCTET_STRING *authority = X509_get0_authority_key_id(certificate);
	unsigned char *serial = NULL;
	int size = i2d_ASN1_INTEGER(X509_get_serialNumber(certificate), &serial);
	struct weir_buffer text = {0};
	int error = authority && size > 2 && size - 2 < 0x80 ? 0 : -EINVAL;
	if (error == 0)
		error = acme_base64_append(&text, weir_span(ASN1_STRING_get0_data(authority),
		                                          (size_t)ASN1_STRING_length(authority)));
	if (error == 0)
		error = weir_buffer_append(&text, ".", 1, PEM_MAX);
	if (error == 0) /* behind the tag and the length */
		error = acme_base64_append(&text, weir_span(serial + 2, (size_t)size - 2));
	*ret = 0;
	if (error == 0 && text.size < ACME_ID_SIZE)
		snprintf(ret, ACME_ID_SIZE, "%.*s", (int)text.size, text.data);
	weir_buffer_finish(&text);
	OPENSSL_free(serial);
}

static const char *acme_chain_check_first(
        X509 *certificate, EVP_PKEY *key, const char *name, int64_t now_s, struct acme_chain *chain)
{
	/* OpenSSL does not match a wildcard with itself. */
	char below[300];
	bool wild = strncmp(name, "*.", 2) == 0;
	snprintf(below, sizeof below, "any%s", name + wild);
	if (X509_check_private_key(certificate, key) != 1)
		return "the certificate is for another key";
	if (X509_check_host(certificate, wild ? below : name, 0,
	            X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
	            NULL) != 1)
		return "the certificate is for another name";
	if (!acme_chain_time(X509_get0_notBefore(certificate), &chain->validity.begins_s) ||
	        !acme_chain_time(X509_get0_notAfter(certificate), &chain->validity.expires_s))
		return "the certificate has no readable dates";
	if (chain->validity.expires_s <= now_s)
		return "the certificate has expired already";
	if (chain->validity.begins_s > now_s + ACME_EARLY_S)
		return "the certificate is not valid yet; is the clock of this machine right?";
	acme_chain_identify(certificate, chain->id);
	return NULL;
}

static const char *acme_chain_read(
        BIO *bio, EVP_PKEY *key, const char *name, int64_t now_s, struct acme_chain *chain)
{
	const char *why = NULL;
	X509 *before = NULL, *next;
	size_t count = 0;
	while (!why && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (++count > ACME_CHAIN_MAX)
			why = "the chain has too many certificates";
		else if (!before)
			why = acme_chain_check_first(next, key, name, now_s, chain);
		else if (X509_check_issued(next, before) != X509_V_OK)
			why = "the certificates of the chain are not in order";
		if (!why && acme_certificate_print(next, &chain->pem) < 0)
			why = "out of memory";
		X509_free(before);
		before = next;
	}
	X509_free(before);
	unsigned long error = ERR_peek_last_error();
	if (!why && (count == 0 || ERR_GET_LIB(error) != ERR_LIB_PEM ||
	                    ERR_GET_REASON(error) != PEM_R_NO_START_LINE))
		why = "the server sent no certificates in PEM";
	return why;
}

const char *acme_chain_check(struct weir_span pem, EVP_PKEY *key, const char *name, int64_t now_s,
        struct acme_chain *ret)
{
	struct acme_chain chain = {0};
	ERR_clear_error();
	BIO *bio = pem.size ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
	const char *why = !pem.size ? "the server sent no certificate"
	                  : bio     ? acme_chain_read(bio, key, name, now_s, &chain)
	                            : "out of memory";
	BIO_free(bio);
	ERR_clear_error();
	if (why)
		weir_buffer_finish(&chain.pem);
	else
		*ret = chain;
	return why;
}

bool acme_pair_check(struct weir_span chain, struct weir_span pem, const char *name, int64_t now_s,
        struct acme_chain *ret)
{
	EVP_PKEY *key = acme_key_parse(pem);
	bool good = key && !acme_chain_check(chain, key, name, now_s, ret);
	if (good)
		weir_buffer_finish(&ret->pem);
	EVP_PKEY_free(key);
	return good;
}
