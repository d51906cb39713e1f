/*
 * The client's side of an exchange: chooses a mechanism, decodes challenges and encodes responses.
 * It speaks SCRAM-SHA-256, PLAIN and LOGIN.
 *
 * Invariant: a call of step() is the last action, since it may destroy the client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/base64.h>
#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/sasl.h>

#include "helper.h"
#include "sasl_exchange.h"

enum {
	ANSWER_MAX = WEIR_USER_NAME_MAX + WEIR_PASSWORD_MAX + 2
};

struct client_mechanism {
	const char *name;
	bool in_clear;
	/*
	 * Takes the server's next bytes; empty at first. Ends with a call of one of the answers
	 * below.
	 */
	void (*next)(struct weir_sasl_client *client, struct weir_span bytes);
};

struct scram_client;

struct weir_sasl_client {
	struct weir_loop *loop;
	const struct client_mechanism *mechanism;
	weir_sasl_step_fn *step;
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

static void sasl_client_answer(struct weir_sasl_client *client, struct weir_span bytes)
{
	char text[WEIR_SASL_LINE_MAX];
	struct weir_sasl_step step = {.outcome = WEIR_SASL_CHALLENGE};
	step.text = weir_span(text, weir_base64_encode(bytes, text));
	if (!bytes.size && client->stage == 0)
		step.text = WEIR_SPAN("=");
	client->stage++;
	client->step(client->context, &step);
	explicit_bzero(text, sizeof text);
}

static void sasl_client_fail(struct weir_sasl_client *client, int error)
{
	struct weir_sasl_step step = {.outcome = WEIR_SASL_FAILED, .error = error};
	client->step(client->context, &step);
}

/* -- PLAIN and LOGIN --------------------------------------------------------------------------- */

static void sasl_client_plain_next(struct weir_sasl_client *client, struct weir_span bytes)
{
	char answer[ANSWER_MAX];
	(void)bytes;
	if (client->stage) {
		sasl_client_fail(client, -EACCES);
		return;
	}
	size_t size = client->user.size;
	answer[0] = 0;
	memcpy(answer + 1, client->user.data, size);
	answer[size + 1] = 0;
	memcpy(answer + size + 2, client->password.data, client->password.size);
	client->verified = true;
	sasl_client_answer(client, weir_span(answer, size + 2 + client->password.size));
	explicit_bzero(answer, sizeof answer);
}

/* The name is sent as initial response: servers accept it there, and it saves a round trip. */
static void sasl_client_login_next(struct weir_sasl_client *client, struct weir_span bytes)
{
	(void)bytes;
	if (client->stage == 0)
		sasl_client_answer(client, client->user);
	else if (client->stage == 1) {
		client->verified = true;
		sasl_client_answer(client, client->password);
	} else {
		sasl_client_fail(client, -EACCES);
	}
}

static const struct client_mechanism plain = {"PLAIN", true, sasl_client_plain_next};
static const struct client_mechanism login = {"LOGIN", true, sasl_client_login_next};

/* -- SCRAM-SHA-256 ----------------------------------------------------------------------------- */

/*
 * SCRAM (RFC 5802, RFC 7677). The slow part runs on the work pool.
 *
 * Invariant: the client owns the state, except while the work is under way. If the client is
 * destroyed meanwhile, it leaves the state behind (`client` is NULL), and it is freed when the work
 * is done. The server is accepted only with a valid signature. A number of iterations below RFC
 * 7677's minimum, or above our maximum, is refused.
 */

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

static void sasl_client_scram_free(struct scram_client *scram)
{
	if (!scram)
		return;
	scram->client = NULL;
	if (!scram->working)
		scram_client_free(scram);
}

/* -- SCRAM-SHA-256: the first message ---------------------------------------------------------- */

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

/* -- SCRAM-SHA-256: the server's first --------------------------------------------------------- */

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

/* -- SCRAM-SHA-256: the proof ------------------------------------------------------------------ */

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

static void scram_client_read_first(struct weir_sasl_client *client, struct weir_span bytes)
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

/* -- SCRAM-SHA-256: the server's signature ----------------------------------------------------- */

static void scram_client_read_final(struct weir_sasl_client *client, struct weir_span bytes)
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
		scram_client_read_first(client, bytes);
	else if (client->stage == SENT_FINAL)
		scram_client_read_final(client, bytes);
	else
		sasl_client_fail(client, -EACCES);
}

static const struct client_mechanism scram_sha_256 = {"SCRAM-SHA-256", false, scram_client_next};

/* -- the exchange ------------------------------------------------------------------------------ */

static const struct client_mechanism *const mechanisms[] = {&scram_sha_256, &plain, &login};

static bool sasl_client_offered(struct weir_span list, const char *name)
{
	struct weir_span word;
	while (list.size) {
		weir_span_cut(&list, ' ', &word);
		if (weir_span_equal_nocase(word, weir_span_of(name)))
			return true;
	}
	return false;
}

static int sasl_client_choose(const struct weir_sasl_client_options *options,
        const struct client_mechanism **ret_mechanism)
{
	int error = -EOPNOTSUPP;
	for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
		if (!sasl_client_offered(options->mechanisms, mechanisms[i]->name))
			continue;
		if (!mechanisms[i]->in_clear || options->secure) {
			*ret_mechanism = mechanisms[i];
			return 0;
		}
		error = -EPERM;
	}
	return error;
}

void weir_sasl_client_options_init(struct weir_sasl_client_options *options)
{
	*options = (struct weir_sasl_client_options){0};
}

int weir_sasl_client_create(struct weir_loop *loop, const struct weir_sasl_client_options *options,
        weir_sasl_step_fn *step, void *context, struct weir_sasl_client **ret)
{
	struct weir_span user = options->user, password = options->password;
	const struct client_mechanism *mechanism;
	int error = sasl_client_choose(options, &mechanism);
	if (error < 0)
		return error;
	if (!user.size || user.size > WEIR_USER_NAME_MAX || !password.size ||
	        password.size > WEIR_PASSWORD_MAX || text_has_control(user) ||
	        text_has_control(password))
		return WEIR_E_SYNTAX;
	struct weir_sasl_client *client = calloc(1, sizeof *client + user.size + password.size);
	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->mechanism = mechanism;
	client->step = step;
	client->context = context;
	client->size = user.size + password.size;
	memcpy(client->text, user.data, user.size);
	memcpy(client->text + user.size, password.data, password.size);
	client->user = weir_span(client->text, user.size);
	client->password = weir_span(client->text + user.size, password.size);
	*ret = client;
	return 0;
}

const char *weir_sasl_client_mechanism(const struct weir_sasl_client *client)
{
	return client->mechanism->name;
}

void weir_sasl_client_start(struct weir_sasl_client *client)
{
	client->mechanism->next(client, WEIR_SPAN(""));
}

void weir_sasl_client_next(struct weir_sasl_client *client, struct weir_span challenge)
{
	char bytes[SASL_BYTES_MAX];
	size_t size;
	if (challenge.size > WEIR_SASL_LINE_MAX ||
	        weir_base64_decode(challenge, bytes, sizeof bytes, &size) < 0)
		sasl_client_fail(client, -EACCES);
	else
		client->mechanism->next(client, weir_span(bytes, size));
}

int weir_sasl_client_verify(const struct weir_sasl_client *client)
{
	return client->verified ? 0 : -EACCES;
}

void weir_sasl_client_destroy(struct weir_sasl_client *client)
{
	if (!client)
		return;
	sasl_client_scram_free(client->scram);
	explicit_bzero(client, sizeof *client + client->size);
	free(client);
}
