/*
 * AUTH (RFC 4954): passes lines to SASL. The session does not read while a password is being
 * checked. After a challenge each line is an answer.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/sasl.h>

#include "smtp_session.h"

static bool smtp_verb_auth_is_clear_enough(const struct smtp_session *session)
{
	return weir_channel_secure(session->channel) || session->server->options.auth_in_clear;
}

const char *smtp_auth_mechanisms(const struct smtp_session *session)
{
	struct weir_users *users = session->server->options.users;
	if (!users || session->user || !smtp_verb_auth_is_clear_enough(session))
		return "";
	return weir_sasl_mechanisms(users, true);
}

static void smtp_verb_auth_end_exchange(struct smtp_session *session)
{
	weir_sasl_destroy(session->sasl);
	session->sasl = NULL;
}

static const char *smtp_verb_auth_reply_for(int error)
{
	switch (error) {
	case -EACCES:
		return "535 5.7.8 Wrong name or password\r\n";
	case -ECANCELED:
		return "501 5.7.0 Authentication cancelled\r\n";
	case WEIR_E_SYNTAX:
		return "501 5.5.2 Malformed response for this mechanism\r\n";
	case -EMSGSIZE:
		return "500 5.5.6 Line too long\r\n";
	case -EOPNOTSUPP:
		return "504 5.5.4 Unknown authentication mechanism\r\n";
	case -EPERM:
		return "538 5.7.11 This mechanism needs TLS\r\n";
	default:
		return "454 4.7.0 Temporary failure, try again later\r\n";
	}
}

static void smtp_verb_auth_succeed(struct smtp_session *session, struct weir_span user)
{
	static const char text[] = "235 2.7.0 Authenticated\r\n";
	session->user = weir_span_copy(user);
	smtp_verb_auth_end_exchange(session);
	if (!session->user) {
		weir_channel_abort(session->channel, -ENOMEM);
		return;
	}
	smtp_log(session, WEIR_SMTP_LOGIN, weir_span(NULL, 0), text);
	smtp_reply(session, text);
}

static void smtp_verb_auth_fail(struct smtp_session *session, int error)
{
	const char *text = smtp_verb_auth_reply_for(error);
	smtp_verb_auth_end_exchange(session);
	smtp_log(session, WEIR_SMTP_DENIED, weir_span(NULL, 0), text);
	smtp_reply(session, text);
	smtp_count_errors(session, error == -EACCES ? WEIR_SMTP_AUTH_FAILURE_COST : 1);
}

static void smtp_verb_auth_on_step(void *context, const struct weir_sasl_step *step)
{
	struct smtp_session *session = context;
	session->checking = false;
	if (step->outcome == WEIR_SASL_CHALLENGE)
		smtp_reply_format(session, "334 %.*s\r\n", (int)step->text.size,
		        step->text.size ? step->text.data : "");
	else if (step->outcome == WEIR_SASL_DONE)
		smtp_verb_auth_succeed(session, step->user);
	else
		smtp_verb_auth_fail(session, step->error);
	smtp_update_pause(session);
}

/* Returns why AUTH is refused now; NULL: it is not. */
static const char *smtp_verb_auth_refusal_of(
        const struct smtp_session *session, struct weir_span argument)
{
	if (session->user)
		return "503 5.5.1 Already authenticated\r\n";
	if (session->transaction)
		return "503 5.5.1 Not allowed during a mail transaction\r\n";
	if (!session->server->options.users || !session->extended)
		return "502 5.5.1 AUTH is not available\r\n";
	if (!argument.size)
		return "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n";
	if (!smtp_verb_auth_is_clear_enough(session))
		return smtp_verb_auth_reply_for(-EPERM);
	return NULL;
}

void smtp_verb_auth(struct smtp_session *session, struct weir_span argument)
{
	const char *refusal = smtp_verb_auth_refusal_of(session, argument);
	struct weir_span mechanism;
	if (refusal) {
		smtp_refuse(session, refusal);
		return;
	}
	struct weir_sasl_options options;
	weir_sasl_options_init(&options);
	options.users = session->server->options.users;
	options.guard = session->server->options.guard;
	options.peer = *weir_channel_peer(session->channel);
	options.secure = true;
	if (weir_sasl_create(session->server->loop, &options, smtp_verb_auth_on_step, session,
	            &session->sasl) < 0) {
		smtp_refuse(session, smtp_verb_auth_reply_for(-ENOMEM));
		return;
	}
	if (!weir_span_cut(&argument, ' ', &mechanism))
		argument = weir_span(NULL, 0);
	session->checking = true;
	weir_sasl_start(session->sasl, mechanism, weir_span_trim(argument));
	smtp_update_pause(session);
}

void smtp_auth_line(struct smtp_session *session, struct weir_span line)
{
	session->checking = true;
	weir_sasl_next(session->sasl, line);
	smtp_update_pause(session);
}

void smtp_auth_overflow(struct smtp_session *session)
{
	smtp_verb_auth_fail(session, -EMSGSIZE);
}
