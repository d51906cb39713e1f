/*
 * The state of a name, between orders and between processes: when the next attempt is due, and why
 * the last one failed. The process that obtains certificates writes it; others read it to
 * report it.
 */
#ifndef DAEMON_ACME_STATE_H
#define DAEMON_ACME_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

#include "acme_certificate.h"
#include "acme_message.h"

enum {
	ACME_STATE_MAX = 8 * 1024, /* bytes of its file */
	ACME_WHY_SIZE = 400,
};

struct acme_state {
	uint64_t failures; /* since the last success */
	bool waits;        /* the authority processes the order: it is looked at again at next_s */
	int64_t next_s;    /* an attempt is due, or the authority is asked about the renewal */
	int64_t renew_s;   /* the certificate is renewed; 0: there is none */
	struct acme_validity validity; /* of the certificate */
	int64_t obtained_s;            /* when it came */
	char id[ACME_ID_SIZE];         /* see acme_chain */
	char authority[ACME_URL_SIZE]; /* that it is from */
	char why[ACME_WHY_SIZE];       /* the last failure; "" after a success */
};

/* Appends it as JSON. Returns 0 or -ENOMEM. */
int acme_state_print(const struct acme_state *state, struct weir_buffer *to);

/* Returns 0, WEIR_E_SYNTAX or -ENOMEM; `ret` is untouched then. */
int acme_state_parse(struct weir_span json, struct acme_state *ret);

/* Reads the state of a name in the directory of the store. Returns 0 or a negative errno. */
int acme_state_read(const char *directory, const char *name, struct acme_state *ret);

#endif
