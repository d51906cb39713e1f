/*
 * AUTH (RFC 4954), the client's side, by weir/sasl.h. A server that says 235 without having shown
 * what the mechanism asks of it is not believed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "smtp_client_state.h"

static void smtp_client_auth_on_step(void *context, const struct weir_sasl_step *step)
{
	struct weir_smtp_client *client = context;
	char line[WEIR_SASL_LINE_MAX + 64];
	int size = 0;
	if (step->outcome == WEIR_SASL_FAILED) {
		smtp_client_fail(client, step->error,
		        step->error == -EACCES
		                ? "the server has not shown that it knows the password"
		                : NULL);
		return;
	}
	if (client->state != CLIENT_AUTH)
		size = snprintf(
		        line, sizeof line, "AUTH %s ", weir_sasl_client_mechanism(client->sasl));
	size += snprintf(line + size, sizeof line - (size_t)size, "%.*s\r\n", (int)step->text.size,
	        step->text.data ? step->text.data : "");
	smtp_client_say(
	        client, weir_span(line, (size_t)size), CLIENT_AUTH, WEIR_SMTP_CLIENT_REPLY_MS);
	explicit_bzero(line, sizeof line);
}

void smtp_client_authenticate(struct weir_smtp_client *client)
{
	struct weir_sasl_client_options options = {
	        .mechanisms = weir_span_of(client->offers.auth),
	        .user = weir_span_of(client->options.user),
	        .password = weir_span_of(client->options.password ? client->options.password : ""),
	        .secure = client->options.password_in_clear || weir_channel_secure(client->channel),
	};
	int error = weir_sasl_client_create(
	        client->loop, &options, smtp_client_auth_on_step, client, &client->sasl);
	if (error == 0)
		weir_sasl_client_start(client->sasl);
	else if (error == -EOPNOTSUPP)
		smtp_client_fail(client, error, "the server offers no AUTH that can be used");
	else if (error == -EPERM)
		smtp_client_fail(client, error, "the server wants the password without TLS");
	else
		smtp_client_fail(client, error, NULL);
}

/* The text behind `334 ` in the reply as it was read. */
static struct weir_span smtp_client_auth_challenge_of(const struct smtp_reply *reply)
{
	struct weir_span text = weir_span(reply->text, reply->size);
	return weir_span_skip(text, text.size > 4 ? 4 : text.size);
}

void smtp_client_auth_reply(struct weir_smtp_client *client)
{
	unsigned code = client->reply.code;
	if (code == 334) {
		char text[WEIR_SMTP_REPLY_MAX + 1];
		struct weir_span challenge = smtp_client_auth_challenge_of(&client->reply);
		memcpy(text, challenge.data, challenge.size);
		weir_timer_stop(&client->timer);
		weir_sasl_client_next(client->sasl, weir_span(text, challenge.size));
		return;
	}
	bool good = code == 235 && weir_sasl_client_verify(client->sasl) == 0;
	weir_sasl_client_destroy(client->sasl);
	client->sasl = NULL;
	if (good)
		smtp_client_become_ready(client);
	else if (code == 235)
		smtp_client_fail(
		        client, -EACCES, "the server has not shown that it knows the password");
	else
		smtp_client_fail_reply(client);
}
