/*
 * An exchange on the server's side, for the mechanisms. A mechanism gets decoded bytes and ends
 * each call with one of the three answers below. Any of them may destroy the exchange.
 */
#ifndef WEIR_SASL_EXCHANGE_H
#define WEIR_SASL_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/base64.h>
#include <weir/sasl.h>
#include <weir/span.h>
#include <weir/users.h>

enum {
	/* Bytes of a line. */
	SASL_BYTES_MAX = WEIR_BASE64_DECODED(WEIR_SASL_LINE_MAX)
};

struct sasl_mechanism {
	const char *name;
	bool in_clear; /* sends the password */
	/* Takes the client's next bytes. With `have` false there was no initial response. */
	void (*next)(struct weir_sasl *sasl, struct weir_span bytes, bool have);
};

extern const struct sasl_mechanism sasl_scram; /* scram.c */

struct scram_server;

struct weir_sasl {
	struct weir_sasl_options options;
	struct weir_loop *loop;
	weir_sasl_step_fn *step;
	void *context;
	const struct sasl_mechanism *mechanism;
	unsigned stage;             /* private to the mechanism; 0 at first */
	struct scram_server *scram; /* private to SCRAM */
	struct weir_login login;
	size_t user_size;
	char user[WEIR_USER_NAME_MAX];
};

/* -- the answers ------------------------------------------------------------------------------- */

void sasl_challenge(struct weir_sasl *sasl, struct weir_span bytes);

/* Ends the exchange. 0: the user is authenticated; the guard is not asked. */
void sasl_finish(struct weir_sasl *sasl, int error);

/* -- helpers ------------------------------------------------------------------------ */

/* Copies the name. Returns false if no user can have such a name. */
bool sasl_set_user(struct weir_sasl *sasl, struct weir_span name);

static inline struct weir_span sasl_user(const struct weir_sasl *sasl)
{
	return weir_span(sasl->user, sasl->user_size);
}

/* Counts the result; returns the delay of the answer in ms. */
uint32_t sasl_delay(struct weir_guard *guard, const struct weir_address *peer,
        struct weir_span user, const struct weir_loop *loop, int error);

void sasl_scram_free(struct scram_server *scram);

/* -- SCRAM ------------------------------------------------------------------------------------- */

/* The computations and the grammar of SCRAM-SHA-256 (RFC 5802, RFC 7677), for both sides. */

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
