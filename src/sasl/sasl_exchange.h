/*
 * An exchange on the server's side, for the mechanisms. A mechanism gets decoded bytes and ends
 * each call with one of the three answers below. Any of them may destroy the exchange.
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
	bool in_clear; /* sends the password */
	/* Takes the client's next bytes. With `have` false there was no initial response. */
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

/* Checks the password of the user and answers with the result. */
void sasl_check_password(struct weir_sasl *sasl, struct weir_span password);

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

/* Whether there is a control character: of ASCII, SASLprep refuses these. */
bool sasl_has_control(struct weir_span text);

void sasl_scram_free(struct scram_server *scram);

#endif
