/*
 * From the greeting to the ready session: EHLO, its offers, STARTTLS and AUTH; and the replies of
 * the server.
 *
 * Invariants: all that came before TLS is forgotten (RFC 3207 4.2), and plain text after the reply
 * to STARTTLS ends the connection. The texts of servers go into logs and notifications, so that
 * control characters are replaced here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "helper.h"
#include "smtp_client_state.h"

/* -- replies and offers ------------------------------------------------------------------------ */

enum {
	CODE = 3
};

static void client_ehlo_put(struct smtp_reply *reply, struct weir_span text)
{
	for (size_t i = 0; i < text.size && reply->size < WEIR_SMTP_REPLY_MAX; i++)
		reply->text[reply->size++] = text_is_control(text.data[i]) ? '?' : text.data[i];
}

/* An enhanced status code (RFC 3463) is repeated in each line; only the first is copied. */
static struct weir_span client_ehlo_without_enhanced(
        const struct smtp_reply *reply, struct weir_span text)
{
	size_t size = 0;
	const char *said = reply->text + CODE + 1;
	while (size < text.size &&
	        (text.data[size] == '.' || (text.data[size] >= '0' && text.data[size] <= '9')))
		size++;
	if (size < 5 || size == text.size || text.data[size] != ' ' ||
	        reply->size < CODE + 1 + size || memcmp(said, text.data, size) != 0)
		return text;
	return weir_span_skip(text, size + 1);
}

int smtp_reply_line(struct smtp_reply *reply, struct weir_span line)
{
	unsigned code = 0;
	if (line.size < CODE || ++reply->lines > WEIR_SMTP_REPLY_LINES_MAX)
		return -EPROTO;
	for (int i = 0; i < CODE; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return -EPROTO;
		code = code * 10 + (unsigned)(line.data[i] - '0');
	}
	if (code < 200 || code > 599 || (reply->code && code != reply->code))
		return -EPROTO;
	bool last = line.size == CODE || line.data[CODE] == ' ';
	if (!last && line.data[CODE] != '-')
		return -EPROTO;
	struct weir_span text = weir_span_skip(line, line.size > CODE ? CODE + 1 : CODE);
	if (!reply->code)
		client_ehlo_put(reply, weir_span(line.data, CODE));
	else
		text = client_ehlo_without_enhanced(reply, text);
	reply->code = code;
	if (text.size) {
		client_ehlo_put(reply, WEIR_SPAN(" "));
		client_ehlo_put(reply, text);
	}
	reply->text[reply->size] = 0;
	return last;
}

static void client_ehlo_offer_auth(struct smtp_offers *offers, struct weir_span list)
{
	size_t size = strlen(offers->auth), room = sizeof offers->auth - 1 - size;
	if (list.size + 1 > room)
		return;
	if (size)
		offers->auth[size++] = ' ';
	memcpy(offers->auth + size, list.data, list.size);
	offers->auth[size + list.size] = 0;
}

void smtp_offer(struct smtp_offers *offers, struct weir_span line)
{
	struct weir_span keyword;
	bool more = weir_span_cut(&line, ' ', &keyword);
	if (weir_span_equal_nocase(keyword, WEIR_SPAN("PIPELINING")))
		offers->pipelining = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("8BITMIME")))
		offers->eight_bit = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("SMTPUTF8")))
		offers->utf8 = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("DSN")))
		offers->dsn = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("STARTTLS")))
		offers->starttls = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("AUTH")) && more)
		client_ehlo_offer_auth(offers, line);
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("SIZE"))) {
		offers->size = true;
		if (weir_span_number(weir_span_trim(line), 10, &offers->size_max) < 0)
			offers->size_max = 0;
	}
}

/* -- AUTH -------------------------------------------------------------------------------------- */

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
	smtp_client_command(
	        client, weir_span(line, (size_t)size), CLIENT_AUTH, WEIR_SMTP_CLIENT_REPLY_MS);
	explicit_bzero(line, sizeof line);
}

static void smtp_client_authenticate(struct weir_smtp_client *client)
{
	const char *password = client->options.password;
	struct weir_sasl_client_options options;
	weir_sasl_client_options_init(&options);
	options.mechanisms = weir_span_of(client->offers.auth);
	options.user = weir_span_of(client->options.user);
	options.password = weir_span_of(password ? password : "");
	options.secure = client->options.password_in_clear || weir_channel_secure(client->channel);
	int error = weir_sasl_client_create(
	        client->loop, &options, smtp_client_auth_on_step, client, &client->sasl);
	if (error == 0)
		weir_sasl_client_start(client->sasl);
	else if (error == -EOPNOTSUPP)
		smtp_client_fail(client, error, "the server offers no usable AUTH mechanism");
	else if (error == -EPERM)
		smtp_client_fail(client, error, "the password would be sent without TLS");
	else
		smtp_client_fail(client, error, NULL);
}

/* Returns the text behind `334 `. */
static struct weir_span smtp_client_auth_challenge_of(const struct smtp_reply *reply)
{
	struct weir_span text = weir_span(reply->text, reply->size);
	return weir_span_skip(text, text.size > 4 ? 4 : text.size);
}

static void smtp_client_auth_reply(struct weir_smtp_client *client)
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

/* -- EHLO, STARTTLS ---------------------------------------------------------------------------- */

static void smtp_client_hello(struct weir_smtp_client *client, enum client_state state)
{
	char line[8 + WEIR_SMTP_HELO_MAX];
	int size = snprintf(line, sizeof line, "%s %s\r\n", state == CLIENT_EHLO ? "EHLO" : "HELO",
	        client->options.helo);
	client->offers = (struct smtp_offers){0};
	smtp_client_command(
	        client, weir_span(line, (size_t)size), state, WEIR_SMTP_CLIENT_REPLY_MS);
}

/* The server's offers are known: start TLS if required, then AUTH, then the session is ready. */
static void smtp_client_go_on(struct weir_smtp_client *client)
{
	bool secure = weir_channel_secure(client->channel);
	enum weir_smtp_client_tls mode = client->options.mode;
	if (!secure && mode != WEIR_SMTP_CLIENT_TLS_OFF && client->offers.starttls)
		smtp_client_command(client, WEIR_SPAN("STARTTLS\r\n"), CLIENT_STARTTLS,
		        WEIR_SMTP_CLIENT_REPLY_MS);
	else if (!secure && mode == WEIR_SMTP_CLIENT_TLS_REQUIRED)
		smtp_client_fail(client, -EPROTO, "the server does not offer STARTTLS");
	else if (client->options.user)
		smtp_client_authenticate(client);
	else
		smtp_client_become_ready(client);
}

void smtp_client_start_tls(struct weir_smtp_client *client)
{
	client->state = CLIENT_CONNECTING;
	client->in_tls = true;
	weir_timer_start(
	        client->loop, &client->timer, WEIR_SMTP_CLIENT_REPLY_MS, smtp_client_on_time);
	int error =
	        weir_channel_start_tls(client->channel, client->options.tls, client->options.host);
	if (error < 0)
		smtp_client_fail(client, error, NULL);
}

void smtp_client_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	client->in_tls = false;
	if (dropped)
		smtp_client_fail(client, -EPROTO, "the server sent plain text after STARTTLS");
	else if (client->options.mode == WEIR_SMTP_CLIENT_TLS_IMPLICIT)
		smtp_client_await(client, CLIENT_GREETING, WEIR_SMTP_CLIENT_REPLY_MS);
	else
		smtp_client_hello(client, CLIENT_EHLO);
}

/* The reason goes into logs and notifications, so that control characters are replaced. */
void smtp_client_on_insecure(struct weir_channel *channel, const char *why)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	snprintf(client->tls_text, sizeof client->tls_text, "TLS failed: %s", why);
	for (char *at = client->tls_text; *at; at++)
		if (text_is_control(*at))
			*at = '?';
}

static void smtp_client_starttls_reply(struct weir_smtp_client *client)
{
	if (client->reply.code == 220)
		smtp_client_start_tls(client);
	else if (client->options.mode == WEIR_SMTP_CLIENT_TLS_REQUIRED)
		smtp_client_fail_reply(client);
	else {
		client->offers.starttls = false;
		smtp_client_go_on(client);
	}
}

void smtp_client_handle_reply(struct weir_smtp_client *client)
{
	unsigned code = client->reply.code;
	switch (client->state) {
	case CLIENT_GREETING:
		if (code == 220)
			smtp_client_hello(client, CLIENT_EHLO);
		else
			smtp_client_fail_reply(client);
		return;
	case CLIENT_EHLO:
		if (code == 250)
			smtp_client_go_on(client);
		else if (code / 100 == 5 && code != 554)
			smtp_client_hello(client, CLIENT_HELO);
		else
			smtp_client_fail_reply(client);
		return;
	case CLIENT_HELO:
		if (code == 250)
			smtp_client_go_on(client);
		else
			smtp_client_fail_reply(client);
		return;
	case CLIENT_STARTTLS:
		smtp_client_starttls_reply(client);
		return;
	case CLIENT_AUTH:
		smtp_client_auth_reply(client);
		return;
	case CLIENT_QUIT:
		client->state = CLIENT_ENDING;
		client->why.code = 221;
		weir_timer_stop(&client->timer);
		weir_channel_close(client->channel);
		return;
	case CLIENT_CONNECTING:
	case CLIENT_READY:
	case CLIENT_REFUSING:
	case CLIENT_LOOKING:
	case CLIENT_ENDING:
		/* No command is pending: this can only be a 421, or a violation of the protocol. */
		smtp_client_fail_reply(client);
		return;
	default:
		smtp_client_send_reply(client);
		return;
	}
}
