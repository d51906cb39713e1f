/*
 * TLS-ALPN-01 (RFC 8737): an authority connects, asks for the protocol acme-tls/1 alone, and looks
 * at the certificate. That one is used for this connection, in place of those of the server.
 */
#include <ctype.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <weir/buffer.h>

#include "helper.h"
#include "tls_state.h"

/* RFC 7301 3.1: the size of the list, and its only name behind the size of that. */
static const unsigned char challenge_offer[] = "\x00\x0b\x0a" WEIR_TLS_ALPN_CHALLENGE;

void tls_challenge_on_hello(SSL *ssl)
{
	const unsigned char *offer;
	size_t size;
	tls_of(ssl)->proving =
	        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
	                &offer, &size) == 1 &&
	        size == sizeof challenge_offer - 1 && memcmp(offer, challenge_offer, size) == 0;
}

/* Copies a name that is made of letters, digits, '-' and '.' alone. */
static bool tls_challenge_copy_name(const char *name, char text[WEIR_TLS_NAME_MAX + 1])
{
	size_t size = strlen(name);
	if (size == 0 || size > WEIR_TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i <= size; i++) {
		if (name[i] && !isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '.')
			return false;
		text[i] = (char)tolower((unsigned char)name[i]);
	}
	return true;
}

static bool tls_challenge_read(SSL *ssl, const struct weir_buffer *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->size);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key =
	        bio && BIO_reset(bio) == 1 ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	bool good = certificate && key && SSL_use_certificate(ssl, certificate) == 1 &&
	            SSL_use_PrivateKey(ssl, key) == 1;
	X509_free(certificate);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

bool tls_challenge_use(SSL *ssl, const char *name)
{
	const struct weir_tls *tls = tls_of(ssl)->rules;
	char text[WEIR_TLS_NAME_MAX + 1];
	struct weir_buffer pem = {0};
	bool good = name && tls_challenge_copy_name(name, text) &&
	            tls->challenge(tls->challenge_context, text, &pem) == 0 && pem.size &&
	            tls_challenge_read(ssl, &pem);
	buffer_erase(&pem);
	return good;
}
