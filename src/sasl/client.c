/*
 * The client's side of an exchange: chooses a mechanism, decodes challenges and encodes responses.
 * PLAIN and LOGIN are here, SCRAM is in scram_client.c.
 *
 * Invariant: a call of step() is the last action, since it may destroy the client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "sasl_client_state.h"
#include "sasl_exchange.h"

enum {
	ANSWER_MAX = WEIR_USER_NAME_MAX + WEIR_PASSWORD_MAX + 2
};

/* -- the answers ------------------------------------------------------------------------------- */

void sasl_client_answer(struct weir_sasl_client *client, struct weir_span bytes)
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

void sasl_client_fail(struct weir_sasl_client *client, int error)
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

static const struct client_mechanism *const mechanisms[] = {&sasl_client_scram, &plain, &login};

/* -- the exchange ------------------------------------------------------------------------------ */

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

int weir_sasl_client_create(struct weir_loop *loop, const struct weir_sasl_client_options *options,
        void (*step)(void *context, const struct weir_sasl_step *step), void *context,
        struct weir_sasl_client **ret)
{
	struct weir_span user = options->user, password = options->password;
	const struct client_mechanism *mechanism;
	int error = sasl_client_choose(options, &mechanism);
	if (error < 0)
		return error;
	if (!user.size || user.size > WEIR_USER_NAME_MAX || !password.size ||
	        password.size > WEIR_PASSWORD_MAX || sasl_has_control(user) ||
	        sasl_has_control(password))
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
