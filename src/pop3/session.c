/*
 * A POP3 session: each line is run by its verb, one after the other. A login pauses the input, so
 * that pipelined commands wait for it.
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
#include <weir/sasl.h>
#include <weir/sources.h>

#include "pop3_metrics.h"
#include "pop3_state.h"

/*
 * -- a line: its verb and arguments --------------------------------------------------------------
 */

static struct weir_span pop3_command_without_trailing_spaces(struct weir_span span)
{
	while (span.size && span.data[span.size - 1] == ' ')
		span.size--;
	return span;
}

int pop3_command_parse(struct weir_span line, struct pop3_command *ret)
{
	*ret = (struct pop3_command){0};
	for (size_t i = 0; i < line.size; i++)
		if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
			return WEIR_E_SYNTAX;
	struct weir_span rest = line, argument;
	if (weir_span_cut(&rest, ' ', &ret->verb))
		ret->rest = rest;
	if (!ret->verb.size)
		return WEIR_E_SYNTAX;
	if (!ret->rest.data)
		return 0;
	rest = pop3_command_without_trailing_spaces(rest);
	for (bool more = rest.size; more; ret->count++) {
		more = weir_span_cut(&rest, ' ', &argument);
		if (ret->count == POP3_ARGUMENTS_MAX)
			more = false;
		else
			ret->arguments[ret->count] = argument;
	}
	return 0;
}

int pop3_number(struct weir_span argument, uint64_t *ret)
{
	if (argument.size > 20)
		return WEIR_E_SYNTAX;
	return weir_span_number(argument, 10, ret);
}

enum {
	LINE_MAX_OUT = 512, /* bytes of a reply line (RFC 2449 4) */
	BOTH = POP3_AUTHORIZATION | POP3_TRANSACTION
};

/* -- replies ----------------------------------------------------------------------------------- */

static void pop3_session_count_reply(const struct pop3_session *session, const char *line)
{
	weir_metric_add(&session->server->cells->replies[line[0] == '+'], 1);
}

void pop3_reply(struct pop3_session *session, const char *line)
{
	pop3_session_count_reply(session, line);
	weir_channel_push_static(session->channel, line);
}

void pop3_reply_format(struct pop3_session *session, const char *format, ...)
{
	char line[LINE_MAX_OUT];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	/* No line is longer: they have numbers and fixed text. */
	if (size < 0 || size >= (int)sizeof line)
		weir_channel_abort(session->channel, WEIR_E_LIMIT);
	else
		weir_channel_push_copy(session->channel, weir_span(line, (size_t)size));
	if (size > 0)
		pop3_session_count_reply(session, line);
}

/* -- CAPA (RFC 2449), LANG, UTF8 (RFC 6856), NOOP ---------------------------------------------- */

static void pop3_capa(struct pop3_session *session, const struct pop3_command *command)
{
	const struct weir_pop3_server *server = session->server;
	bool clear = pop3_clear_allowed(session);
	bool secure = weir_channel_secure(session->channel);
	const char *mechanisms = server->users ? weir_sasl_mechanisms(server->users, clear) : "";
	(void)command;
	weir_channel_push(session->channel,
	        weir_produce_format("+OK Capability list follows\r\n"
	                            "TOP\r\n"
	                            "UIDL\r\n"
	                            "%s%s%s%s%s"
	                            "RESP-CODES\r\n"
	                            "AUTH-RESP-CODE\r\n"
	                            "PIPELINING\r\n"
	                            "EXPIRE NEVER\r\n"
	                            "UTF8\r\n"
	                            "LANG\r\n"
	                            "IMPLEMENTATION Weir\r\n"
	                            ".\r\n",
	                clear ? "USER\r\n" : "", *mechanisms ? "SASL " : "", mechanisms,
	                *mechanisms ? "\r\n" : "",
	                weir_server_tls(server->listener) && !secure ? "STLS\r\n" : ""));
}

static void pop3_lang(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_span language = command->arguments[0];
	if (!command->count)
		pop3_reply(session, "+OK Language list follows\r\n"
		                    "en English\r\n"
		                    "i-default English\r\n"
		                    ".\r\n");
	else if (weir_span_equal(language, WEIR_SPAN("*")) ||
	         weir_span_equal_nocase(language, WEIR_SPAN("i-default")))
		pop3_reply(session, "+OK i-default English selected\r\n");
	else if (weir_span_equal_nocase(language, WEIR_SPAN("en")))
		pop3_reply(session, "+OK en English selected\r\n");
	else
		pop3_reply(session, "-ERR Language not available\r\n");
}

static void pop3_utf8(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	session->utf8 = true;
	pop3_reply(session, "+OK UTF-8 enabled\r\n");
}

static void pop3_noop(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	pop3_reply(session, "+OK\r\n");
}

/* STLS (RFC 2595). The channel drops plain text that came behind it. */
static void pop3_stls(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_tls *tls = weir_server_tls(session->server->listener);
	(void)command;
	if (weir_channel_secure(session->channel)) {
		pop3_reply(session, "-ERR TLS is already active\r\n");
	} else if (!tls) {
		pop3_reply(session, "-ERR TLS is not available\r\n");
	} else if (session->utf8) {
		pop3_reply(session, "-ERR Not after UTF8\r\n"); /* RFC 6856 2.1 */
	} else {
		pop3_reply(session, "+OK Begin TLS\r\n");
		int error = weir_channel_start_tls(session->channel, tls, NULL);
		if (error < 0)
			weir_channel_abort(session->channel, error);
	}
}

/* -- commands ---------------------------------------------------------------------------------- */

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

_Static_assert(sizeof verbs / sizeof *verbs + 1 == POP3_METRICS_VERBS,
        "pop3_metrics.c has a name for each verb");

static const struct pop3_verb *pop3_session_find_verb(struct weir_span name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (weir_span_equal_nocase(weir_span_of(verbs[i].name), name))
			return &verbs[i];
	return NULL;
}

/* A client that speaks another protocol is disconnected after some errors. */
static void pop3_session_mistake(struct pop3_session *session, const char *line)
{
	pop3_reply(session, line);
	if (session->state == POP3_AUTHORIZATION && ++session->mistakes >= WEIR_POP3_MISTAKES_MAX)
		weir_channel_close(session->channel);
}

/* The input is shown, unless it may have a password. */
static void pop3_session_malformed(
        struct pop3_session *session, const char *why, struct weir_span line, const char *reply)
{
	static const char *const secret[] = {"PASS", "AUTH", "APOP"};
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
		if (line.size >= 4 &&
		        weir_span_equal_nocase(weir_span(line.data, 4), weir_span_of(secret[i])))
			line.size = 4;
	weir_server_report_malformed(session->server->listener, weir_channel_peer(session->channel),
	        weir_channel_id(session->channel), why, line);
	pop3_session_mistake(session, reply);
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
		pop3_session_malformed(session, "a control character, or an empty line", line,
		        "-ERR Malformed command\r\n");
		return;
	}
	const struct pop3_verb *verb = pop3_session_find_verb(command.verb);
	const char *refusal = NULL, *malformed = NULL;
	if (!verb)
		refusal = malformed = "-ERR Unknown command\r\n";
	else if (!(verb->states & session->state))
		refusal = session->state == POP3_TRANSACTION ? "-ERR Already logged in\r\n"
		                                             : "-ERR Log in first\r\n";
	else if (!pop3_session_has_arguments(verb, &command))
		refusal = malformed = "-ERR Wrong number of arguments\r\n";
	size_t row = verb ? (size_t)(verb - verbs) : sizeof verbs / sizeof *verbs;
	weir_metric_add(&session->server->cells->commands[row][!refusal], 1);
	if (malformed)
		pop3_session_malformed(session,
		        verb ? "wrong number of arguments" : "unknown command", line, refusal);
	else if (refusal)
		pop3_session_mistake(session, refusal);
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
	(void)error; /* the only error of a delimiter is the length */
	pop3_auth_stop(session);
	pop3_session_malformed(
	        session, "line too long", weir_span(NULL, 0), "-ERR Line too long\r\n");
}

/* -- beginning and end ------------------------------------------------------------------------- */

/* Cancels a login that is under way. */
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
	pop3_reply(session, "-ERR [SYS/TEMP] Login timeout\r\n");
	weir_channel_close(session->channel);
}

static void pop3_session_greet(struct pop3_session *session)
{
	if (weir_channel_over_quota(session->channel)) {
		pop3_reply(session, "-ERR [SYS/TEMP] Too many connections from your address\r\n");
		weir_channel_close(session->channel);
		return;
	}
	pop3_reply(session, "+OK Weir POP3 server ready\r\n");
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

/* All that came before TLS is forgotten (RFC 2595 4). */
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
		return; /* the client does not read: a further reply would not arrive */
	pop3_reply(pop3_session_session_of(channel), "-ERR [SYS/TEMP] Idle timeout\r\n");
	weir_channel_close(channel);
}

/* The session ends without QUIT, so that no message is removed (RFC 1939 6). */
static void pop3_session_on_draining(struct weir_channel *channel)
{
	pop3_reply(pop3_session_session_of(channel), "-ERR [SYS/TEMP] Server shutting down\r\n");
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
