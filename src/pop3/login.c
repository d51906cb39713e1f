/*
 * USER and PASS (RFC 1939 7), AUTH (RFC 5034), and the end of every login: the maildrop is opened
 * and the TRANSACTION state begins, or the login is refused, delayed by the guard.
 *
 * Invariants: the input is paused from a password to its reply, so that a session has one login
 * under way. While session->sasl is set, a line belongs to the exchange, whose base64 is passed to
 * and from the sasl layer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/policy.h>
#include <weir/sasl.h>
#include <weir/sources.h>

#include "pop3_state.h"

/* -- passwords in clear ------------------------------------------------------------------------ */

static bool pop3_login_is_loopback(const struct weir_address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
	if (address->any.sa_family != AF_INET6)
		return false;
	const struct in6_addr *v6 = &address->v6.sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

bool pop3_clear_allowed(const struct pop3_session *session)
{
	return session->server->auth_in_clear || weir_channel_secure(session->channel) ||
	       pop3_login_is_loopback(weir_channel_peer(session->channel));
}

static void pop3_sasl_options(const struct pop3_session *session, struct weir_sasl_options *ret)
{
	weir_sasl_options_init(ret);
	ret->users = session->server->users;
	ret->guard = session->server->guard;
	ret->peer = *weir_channel_peer(session->channel);
	ret->secure = pop3_clear_allowed(session);
}

static bool pop3_set_user(struct pop3_session *session, struct weir_span user)
{
	if (session->server->users)
		user = weir_users_login_name(session->server->users, user);
	char *copy = malloc(user.size + 1);
	if (!copy) {
		weir_channel_abort(session->channel, -ENOMEM);
		return false;
	}
	memcpy(copy, user.data, user.size);
	copy[user.size] = 0;
	free(session->user);
	session->user = copy;
	return true;
}

/* -- the end of a login ------------------------------------------------------------------------ */

static const char *pop3_login_refusal(int error)
{
	switch (error) {
	case -EACCES:
		return "-ERR [AUTH] Wrong name or password\r\n";
	case -EBUSY:
		return "-ERR [IN-USE] Another session has locked the mailbox\r\n";
	case -ENOENT:
		return "-ERR [SYS/PERM] The name cannot have a mailbox\r\n";
	case -ECANCELED:
		return "-ERR Authentication cancelled\r\n";
	case -EOPNOTSUPP:
		return "-ERR Unknown authentication mechanism\r\n";
	case -EPERM:
		return "-ERR This mechanism needs TLS\r\n";
	case WEIR_E_SYNTAX:
		return "-ERR Malformed response for this mechanism\r\n";
	case -EMSGSIZE:
		return "-ERR Line too long\r\n";
	default:
		return "-ERR [SYS/TEMP] Try again later\r\n";
	}
}

static void pop3_login_deny(struct pop3_session *session, int error, const char *reply)
{
	pop3_log(session, WEIR_POP3_DENIED, error);
	pop3_reply(session, reply);
	weir_channel_resume(session->channel);
	free(session->user);
	session->user = NULL;
	if (++session->failures >= session->server->failures_max)
		weir_channel_close(session->channel);
}

static void pop3_deny(struct pop3_session *session, int error)
{
	pop3_login_deny(session, error, pop3_login_refusal(error));
}

/* The password was right: the code must not be [AUTH], or the client asks for another password. */
static const char *pop3_login_mailbox_refusal(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
	case -ELOOP:
	case -ENOTDIR:
	case -EROFS:
	case -EXDEV:
		return "-ERR [SYS/PERM] The mailbox cannot be opened\r\n";
	case -EBUSY:
	case -ENOENT:
		return pop3_login_refusal(error);
	default:
		return "-ERR [SYS/TEMP] The mailbox cannot be opened now, try again later\r\n";
	}
}

static void pop3_login_opened(struct weir_mail_call *call, int error, struct weir_maildrop *drop)
{
	struct pop3_session *session = WEIR_CONTAINER(call, struct pop3_session, call);
	if (error < 0) {
		pop3_login_deny(session, error, pop3_login_mailbox_refusal(error));
		return;
	}
	weir_timer_stop(&session->timer);
	session->drop = drop;
	session->state = POP3_TRANSACTION;
	session->login_ms = (uint32_t)weir_loop_now_ms(session->server->loop);
	pop3_log(session, WEIR_POP3_LOGIN, 0);
	pop3_reply_format(session, "+OK Mailbox has %zu messages (%llu octets)\r\n", drop->count,
	        (unsigned long long)drop->octets);
	weir_channel_resume(session->channel);
}

static void pop3_admit(struct pop3_session *session)
{
	weir_channel_pause(session->channel);
	session->store = session->server->store;
	weir_maildrop_open(session->store, session->server->loop, weir_span_of(session->user),
	        &session->call, pop3_login_opened);
}

/* Refuses a login beyond the rate of its client. */
static bool pop3_login_too_many(struct pop3_session *session)
{
	if (!weir_channel_count_request(session->channel))
		return false;
	pop3_reply(session, "-ERR [SYS/TEMP] Too many logins from your address\r\n");
	return true;
}

/* -- verbs ------------------------------------------------------------------------------------- */

/* The reply does not disclose whether the user exists. */
void pop3_user(struct pop3_session *session, const struct pop3_command *command)
{
	if (!pop3_clear_allowed(session))
		pop3_reply(session, "-ERR TLS required, send STLS first\r\n");
	else if (pop3_set_user(session, command->rest))
		pop3_reply(session, "+OK Send PASS\r\n");
}

/* The state of a check; allocated, since most sessions have none under way. */
struct pop3_login {
	struct weir_login base;
	struct pop3_session *session;
};

void pop3_pass_stop(struct pop3_session *session)
{
	if (session->login)
		weir_login_cancel(&session->login->base);
	free(session->login);
	session->login = NULL;
}

static void pop3_login_checked(struct weir_login *base, int error)
{
	struct pop3_session *session = WEIR_CONTAINER(base, struct pop3_login, base)->session;
	free(session->login);
	session->login = NULL;
	if (error < 0)
		pop3_deny(session, error);
	else
		pop3_admit(session);
}

void pop3_pass(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_sasl_options options;
	if (!session->user) {
		pop3_reply(session, "-ERR Send USER first\r\n");
		return;
	}
	if (pop3_login_too_many(session))
		return;
	session->mechanism = "PASS";
	weir_channel_pause(session->channel);
	if (!session->server->users) {
		pop3_deny(session, -EACCES);
		return;
	}
	session->login = calloc(1, sizeof *session->login);
	if (!session->login) {
		pop3_deny(session, -ENOMEM);
		return;
	}
	session->login->session = session;
	pop3_sasl_options(session, &options);
	weir_login_check(&session->login->base, session->server->loop, &options,
	        weir_span_of(session->user), command->rest, pop3_login_checked);
}

/* APOP needs the password in clear text, and the users file has only hashes. */
void pop3_apop(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	pop3_reply(session, "-ERR APOP is not available\r\n");
}

/*
 * -- AUTH ----------------------------------------------------------------------------------------
 */

void pop3_auth_stop(struct pop3_session *session)
{
	if (!session->sasl)
		return;
	weir_sasl_destroy(session->sasl);
	session->sasl = NULL;
	weir_channel_set_request_max(session->channel, WEIR_POP3_LINE_MAX);
}

static void pop3_auth_on_step(void *context, const struct weir_sasl_step *step)
{
	struct pop3_session *session = context;
	struct weir_channel *channel = session->channel;
	int error = step->error;
	switch (step->outcome) {
	case WEIR_SASL_CHALLENGE:
		weir_channel_push(channel,
		        weir_produce_format("+ %.*s\r\n", (int)step->text.size, step->text.data));
		weir_channel_resume(channel);
		return;
	case WEIR_SASL_DONE:
		if (!pop3_set_user(session, step->user))
			return;
		pop3_auth_stop(session);
		pop3_admit(session);
		return;
	case WEIR_SASL_FAILED:
		pop3_auth_stop(session);
		pop3_deny(session, error);
	}
}

void pop3_auth_line(struct pop3_session *session, struct weir_span line)
{
	weir_channel_pause(session->channel);
	weir_sasl_next(session->sasl, line);
}

/* AUTH without arguments lists the mechanisms, for clients older than CAPA. */
static void pop3_auth_list_mechanisms(struct pop3_session *session)
{
	struct weir_users *users = session->server->users;
	bool clear = pop3_clear_allowed(session);
	struct weir_span rest = weir_span_of(users ? weir_sasl_mechanisms(users, clear) : "");
	char text[256] = "+OK\r\n";
	size_t size = strlen(text);
	for (bool more = rest.size; more;) {
		struct weir_span name;
		more = weir_span_cut(&rest, ' ', &name);
		size += (size_t)snprintf(
		        text + size, sizeof text - size, "%.*s\r\n", (int)name.size, name.data);
	}
	pop3_reply_format(session, "%s.\r\n", text);
}

void pop3_auth(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_sasl_options options;
	if (!command->count) {
		pop3_auth_list_mechanisms(session);
		return;
	}
	if (pop3_login_too_many(session))
		return;
	session->mechanism = "AUTH";
	weir_channel_pause(session->channel);
	if (!session->server->users) {
		pop3_deny(session, -EACCES);
		return;
	}
	pop3_sasl_options(session, &options);
	int error = weir_sasl_create(
	        session->server->loop, &options, pop3_auth_on_step, session, &session->sasl);
	if (error < 0) {
		pop3_deny(session, error);
		return;
	}
	weir_channel_set_request_max(session->channel, WEIR_SASL_LINE_MAX);
	struct weir_span none = weir_span(NULL, 0);
	weir_sasl_start(session->sasl, command->arguments[0],
	        command->count > 1 ? command->arguments[1] : none);
}
