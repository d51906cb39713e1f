/*
 * AUTH (RFC 5034): lines of base64 to and fro, which the sasl layer makes and reads.
 *
 * Invariant: while session->sasl is set, a line is the client's part of the exchange; while the
 * exchange is checking one, the input is paused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sasl.h>
#include <weir/sources.h>

#include "pop3_state.h"

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

/* Without arguments, as clients older than CAPA ask. */
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
	pop3_sayf(session, "%s.\r\n", text);
}

void pop3_auth(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_sasl_options options;
	if (!command->count) {
		pop3_auth_list_mechanisms(session);
		return;
	}
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
