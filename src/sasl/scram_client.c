/*
 * SCRAM-SHA-256, the client's side. The slow part runs on the work pool.
 *
 * Invariant: the client owns the state, except while the work is under way. If the client is
 * destroyed meanwhile, it leaves the state behind (`client` is NULL), and it is freed when the work
 * is done. The server is accepted only with a valid signature. A number of iterations below RFC
 * 7677's minimum, or above our maximum, is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "sasl_client_state.h"
#include "sasl_exchange.h"
#include "scram.h"

enum {
	MESSAGES_MAX = 3 * SASL_BYTES_MAX
};

enum scram_client_stage {
	BEGIN,
	SENT_FIRST,
	SENT_FINAL,
	SENT_END,
};

struct scram_client {
	struct weir_work work;
	struct weir_sasl_client *client; /* NULL: destroyed */
	bool working;
	int error;
	struct weir_scram secret; /* from the server, then with the keys */
	unsigned char client_key[SCRAM_KEY];
	unsigned char signature[SCRAM_KEY]; /* that the server has to send */
	struct weir_buffer message;         /* AuthMessage, as far as it is known */
	struct weir_buffer nonce;           /* ours, then both halves */
	size_t password_size;
	char password[WEIR_PASSWORD_MAX];
};

static void scram_client_free(struct scram_client *scram)
{
	weir_buffer_finish(&scram->message);
	weir_buffer_finish(&scram->nonce);
	explicit_bzero(scram, sizeof *scram);
	free(scram);
}

void sasl_client_scram_free(struct scram_client *scram)
{
	if (!scram)
		return;
	scram->client = NULL;
	if (!scram->working)
		scram_client_free(scram);
}

/* -- the first message ------------------------------------------------------------------------- */

static int scram_client_append_name(struct weir_buffer *message, struct weir_span name)
{
	int error = 0;
	for (size_t i = 0; i < name.size && error == 0; i++) {
		const char *text = name.data[i] == ',' ? "=2C" : "=3D";
		bool coded = name.data[i] == ',' || name.data[i] == '=';
		error = weir_buffer_append(
		        message, coded ? text : name.data + i, coded ? 3 : 1, MESSAGES_MAX);
	}
	return error;
}

static int scram_client_compose_first(struct scram_client *scram, struct weir_span user)
{
	char nonce[SCRAM_NONCE_OWN];
	int error = scram_nonce(nonce);
	if (error == 0)
		error = weir_buffer_append(&scram->nonce, nonce, sizeof nonce, WEIR_SASL_NONCE_MAX);
	if (error == 0)
		error = weir_buffer_append(&scram->message, "n,,n=", 5, MESSAGES_MAX);
	if (error == 0)
		error = scram_client_append_name(&scram->message, user);
	if (error == 0)
		error = weir_buffer_format(
		        &scram->message, MESSAGES_MAX, ",r=%.*s", (int)sizeof nonce, nonce);
	return error;
}

static void scram_client_begin(struct weir_sasl_client *client)
{
	struct scram_client *scram = client->scram = calloc(1, sizeof *scram);
	int error = scram ? scram_client_compose_first(scram, client->user) : -ENOMEM;
	if (error) {
		sasl_client_fail(client, error);
		return;
	}
	scram->client = client;
	scram->password_size = client->password.size;
	memcpy(scram->password, client->password.data, client->password.size);
	/* The header is sent, but not signed as part of the message. */
	char first[SASL_BYTES_MAX];
	size_t size = scram->message.size;
	memcpy(first, scram->message.data, size);
	weir_buffer_consume(&scram->message, 3);
	sasl_client_answer(client, weir_span(first, size));
}

/* -- the server's first ------------------------------------------------------------------------ */

static int scram_client_parse_first(struct scram_client *scram, struct weir_span bytes)
{
	struct weir_span rest = bytes, nonce, salt, number, own = weir_buffer_span(&scram->nonce);
	uint64_t iterations;
	size_t size;
	if (!scram_attribute(&rest, 'r', &nonce) || !scram_attribute(&rest, 's', &salt) ||
	        !scram_attribute(&rest, 'i', &number))
		return -EACCES;
	if (!scram_is_nonce(nonce) || nonce.size <= own.size || nonce.size > WEIR_SASL_NONCE_MAX ||
	        !weir_span_starts(nonce, own))
		return -EACCES;
	if (weir_base64_decode(salt, (char *)scram->secret.salt, sizeof scram->secret.salt, &size) <
	                0 ||
	        !size || weir_span_number(number, 10, &iterations) < 0 ||
	        iterations < WEIR_SCRAM_ITERATIONS_MIN || iterations > WEIR_SCRAM_ITERATIONS_MAX)
		return -EACCES;
	scram->secret.salt_size = (uint32_t)size;
	scram->secret.iterations = (uint32_t)iterations;
	return weir_buffer_append(
	        &scram->nonce, nonce.data + own.size, nonce.size - own.size, WEIR_SASL_NONCE_MAX);
}

/* -- the proof --------------------------------------------------------------------------------- */

static void scram_client_run_salt(struct weir_work *work)
{
	struct scram_client *scram = WEIR_CONTAINER(work, struct scram_client, work);
	unsigned char scram_client_salted[SCRAM_KEY];
	scram->error = scram_salt_password(weir_span(scram->password, scram->password_size),
	        &scram->secret, scram_client_salted);
	if (scram->error == 0)
		scram->error = scram_derive(scram_client_salted, &scram->secret, scram->client_key);
	explicit_bzero(scram_client_salted, sizeof scram_client_salted);
}

/* Composes into `final`, which has MESSAGES_MAX bytes. */
static int scram_client_compose_final(struct scram_client *scram, struct weir_buffer *final)
{
	unsigned char proof[SCRAM_KEY];
	char text[WEIR_BASE64_ENCODED(SCRAM_KEY)];
	int error = weir_buffer_format(
	        final, MESSAGES_MAX, "c=biws,r=%.*s", (int)scram->nonce.size, scram->nonce.data);
	if (error == 0)
		error = weir_buffer_format(
		        &scram->message, MESSAGES_MAX, ",%.*s", (int) final->size, final->data);
	struct weir_span message = weir_buffer_span(&scram->message);
	if (error == 0)
		error = scram_hmac(scram->secret.stored_key, message, proof);
	if (error == 0)
		error = scram_hmac(scram->secret.server_key, message, scram->signature);
	if (error)
		return error;
	for (int i = 0; i < SCRAM_KEY; i++)
		proof[i] ^= scram->client_key[i];
	weir_base64_encode(weir_span(proof, sizeof proof), text);
	return weir_buffer_format(final, MESSAGES_MAX, ",p=%.*s", (int)sizeof text, text);
}

static void scram_client_salted(struct weir_work *work)
{
	struct scram_client *scram = WEIR_CONTAINER(work, struct scram_client, work);
	struct weir_sasl_client *client = scram->client;
	struct weir_buffer final = {0};
	scram->working = false;
	if (!client) {
		scram_client_free(scram);
		return;
	}
	int error = scram->error;
	if (error == 0)
		error = scram_client_compose_final(scram, &final);
	if (error < 0)
		sasl_client_fail(client, error);
	else
		sasl_client_answer(client, weir_buffer_span(&final));
	weir_buffer_finish(&final);
}

static void scram_client_take_first(struct weir_sasl_client *client, struct weir_span bytes)
{
	struct scram_client *scram = client->scram;
	int error = scram_client_parse_first(scram, bytes);
	if (error == 0)
		error = weir_buffer_format(
		        &scram->message, MESSAGES_MAX, ",%.*s", (int)bytes.size, bytes.data);
	if (error == 0)
		error = weir_work_submit_to(client->loop, WEIR_LANE_PASSWORD, &scram->work,
		        scram_client_run_salt, scram_client_salted);
	scram->working = error == 0;
	if (error < 0)
		sasl_client_fail(client, error);
}

/* -- the server's signature -------------------------------------------------------------------- */

static void scram_client_take_final(struct weir_sasl_client *client, struct weir_span bytes)
{
	unsigned char signature[SCRAM_KEY];
	struct weir_span text;
	client->verified = scram_attribute(&bytes, 'v', &text) && scram_key(text, signature) &&
	                   scram_equal(signature, client->scram->signature);
	if (client->verified)
		sasl_client_answer(client, WEIR_SPAN(""));
	else
		sasl_client_fail(client, -EACCES);
}

static void scram_client_next(struct weir_sasl_client *client, struct weir_span bytes)
{
	if (client->stage == BEGIN)
		scram_client_begin(client);
	else if (client->stage == SENT_FIRST && !client->scram->working)
		scram_client_take_first(client, bytes);
	else if (client->stage == SENT_FINAL)
		scram_client_take_final(client, bytes);
	else
		sasl_client_fail(client, -EACCES);
}

const struct client_mechanism sasl_client_scram = {"SCRAM-SHA-256", false, scram_client_next};
