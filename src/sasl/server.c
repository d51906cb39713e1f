/*
 * The server's side of an exchange: finds the mechanism, decodes what the client sends, codes what
 * it is sent.
 *
 * Invariant: step() is called once for each start and next, and is the last thing done, since the
 * exchange may be gone then. Decoded secrets live on the stack and are erased. Leaves out what a
 * mechanism makes of the bytes: see mechanism_*.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "sasl_exchange.h"

static const struct sasl_mechanism *const mechanisms[] = {&sasl_scram, &sasl_plain, &sasl_login};

const char *weir_sasl_mechanisms(struct weir_users *users, bool secure)
{
	if (weir_users_all_scram(users))
		return secure ? "SCRAM-SHA-256 PLAIN LOGIN" : "SCRAM-SHA-256";
	return secure ? "PLAIN LOGIN" : "";
}

bool sasl_has_control(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			return true;
	return false;
}

/* -- the answers ------------------------------------------------------------------------------- */

void sasl_challenge(struct weir_sasl *sasl, struct weir_span bytes)
{
	char text[WEIR_BASE64_ENCODED(SASL_BYTES_MAX)];
	struct weir_sasl_step step = {.outcome = WEIR_SASL_CHALLENGE};
	step.text = weir_span(text, weir_base64_encode(bytes, text));
	sasl->step(sasl->context, &step);
}

void sasl_finish(struct weir_sasl *sasl, int error)
{
	struct weir_sasl_step step = {.outcome = WEIR_SASL_FAILED, .error = error};
	if (error == 0) {
		step.outcome = WEIR_SASL_DONE;
		step.user = sasl_user(sasl);
	}
	sasl->step(sasl->context, &step);
}

static void sasl_server_on_login(struct weir_login *login, int error)
{
	sasl_finish(WEIR_CONTAINER(login, struct weir_sasl, login), error);
}

void sasl_check_password(struct weir_sasl *sasl, struct weir_span password)
{
	/* A password that cannot be is checked too: it is wrong, and counted. */
	if (sasl_has_control(password))
		password = weir_span("\0", 1);
	weir_login_check(&sasl->login, sasl->loop, &sasl->options, sasl_user(sasl), password,
	        sasl_server_on_login);
}

bool sasl_set_user(struct weir_sasl *sasl, struct weir_span name)
{
	name = weir_users_login_name(sasl->options.users, name);
	if (!name.size || name.size > sizeof sasl->user || sasl_has_control(name))
		return false;
	memcpy(sasl->user, name.data, name.size);
	sasl->user_size = name.size;
	return true;
}

/* -- the exchange ------------------------------------------------------------------------------ */

int weir_sasl_create(struct weir_loop *loop, const struct weir_sasl_options *options,
        void (*step)(void *context, const struct weir_sasl_step *step), void *context,
        struct weir_sasl **ret)
{
	struct weir_sasl *sasl = calloc(1, sizeof *sasl);
	if (!sasl)
		return -ENOMEM;
	sasl->options = *options;
	sasl->loop = loop;
	sasl->step = step;
	sasl->context = context;
	weir_users_hold(options->users);
	*ret = sasl;
	return 0;
}

void weir_sasl_destroy(struct weir_sasl *sasl)
{
	if (!sasl)
		return;
	weir_login_cancel(&sasl->login);
	sasl_scram_free(sasl->scram);
	weir_users_release(sasl->options.users);
	explicit_bzero(sasl, sizeof *sasl);
	free(sasl);
}

static int sasl_server_choose(struct weir_sasl *sasl, struct weir_span name)
{
	for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
		if (!weir_span_equal_nocase(name, weir_span_of(mechanisms[i]->name)))
			continue;
		if (mechanisms[i]->in_clear && !sasl->options.secure)
			return -EPERM;
		if (mechanisms[i] == &sasl_scram && !weir_users_all_scram(sasl->options.users))
			return -EOPNOTSUPP;
		sasl->mechanism = mechanisms[i];
		return 0;
	}
	return -EOPNOTSUPP;
}

/* The bytes are on this stack, and those of the mechanism below it; both are erased. */
static void sasl_server_take(struct weir_sasl *sasl, struct weir_span text)
{
	char bytes[SASL_BYTES_MAX];
	size_t size = 0;
	int error = -EMSGSIZE;
	if (text.size <= WEIR_SASL_LINE_MAX)
		error = weir_base64_decode(text, bytes, sizeof bytes, &size);
	if (error < 0)
		sasl_finish(sasl, error);
	else
		sasl->mechanism->next(sasl, weir_span(bytes, size), true);
	explicit_bzero(bytes, sizeof bytes);
}

void weir_sasl_start(struct weir_sasl *sasl, struct weir_span mechanism, struct weir_span initial)
{
	int error = sasl_server_choose(sasl, mechanism);
	if (error < 0)
		sasl_finish(sasl, error);
	else if (!initial.data)
		sasl->mechanism->next(sasl, initial, false);
	else if (weir_span_equal(initial, WEIR_SPAN("=")))
		sasl_server_take(sasl, WEIR_SPAN(""));
	else if (!initial.size)
		sasl_finish(sasl, WEIR_E_SYNTAX);
	else
		sasl_server_take(sasl, initial);
}

void weir_sasl_next(struct weir_sasl *sasl, struct weir_span line)
{
	if (weir_span_equal(line, WEIR_SPAN("*")))
		sasl_finish(sasl, -ECANCELED);
	else
		sasl_server_take(sasl, line);
}
