/*
 * USER and PASS (RFC 1939 7), and what every login ends in: the maildrop is opened, and with it the
 * TRANSACTION state begins; or it is said why not, and the guard sees to it that this takes time.
 *
 * Invariant: from a password to the reply the input is paused, so that only one login of a session
 * is ever under way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

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

void pop3_sasl_options(const struct pop3_session *session, struct weir_sasl_options *ret)
{
	*ret = (struct weir_sasl_options){
	        .users = session->server->users,
	        .guard = session->server->guard,
	        .peer = *weir_channel_peer(session->channel),
	        .secure = pop3_clear_allowed(session),
	};
}

bool pop3_set_user(struct pop3_session *session, struct weir_span user)
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
		return "-ERR [IN-USE] Another session has this mailbox\r\n";
	case -ENOENT:
		return "-ERR [SYS/PERM] There can be no mailbox of this name\r\n";
	case -ECANCELED:
		return "-ERR As you wish\r\n";
	case -EOPNOTSUPP:
		return "-ERR There is no such mechanism\r\n";
	case -EPERM:
		return "-ERR Not without TLS\r\n";
	case WEIR_E_SYNTAX:
		return "-ERR That is not what the mechanism sends\r\n";
	case -EMSGSIZE:
		return "-ERR The line is too long\r\n";
	default:
		return "-ERR [SYS/TEMP] Try again later\r\n";
	}
}

static void pop3_login_deny(struct pop3_session *session, int error, const char *reply)
{
	pop3_log(session, WEIR_POP3_DENIED, error);
	pop3_say(session, reply);
	weir_channel_resume(session->channel);
	free(session->user);
	session->user = NULL;
	if (++session->failures >= session->server->failures_max)
		weir_channel_close(session->channel);
}

void pop3_deny(struct pop3_session *session, int error)
{
	pop3_login_deny(session, error, pop3_login_refusal(error));
}

/* The password was right: nothing here is [AUTH], and clients must not ask for another one. */
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
	pop3_log(session, WEIR_POP3_LOGIN, 0);
	pop3_sayf(session, "+OK Your mailbox has %zu messages (%llu octets)\r\n", drop->count,
	        (unsigned long long)drop->octets);
	weir_channel_resume(session->channel);
}

void pop3_admit(struct pop3_session *session)
{
	weir_channel_pause(session->channel);
	session->store = session->server->store;
	weir_maildrop_open(session->store, session->server->loop, weir_span_of(session->user),
	        &session->call, pop3_login_opened);
}

/* -- verbs ------------------------------------------------------------------------------------- */

/* Whether there is such a user is not told. */
void pop3_user(struct pop3_session *session, const struct pop3_command *command)
{
	if (!pop3_clear_allowed(session))
		pop3_say(session, "-ERR Not without TLS: say STLS first\r\n");
	else if (pop3_set_user(session, command->rest))
		pop3_say(session, "+OK And the password?\r\n");
}

/* Most sessions wait for something else: what a check needs is not kept with them. */
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
		pop3_say(session, "-ERR Say USER first\r\n");
		return;
	}
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

/* It would need the password itself, and there is only what it can be checked with. */
void pop3_apop(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	pop3_say(session, "-ERR There is no APOP here: no password is stored\r\n");
}
