/*
 * PEM files, opened by weir_open_file, so that a process without rights to them can be given them.
 * OpenSSL's own functions open paths.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "helper.h"
#include "tls_state.h"

/* Returns NULL, and leaves the reason among OpenSSL's errors. */
static BIO *tls_file_open(const char *path)
{
	FILE *file;
	int error = file_open_stream(path, &file);
	BIO *bio = error == 0 ? BIO_new_fp(file, BIO_CLOSE) : NULL;
	if (error < 0)
		ERR_raise_data(ERR_LIB_SYS, -error, "open %s", path);
	else if (!bio)
		fclose(file);
	return bio;
}

/*
 * The end of the file shows as an error: there is no start line. Returns false for another error.
 */
static bool tls_file_at_end(void)
{
	unsigned long error = ERR_peek_last_error();
	bool end =
	        ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
	if (end)
		ERR_clear_error();
	return end;
}

static bool tls_file_add_issuers(SSL_CTX *context, BIO *bio)
{
	SSL_CTX_clear_chain_certs(context);
	pem_password_cb *password = SSL_CTX_get_default_passwd_cb(context);
	for (X509 *next; (next = PEM_read_bio_X509(bio, NULL, password, NULL));)
		if (SSL_CTX_add0_chain_cert(context, next) != 1) {
			X509_free(next);
			return false;
		}
	return tls_file_at_end();
}

static BIO *tls_file_open_either(const char *path, struct weir_span pem)
{
	return pem.data ? BIO_new_mem_buf(pem.data, (int)pem.size) : tls_file_open(path);
}

bool tls_file_use_chain(SSL_CTX *context, const char *path, struct weir_span pem)
{
	BIO *bio = tls_file_open_either(path, pem);
	pem_password_cb *password = SSL_CTX_get_default_passwd_cb(context);
	X509 *first = bio ? PEM_read_bio_X509_AUX(bio, NULL, password, NULL) : NULL;
	bool good = first && SSL_CTX_use_certificate(context, first) == 1 &&
	            tls_file_add_issuers(context, bio);
	X509_free(first);
	BIO_free(bio);
	return good;
}

bool tls_file_use_key(SSL_CTX *context, const char *path, struct weir_span pem)
{
	BIO *bio = tls_file_open_either(path, pem);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(
	                              bio, NULL, SSL_CTX_get_default_passwd_cb(context), NULL)
	                    : NULL;
	bool good = key && SSL_CTX_use_PrivateKey(context, key) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

static bool tls_file_trust_one(SSL_CTX *context, X509 *signer, STACK_OF(X509_NAME) * names)
{
	X509_NAME *name = names ? X509_NAME_dup(X509_get_subject_name(signer)) : NULL;
	if (names && (!name || sk_X509_NAME_push(names, name) == 0)) {
		X509_NAME_free(name);
		return false;
	}
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), signer) == 1;
}

bool tls_file_trust(SSL_CTX *context, const char *path, STACK_OF(X509_NAME) * names)
{
	BIO *bio = tls_file_open(path);
	unsigned count = 0;
	bool good = bio;
	for (X509 *signer; good && (signer = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL));
	        count++) {
		good = tls_file_trust_one(context, signer, names);
		X509_free(signer);
	}
	good = good && count && tls_file_at_end();
	BIO_free(bio);
	return good;
}
