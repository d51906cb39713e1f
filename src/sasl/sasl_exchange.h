/*
 * An exchange on the server's side, for the mechanisms. A mechanism is given decoded bytes and ends
 * each call in one of the three answers below; the exchange may be gone after any of them.
 */
#ifndef WEIR_SASL_EXCHANGE_H
#define WEIR_SASL_EXCHANGE_H

#include <weir/base64.h>
#include <weir/sasl.h>

enum {
	/* Bytes of a line. */
	SASL_BYTES_MAX = WEIR_BASE64_DECODED(WEIR_SASL_LINE_MAX)
};

struct sasl_mechanism {
	const char *name;
	bool in_clear; /* it sends the password */
	/* The client's next bytes. With `have` false there was no initial response. */
	void (*next)(struct weir_sasl *sasl, struct weir_span bytes, bool have);
};

extern const struct sasl_mechanism sasl_scram, sasl_plain, sasl_login;

struct scram_server;

struct weir_sasl {
	struct weir_sasl_options options;
	struct weir_loop *loop;
	void (*step)(void *context, const struct weir_sasl_step *step);
	void *context;
	const struct sasl_mechanism *mechanism;
	unsigned stage;             /* the mechanism's own: how far it has come; 0 at first */
	struct scram_server *scram; /* SCRAM's own */
	struct weir_login login;
	size_t user_size;
	char user[WEIR_USER_NAME_MAX];
};

/* -- the answers ------------------------------------------------------------------------------- */

void sasl_challenge(struct weir_sasl *sasl, struct weir_span bytes);

/* 0: done, it is the user; the guard is not asked. */
void sasl_finish(struct weir_sasl *sasl, int error);

/* Is it the user's password? That is the answer. */
void sasl_check_password(struct weir_sasl *sasl, struct weir_span password);

/* -- and what they need ------------------------------------------------------------------------ */

/* Copies the name. False: nobody could be called so. */
bool sasl_set_user(struct weir_sasl *sasl, struct weir_span name);

static inline struct weir_span sasl_user(const struct weir_sasl *sasl)
{
	return weir_span(sasl->user, sasl->user_size);
}

/* How long an answer waits; a wrong one is counted. */
uint32_t sasl_delay(struct weir_guard *guard, const struct weir_address *peer,
        struct weir_span user, const struct weir_loop *loop, int error);

/* What SASLprep refuses of ASCII: there is a control character. */
bool sasl_has_control(struct weir_span text);

void sasl_scram_free(struct scram_server *scram);

#endif
