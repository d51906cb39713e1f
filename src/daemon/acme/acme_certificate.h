/* Requests for certificates, what a server sends for them, and the proof of TLS-ALPN-01. */
#ifndef DAEMON_ACME_CERTIFICATE_H
#define DAEMON_ACME_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#include <weir/buffer.h>
#include <weir/span.h>

#include "acme_message.h"

enum {
	ACME_CHAIN_MAX = 8,     /* certificates of a chain */
	ACME_EARLY_S = 60 * 60, /* a certificate may begin this long after our clock */
};

/* Appends the request (PKCS #10, in DER) for a certificate for one name. Returns 0 or -ENOMEM. */
int acme_certificate_request(EVP_PKEY *key, const char *name, struct weir_buffer *to);

/*
 * Appends the certificate that proves a key authorisation (RFC 8737 3), and its new private key, in
 * PEM. Returns 0 or -ENOMEM.
 */
int acme_certificate_prove(
        const char *name, struct weir_span authorization, struct weir_buffer *to);

/* The time in which a certificate is valid, in seconds since 1970; zeros: there is none. */
struct acme_validity {
	int64_t begins_s;
	int64_t expires_s;
};

/*
 * Whether the first of two certificates for a name is newer: it begins later. So one with a
 * shorter lifetime replaces the one before. Of two that begin at one time, the one that expires
 * later is newer. Neither is newer than itself.
 */
bool acme_validity_is_newer(struct acme_validity one, struct acme_validity other);

struct acme_chain {
	struct acme_validity validity;
	/* Names it for its authority (RFC 9773 4.1); "" if it cannot be named. */
	char id[ACME_ID_SIZE];
	struct weir_buffer pem; /* the same chain, and nothing else; to be finished */
};

/*
 * Checks a chain that a server has sent: PEM, certificates in order, the first for this key and
 * name, and valid at `now_s`. Returns NULL and fills `ret`, or why it is refused.
 */
const char *acme_chain_check(struct weir_span pem, EVP_PKEY *key, const char *name, int64_t now_s,
        struct acme_chain *ret);

/* Likewise a chain with its key, both PEM, that were stored. `ret` has no `pem`. */
bool acme_pair_check(struct weir_span chain, struct weir_span key, const char *name, int64_t now_s,
        struct acme_chain *ret);

#endif
