/*
 * A TLS client over a peer: OpenSSL on two buffers, so that a test decides in which pieces the
 * records cross the wire, and can put there what no client would.
 */
#ifndef WEIR_TEST_SECRET_H
#define WEIR_TEST_SECRET_H

#include <openssl/ssl.h>

#include "peer.h"

struct secret {
	struct peer *peer;
	SSL *ssl;
	size_t step; /* bytes sent at once; 0: all */
};

/* A context that trusts the tests' CA; the caller frees it. */
SSL_CTX *secret_context(void);

/* Begins without sending anything. A name that is not NULL is sent as SNI and verified. */
struct secret secret_begin(
        struct peer *peer, SSL_CTX *context, const char *name, SSL_SESSION *session);

/* Makes the handshake. Returns false if it failed. */
bool secret_handshake(struct secret *secret);

bool secret_send(struct secret *secret, const void *data, size_t size);

/* Reads `size` bytes. Returns false if they did not come. */
bool secret_read(struct secret *secret, void *to, size_t size);
bool secret_got(struct secret *secret, const char *text);

/* Reads up to close_notify. Returns false if anything else came, or nothing. */
bool secret_read_end(struct secret *secret);

/* Sends close_notify. */
void secret_finish(struct secret *secret);

/* The peer stays. */
void secret_end(struct secret *secret);

#endif
