/*
 * The server's side of an exchange: finds the mechanism, decodes what the client sends and encodes
 * what it gets.
 *
 * Invariant: step() is called once for each start and next, as the last action, since it may
 * destroy the exchange. Decoded secrets are on the stack and are erased. PLAIN and LOGIN are here,
 * SCRAM is in scram.c.
 *
 * The check of one password without a mechanism is here, too: the work pool checks it, and the
 * guard delays the answer. At most one of its check and its timer is under way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/loop.h>
#include <weir/sasl.h>

#include "helper.h"
#include "sasl_exchange.h"

const char *weir_sasl_mechanisms(struct weir_users *users, bool secure)
{
	if (weir_users_all_scram(users))
		return secure ? "SCRAM-SHA-256 PLAIN LOGIN" : "SCRAM-SHA-256";
	return secure ? "PLAIN LOGIN" : "";
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

static void sasl_check_password(struct weir_sasl *sasl, struct weir_span password)
{
	/* A password that no user can have is checked, too: it is wrong, and is counted. */
	if (text_has_control(password))
		password = weir_span("\0", 1);
	weir_login_check(&sasl->login, sasl->loop, &sasl->options, sasl_user(sasl), password,
	        sasl_server_on_login);
}

bool sasl_set_user(struct weir_sasl *sasl, struct weir_span name)
{
	name = weir_users_login_name(sasl->options.users, name);
	if (!name.size || name.size > sizeof sasl->user || text_has_control(name))
		return false;
	memcpy(sasl->user, name.data, name.size);
	sasl->user_size = name.size;
	return true;
}

/* -- PLAIN and LOGIN --------------------------------------------------------------------------- */

/*
 * PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd; a user may not act for another. LOGIN
 * (draft-murchison-sasl-login) asks for the name, then for the password.
 */

static void sasl_server_plain_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	struct weir_span identity, name, password = bytes;
	if (!have) {
		sasl_challenge(sasl, WEIR_SPAN(""));
		return;
	}
	if (!weir_span_cut(&password, 0, &identity) || !weir_span_cut(&password, 0, &name) ||
	        !name.size || !password.size || memchr(password.data, 0, password.size)) {
		sasl_finish(sasl, WEIR_E_SYNTAX);
		return;
	}
	const struct weir_users *users = sasl->options.users;
	bool another = identity.size && !weir_span_equal(weir_users_login_name(users, identity),
	                                        weir_users_login_name(users, name));
	if (!sasl_set_user(sasl, name) || another)
		password = weir_span("\0", 1); /* no password is this */
	sasl_check_password(sasl, password);
}

static const struct sasl_mechanism sasl_plain = {"PLAIN", true, sasl_server_plain_next};

enum login_stage {
	BEGIN,
	NAME,
	PASSWORD,
};

static void sasl_server_login_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	if (!have) {
		sasl->stage = NAME;
		sasl_challenge(sasl, WEIR_SPAN("Username:"));
	} else if (sasl->stage != PASSWORD) {
		sasl->stage = PASSWORD;
		/* An invalid name is left empty, and no user has an empty name. */
		sasl_set_user(sasl, bytes);
		sasl_challenge(sasl, WEIR_SPAN("Password:"));
	} else {
		sasl_check_password(sasl, bytes);
	}
}

static const struct sasl_mechanism sasl_login = {"LOGIN", true, sasl_server_login_next};

/* -- the exchange ------------------------------------------------------------------------------ */

static const struct sasl_mechanism *const mechanisms[] = {&sasl_scram, &sasl_plain, &sasl_login};

void weir_sasl_options_init(struct weir_sasl_options *options)
{
	*options = (struct weir_sasl_options){0};
}

int weir_sasl_create(struct weir_loop *loop, const struct weir_sasl_options *options,
        weir_sasl_step_fn *step, void *context, struct weir_sasl **ret)
{
	if (!options->users)
		return -EINVAL;
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

/* The bytes are on this stack, and the mechanism's copies below it; both are erased. */
static void sasl_server_decode(struct weir_sasl *sasl, struct weir_span text)
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
		sasl_server_decode(sasl, WEIR_SPAN(""));
	else if (!initial.size)
		sasl_finish(sasl, WEIR_E_SYNTAX);
	else
		sasl_server_decode(sasl, initial);
}

void weir_sasl_next(struct weir_sasl *sasl, struct weir_span line)
{
	if (weir_span_equal(line, WEIR_SPAN("*")))
		sasl_finish(sasl, -ECANCELED);
	else
		sasl_server_decode(sasl, line);
}

/*
 * -- one password, for USER and PASS -------------------------------------------------------------
 */

static void sasl_login_on_time(struct weir_timer *timer)
{
	struct weir_login *login = WEIR_CONTAINER(timer, struct weir_login, timer);
	login->done(login, login->error);
}

uint32_t sasl_delay(struct weir_guard *guard, const struct weir_address *peer,
        struct weir_span user, const struct weir_loop *loop, int error)
{
	if (!guard || (error && error != -EACCES))
		return 0;
	int64_t now_ms = weir_loop_now_ms(loop);
	return error ? weir_guard_failed(guard, peer, user, now_ms)
	             : weir_guard_passed(guard, peer, user, now_ms);
}

static void sasl_login_on_checked(struct weir_check *check, int error)
{
	struct weir_login *login = WEIR_CONTAINER(check, struct weir_login, check);
	uint32_t delay_ms = sasl_delay(login->guard, &login->peer,
	        weir_span(login->name, login->name_size), login->loop, error);
	login->error = error;
	if (delay_ms)
		weir_timer_start(login->loop, &login->timer, delay_ms, sasl_login_on_time);
	else
		login->done(login, error);
}

void weir_login_check(struct weir_login *login, struct weir_loop *loop,
        const struct weir_sasl_options *options, struct weir_span name, struct weir_span password,
        weir_login_done_fn *done)
{
	struct weir_check_client client = {.address = &login->peer};
	*login = (struct weir_login){
	        .loop = loop, .guard = options->guard, .peer = options->peer, .done = done};
	/* No user has a longer name. The guard counts it under its beginning. */
	login->name_size = name.size < sizeof login->name ? name.size : sizeof login->name;
	if (name.size)
		memcpy(login->name, name.data, login->name_size);
	if (options->guard)
		client.suspect = weir_guard_suspects(
		        options->guard, &login->peer, name, weir_loop_now_ms(loop));
	weir_users_check_for(options->users, loop, &login->check, &client, name, password,
	        sasl_login_on_checked);
}

void weir_login_cancel(struct weir_login *login)
{
	weir_check_cancel(&login->check);
	if (weir_timer_running(&login->timer))
		weir_timer_stop(&login->timer);
}
