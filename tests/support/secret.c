/* Ciphertext is carried between OpenSSL's buffers and the socket; the loop turns while it waits. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "certificate.h"
#include "secret.h"

SSL_CTX *secret_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context || SSL_CTX_load_verify_file(context, certificate_ca()) != 1)
		abort();
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
	return context;
}

struct secret secret_begin(
        struct peer *peer, SSL_CTX *context, const char *name, SSL_SESSION *session)
{
	struct secret secret = {.peer = peer, .ssl = SSL_new(context)};
	SSL_set_bio(secret.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(secret.ssl);
	if (name) {
		SSL_set_tlsext_host_name(secret.ssl, name);
		SSL_set1_host(secret.ssl, name);
	}
	if (session)
		SSL_set_session(secret.ssl, session);
	return secret;
}

/* Sends what OpenSSL has written. */
static bool push(struct secret *secret)
{
	char *data;
	BIO *out = SSL_get_wbio(secret->ssl);
	size_t size = (size_t)BIO_get_mem_data(out, &data);
	for (size_t at = 0; at < size;) {
		size_t part = secret->step && secret->step < size - at ? secret->step : size - at;
		if (peer_send_bytes(secret->peer, data + at, part) < part)
			return false;
		if (secret->step)
			peer_turn(secret->peer, 2);
		at += part;
	}
	(void)BIO_reset(out);
	return true;
}

/* Waits for ciphertext and gives it to OpenSSL. False at the end. */
static bool pull(struct secret *secret)
{
	struct weir_buffer *got = &secret->peer->got;
	if (!peer_read_more(secret->peer))
		return false;
	BIO_write(SSL_get_rbio(secret->ssl), got->data, (int)got->size);
	got->size = 0;
	return true;
}

/* Moves bytes after a call that did not succeed. Returns true if the call is to be tried again. */
static bool go_on(struct secret *secret, int result)
{
	return push(secret) && SSL_get_error(secret->ssl, result) == SSL_ERROR_WANT_READ &&
	       pull(secret);
}

bool secret_handshake(struct secret *secret)
{
	int result;
	do {
		ERR_clear_error();
		result = SSL_do_handshake(secret->ssl);
	} while (result != 1 && go_on(secret, result));
	return result == 1 && push(secret);
}

bool secret_send(struct secret *secret, const void *data, size_t size)
{
	size_t written;
	ERR_clear_error();
	return SSL_write_ex(secret->ssl, data, size, &written) == 1 && push(secret);
}

bool secret_read(struct secret *secret, void *to, size_t size)
{
	size_t total = 0;
	while (total < size) {
		size_t got = 0;
		ERR_clear_error();
		int result = SSL_read_ex(secret->ssl, (char *)to + total, size - total, &got);
		total += got;
		if (result != 1 && !go_on(secret, result))
			return false;
	}
	return true;
}

bool secret_got(struct secret *secret, const char *text)
{
	char bytes[1024];
	size_t size = strlen(text);
	return size <= sizeof bytes && secret_read(secret, bytes, size) &&
	       memcmp(bytes, text, size) == 0;
}

bool secret_read_end(struct secret *secret)
{
	char byte;
	size_t got;
	int result;
	do {
		ERR_clear_error();
		result = SSL_read_ex(secret->ssl, &byte, 1, &got);
	} while (result != 1 && go_on(secret, result));
	return result != 1 && SSL_get_error(secret->ssl, result) == SSL_ERROR_ZERO_RETURN;
}

void secret_finish(struct secret *secret)
{
	SSL_shutdown(secret->ssl);
	push(secret);
}

void secret_end(struct secret *secret)
{
	SSL_free(secret->ssl);
	secret->ssl = NULL;
	ERR_clear_error();
}
