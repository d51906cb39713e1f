/* The computations and the grammar of SCRAM-SHA-256 (RFC 5802, RFC 7677), for both sides. */
#ifndef WEIR_SASL_SCRAM_H
#define WEIR_SASL_SCRAM_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>
#include <weir/users.h>

enum {
	SCRAM_KEY = 32,
	SCRAM_NONCE_OWN = 24 /* characters of our half of the nonce */
};

/* Hi(), the slow part. Returns 0 or -ENOMEM. */
int scram_salt_password(
        struct weir_span password, const struct weir_scram *salted, unsigned char ret[SCRAM_KEY]);

/* HMAC. Returns 0 or -ENOMEM, like the functions below. */
int scram_hmac(
        const unsigned char key[SCRAM_KEY], struct weir_span text, unsigned char ret[SCRAM_KEY]);
int scram_hash(const unsigned char bytes[SCRAM_KEY], unsigned char ret[SCRAM_KEY]);

/* Derives StoredKey and ServerKey of *scram, and ClientKey. */
int scram_derive(const unsigned char salted[SCRAM_KEY], struct weir_scram *scram,
        unsigned char ret_client_key[SCRAM_KEY]);

/* Compares in constant time. */
bool scram_equal(const unsigned char a[SCRAM_KEY], const unsigned char b[SCRAM_KEY]);

/* Makes a nonce, without a NUL. Returns 0 or -EIO. */
int scram_nonce(char ret[SCRAM_NONCE_OWN]);

/* Cuts `name=value` off the front, up to a comma or the end. Returns false if there is none. */
bool scram_attribute(struct weir_span *rest, char name, struct weir_span *ret);

/* Whether the text can be part of a nonce: printable, without commas, not empty. */
bool scram_is_nonce(struct weir_span text);

/* Decodes a key from base64. Returns false if it is malformed. */
bool scram_key(struct weir_span text, unsigned char ret[SCRAM_KEY]);

#endif
