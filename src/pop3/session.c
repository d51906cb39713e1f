/*
 * A POP3 connection: lines come in and are carried out one after the other, each by its verb. What
 * must wait (a login) pauses the input, so that pipelined commands wait too.
 *
 * Invariant: every line gets one reply, in order. A producer in the queue may refer to the session,
 * which is freed after all of them are closed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/peers.h>
#include <weir/sources.h>

#include "pop3_state.h"

enum {
	LINE_MAX_OUT = 512, /* bytes of a reply's line (RFC 2449 4) */
	BOTH = POP3_AUTHORIZATION | POP3_TRANSACTION
};

static const struct pop3_verb verbs[] = {
        {"APOP", POP3_AUTHORIZATION, 2, 2, false, pop3_apop},
        {"AUTH", POP3_AUTHORIZATION, 0, 2, false, pop3_auth},
        {"CAPA", BOTH, 0, 0, false, pop3_capa},
        {"DELE", POP3_TRANSACTION, 1, 1, false, pop3_dele},
        {"LANG", BOTH, 0, 1, false, pop3_lang},
        {"LIST", POP3_TRANSACTION, 0, 1, false, pop3_list},
        {"NOOP", POP3_TRANSACTION, 0, 0, false, pop3_noop},
        {"PASS", POP3_AUTHORIZATION, 1, 1, true, pop3_pass},
        {"QUIT", BOTH, 0, 0, false, pop3_quit},
        {"RETR", POP3_TRANSACTION, 1, 1, false, pop3_retr},
        {"RSET", POP3_TRANSACTION, 0, 0, false, pop3_rset},
        {"STAT", POP3_TRANSACTION, 0, 0, false, pop3_stat},
        {"STLS", POP3_AUTHORIZATION, 0, 0, false, pop3_stls},
        {"TOP", POP3_TRANSACTION, 2, 2, false, pop3_top},
        {"UIDL", POP3_TRANSACTION, 0, 1, false, pop3_uidl},
        {"USER", POP3_AUTHORIZATION, 1, 1, true, pop3_user},
        {"UTF8", POP3_AUTHORIZATION, 0, 0, false, pop3_utf8},
};

/* -- replies ----------------------------------------------------------------------------------- */

void pop3_say(struct pop3_session *session, const char *line)
{
	weir_channel_push_static(session->channel, line);
}

void pop3_sayf(struct pop3_session *session, const char *format, ...)
{
	char line[LINE_MAX_OUT];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	/* No line is that long: numbers and fixed text. */
	if (size < 0 || size >= (int)sizeof line)
		weir_channel_abort(session->channel, WEIR_E_LIMIT);
	else
		weir_channel_push_copy(session->channel, weir_span(line, (size_t)size));
}

/* -- commands ---------------------------------------------------------------------------------- */

static const struct pop3_verb *pop3_session_find_verb(struct weir_span name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (weir_span_equal_nocase(weir_span_of(verbs[i].name), name))
			return &verbs[i];
	return NULL;
}

/* Whoever speaks another protocol to us is not to go on for ever. */
static void pop3_session_mistake(struct pop3_session *session, const char *line)
{
	pop3_say(session, line);
	if (session->state == POP3_AUTHORIZATION && ++session->mistakes >= WEIR_POP3_MISTAKES_MAX)
		weir_channel_close(session->channel);
}

static bool pop3_session_has_arguments(
        const struct pop3_verb *verb, const struct pop3_command *command)
{
	if (verb->raw)
		return command->rest.size > 0;
	return command->count >= verb->least && command->count <= verb->most;
}

static void pop3_session_carry_out(struct pop3_session *session, struct weir_span line)
{
	struct pop3_command command;
	if (pop3_command_parse(line, &command) < 0) {
		pop3_session_mistake(session, "-ERR That is no command\r\n");
		return;
	}
	const struct pop3_verb *verb = pop3_session_find_verb(command.verb);
	if (!verb)
		pop3_session_mistake(session, "-ERR There is no such command\r\n");
	else if (!(verb->states & session->state))
		pop3_session_mistake(session, session->state == POP3_TRANSACTION
		                                      ? "-ERR You are logged in already\r\n"
		                                      : "-ERR Log in first\r\n");
	else if (!pop3_session_has_arguments(verb, &command))
		pop3_session_mistake(session, "-ERR Wrong number of arguments\r\n");
	else
		verb->run(session, &command);
}

static struct pop3_session *pop3_session_session_of(const struct weir_channel *channel)
{
	return weir_channel_session(channel);
}

static void pop3_session_on_request(struct weir_channel *channel, struct weir_span line)
{
	struct pop3_session *session = pop3_session_session_of(channel);
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	if (session->sasl)
		pop3_auth_line(session, line);
	else
		pop3_session_carry_out(session, line);
}

static void pop3_session_on_overflow(struct weir_channel *channel, int error)
{
	struct pop3_session *session = pop3_session_session_of(channel);
	(void)error; /* a delimiter refuses nothing: it is the length */
	pop3_auth_stop(session);
	pop3_session_mistake(session, "-ERR The line is too long\r\n");
}

/* -- beginning and end ------------------------------------------------------------------------- */

/* Whatever of a login is under way. */
static void pop3_session_end_login(struct pop3_session *session)
{
	weir_timer_stop(&session->timer);
	pop3_pass_stop(session);
	pop3_auth_stop(session);
	if (session->store)
		weir_mail_call_cancel(session->store, &session->call);
}

static void pop3_session_on_login_time(struct weir_timer *timer)
{
	struct pop3_session *session = WEIR_CONTAINER(timer, struct pop3_session, timer);
	pop3_session_end_login(session);
	pop3_say(session, "-ERR [SYS/TEMP] It took too long to log in\r\n");
	weir_channel_close(session->channel);
}

static void pop3_session_greet(struct pop3_session *session)
{
	struct weir_pop3_server *server = session->server;
	const struct weir_address *peer = weir_channel_peer(session->channel);
	if (server->peers && weir_peers_enter(server->peers, peer) < 0) {
		pop3_say(session, "-ERR [SYS/TEMP] Too many connections from your address\r\n");
		weir_channel_close(session->channel);
		return;
	}
	session->counted = server->peers;
	pop3_say(session, "+OK Weir POP3 server ready\r\n");
}

static int pop3_session_on_open(struct weir_channel *channel)
{
	struct pop3_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->channel = channel;
	session->server = weir_channel_context(channel);
	session->state = POP3_AUTHORIZATION;
	weir_channel_set_session(channel, session);
	weir_channel_set_request_max(channel, WEIR_POP3_LINE_MAX);
	weir_channel_await(channel, weir_until(WEIR_SPAN("\n")));
	weir_timer_start(session->server->loop, &session->timer, session->server->login_ms,
	        pop3_session_on_login_time);
	pop3_session_greet(session);
	return 0;
}

/* What was said in clear is forgotten (RFC 2595 4). */
static void pop3_session_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct pop3_session *session = pop3_session_session_of(channel);
	(void)dropped;
	free(session->user);
	session->user = NULL;
}

static void pop3_session_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	if (which == WEIR_TIMEOUT_PROGRESS)
		return; /* it takes nothing: to say more is in vain */
	pop3_say(pop3_session_session_of(channel),
	        "-ERR [SYS/TEMP] Nothing was asked for too long\r\n");
	weir_channel_close(channel);
}

/* The session ends without QUIT, so that nothing is removed (RFC 1939 6). */
static void pop3_session_on_draining(struct weir_channel *channel)
{
	pop3_say(pop3_session_session_of(channel), "-ERR [SYS/TEMP] The server is going down\r\n");
	weir_channel_close(channel);
}

static void pop3_session_on_close(struct weir_channel *channel, int error)
{
	struct pop3_session *session = pop3_session_session_of(channel);
	if (!session)
		return;
	if (session->state == POP3_TRANSACTION)
		pop3_log(session, WEIR_POP3_LOGOUT, error ? error : session->error);
	pop3_session_end_login(session);
	if (session->counted)
		weir_peers_leave(session->server->peers, weir_channel_peer(channel));
	weir_maildrop_close(session->drop);
	free(session->marks);
	free(session->user);
	free(session);
}

const struct weir_protocol pop3_protocol = {
        .name = "pop3",
        .open = pop3_session_on_open,
        .request = pop3_session_on_request,
        .overflow = pop3_session_on_overflow,
        .secured = pop3_session_on_secured,
        .timeout = pop3_session_on_timeout,
        .draining = pop3_session_on_draining,
        .close = pop3_session_on_close,
};
