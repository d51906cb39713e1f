/*
 * Signatures of an ACME client: JSON Web Signature (RFC 7515) with ES256, keys as JSON (RFC 7517),
 * and their thumbprints (RFC 7638). Keys are of P-256.
 *
 *   key ─▶ acme_jose_sign(payload) ─▶ {"protected": …, "payload": …, "signature": …}
 */
#ifndef DAEMON_ACME_JOSE_H
#define DAEMON_ACME_JOSE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#include <weir/buffer.h>
#include <weir/span.h>

enum {
	ACME_THUMBPRINT_SIZE = 44,   /* base64url of a SHA-256, with a NUL */
	ACME_BINDING_KEY_MAX = 1024, /* bytes of the key of an external account */
	ACME_JOSE_MAX = 64 * 1024,   /* bytes of a signed request */
};

/* -- base64url without padding (RFC 4648 5) ---------------------------------------------------- */

/* Returns 0 or -ENOMEM. */
int acme_base64_append(struct weir_buffer *to, struct weir_span bytes);

/* Stores up to `room` bytes. Returns false if it is not base64url, or longer. */
bool acme_base64_decode(struct weir_span text, unsigned char *to, size_t room, size_t *ret_size);

/* -- keys -------------------------------------------------------------------------------------- */

/* Makes a key of P-256. Returns NULL without memory. */
EVP_PKEY *acme_key_create(void);

/* Reads a key of P-256 from PEM. Returns NULL if it is none. */
EVP_PKEY *acme_key_parse(struct weir_span pem);

/* Appends the private key in PEM. Returns 0 or -ENOMEM. */
int acme_key_print(EVP_PKEY *key, struct weir_buffer *to);

/* Appends the public key as JSON, with the members and the order of the thumbprint. */
int acme_key_jwk(EVP_PKEY *key, struct weir_buffer *to);

/* Stores the thumbprint of the public key. Returns 0 or -ENOMEM. */
int acme_key_thumbprint(EVP_PKEY *key, char ret[ACME_THUMBPRINT_SIZE]);

/* -- signatures -------------------------------------------------------------------------------- */

/* The texts must need no escapes in JSON. */
struct acme_jose {
	EVP_PKEY *key;
	const char *kid;   /* the URL of the account; NULL: the public key is sent instead */
	const char *nonce; /* NULL: none, as in a signature within another one */
	const char *url;
};

/* Appends the signed object. Returns 0, -ENOMEM or WEIR_E_LIMIT. */
int acme_jose_sign(const struct acme_jose *jose, struct weir_span payload, struct weir_buffer *to);

/*
 * Appends the public key of `key`, signed by the key of an external account (RFC 8555 7.3.4) with
 * HS256. Returns as acme_jose_sign.
 */
int acme_jose_bind(EVP_PKEY *key, const char *url, const char *key_id, struct weir_span binding_key,
        struct weir_buffer *to);

#endif
