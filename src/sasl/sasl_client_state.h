/* The client's side of an exchange, for the files of this folder. */
#ifndef WEIR_SASL_CLIENT_STATE_H
#define WEIR_SASL_CLIENT_STATE_H

#include <weir/base64.h>
#include <weir/buffer.h>
#include <weir/sasl.h>

struct client_mechanism {
	const char *name;
	bool in_clear;
	/*
	 * Takes the server's next bytes; empty at first. Ends with a call of one of the answers
	 * below.
	 */
	void (*next)(struct weir_sasl_client *client, struct weir_span bytes);
};

extern const struct client_mechanism sasl_client_scram;

struct scram_client;

struct weir_sasl_client {
	struct weir_loop *loop;
	const struct client_mechanism *mechanism;
	void (*step)(void *context, const struct weir_sasl_step *step);
	void *context;
	unsigned stage; /* private to the mechanism; 0 at first */
	bool verified;  /* the server has been authenticated, if the mechanism can do so */
	struct scram_client *scram;
	struct weir_span user; /* in `text`, like the password */
	struct weir_span password;
	size_t size;
	char text[];
};

/* -- the answers ------------------------------------------------------------------------------- */

void sasl_client_answer(struct weir_sasl_client *client, struct weir_span bytes);
void sasl_client_fail(struct weir_sasl_client *client, int error);

void sasl_client_scram_free(struct scram_client *scram);

#endif
