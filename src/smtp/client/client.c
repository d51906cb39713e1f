/*
 * The SMTP client's connection: from the greeting to the ready session, and its end.
 *
 * Invariants: a reply that the state does not expect ends the connection. All that came before TLS
 * is forgotten (RFC 3207 4.2), and plain text after the reply to STARTTLS ends the connection. Once
 * there is a channel, the client is freed in on_close and nowhere else. Messages are in
 * client_send.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/server.h>
#include <weir/tls.h>

#include "smtp_client_state.h"

/* -- what the other files need ----------------------------------------------------------------- */

void smtp_client_fail(struct weir_smtp_client *client, int error, const char *text)
{
	if (client->state == CLIENT_ENDING)
		return;
	client->state = CLIENT_ENDING;
	client_look_cancel(client);
	client->why.error = error;
	client->why.in_tls = client->in_tls;
	snprintf(client->why_text, sizeof client->why_text, "%s",
	        text ? text : weir_error_text(error));
	weir_timer_stop(&client->timer);
	weir_channel_abort(client->channel, error);
}

void smtp_client_fail_reply(struct weir_smtp_client *client)
{
	if (client->state == CLIENT_ENDING)
		return;
	client->state = CLIENT_ENDING;
	client_look_cancel(client);
	client->why.code = client->reply.code;
	snprintf(client->why_text, sizeof client->why_text, "%s", client->reply.text);
	weir_timer_stop(&client->timer);
	weir_channel_push_static(client->channel, "QUIT\r\n");
	weir_channel_close(client->channel);
}

static void smtp_client_on_time(struct weir_timer *timer)
{
	struct weir_smtp_client *client = WEIR_CONTAINER(timer, struct weir_smtp_client, timer);
	smtp_client_fail(client, -ETIMEDOUT, "the server does not reply");
}

void smtp_client_await(struct weir_smtp_client *client, enum client_state state, uint32_t within_ms)
{
	client->state = state;
	client->reply = (struct smtp_reply){0};
	weir_timer_start(client->loop, &client->timer, within_ms, smtp_client_on_time);
}

void smtp_client_command(struct weir_smtp_client *client, struct weir_span line,
        enum client_state state, uint32_t within_ms)
{
	weir_channel_push_copy(client->channel, line);
	smtp_client_await(client, state, within_ms);
}

void smtp_client_become_ready(struct weir_smtp_client *client)
{
	weir_timer_stop(&client->timer);
	client->state = CLIENT_READY;
	client->events->ready(client->context);
}

/* -- from the greeting to being ready ---------------------------------------------------------- */

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

static void smtp_client_start_tls(struct weir_smtp_client *client)
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

static void smtp_client_on_secured(struct weir_channel *channel, size_t dropped)
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
static void smtp_client_on_insecure(struct weir_channel *channel, const char *why)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	snprintf(client->tls_text, sizeof client->tls_text, "TLS failed: %s", why);
	for (char *at = client->tls_text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
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

static void smtp_client_take_reply(struct weir_smtp_client *client)
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

/* -- the channel ------------------------------------------------------------------------------- */

static int smtp_client_on_open(struct weir_channel *channel)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	weir_channel_reset_on_failure(channel, true);
	if (client->options.mode == WEIR_SMTP_CLIENT_TLS_IMPLICIT)
		smtp_client_start_tls(client);
	else
		smtp_client_await(client, CLIENT_GREETING, WEIR_SMTP_CLIENT_REPLY_MS);
	return 0;
}

static void smtp_client_on_line(struct weir_channel *channel, struct weir_span line)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	if (client->state == CLIENT_ENDING)
		return;
	int done = smtp_reply_line(&client->reply, line);
	if (done < 0) {
		smtp_client_fail(client, done, "the server's reply is not SMTP");
		return;
	}
	if (client->state == CLIENT_EHLO && client->reply.code == 250 && client->reply.lines > 1 &&
	        line.size > 4)
		smtp_offer(&client->offers, weir_span_skip(line, 4));
	if (done)
		smtp_client_take_reply(client);
}

static void smtp_client_on_overflow(struct weir_channel *channel, int error)
{
	(void)error;
	smtp_client_fail(weir_channel_context(channel), -EPROTO, "the server's line is too long");
}

static void smtp_client_on_eof(struct weir_channel *channel)
{
	smtp_client_fail(
	        weir_channel_context(channel), -ECONNRESET, "the server closed the connection");
}

/* The timeout of the reply to a message begins when the last byte of the message has been sent. */
static void smtp_client_on_drained(struct weir_channel *channel)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	if (client->state == CLIENT_MESSAGE)
		weir_timer_start(client->loop, &client->timer, WEIR_SMTP_CLIENT_MESSAGE_MS,
		        smtp_client_on_time);
}

static void smtp_client_free(struct weir_smtp_client *client)
{
	weir_timer_stop(&client->timer);
	weir_loop_cancel(client->loop, &client->task);
	client_look_cancel(client);
	weir_sasl_client_destroy(client->sasl);
	weir_tls_release(client->options.tls);
	if (client->options.password)
		explicit_bzero((char *)(uintptr_t)client->options.password,
		        strlen(client->options.password));
	free(client->pending);
	seven_bit_plan_free(&client->plan);
	free(client);
}

static void smtp_client_on_close(struct weir_channel *channel, int error)
{
	struct weir_smtp_client *client = weir_channel_context(channel);
	if (client->events) {
		if (!client->why.code && !client->why.error) {
			client->why.error = error ? error : -ECONNRESET;
			client->why.in_tls = client->in_tls;
			snprintf(client->why_text, sizeof client->why_text, "%s",
			        client->tls_text[0] ? client->tls_text
			                            : weir_error_text(client->why.error));
		}
		client->why.text = client->why_text;
		client->state = CLIENT_ENDING;
		client_look_cancel(client);
		smtp_client_send_lost(client);
		client->events->closed(client->context, &client->why);
	}
	smtp_client_free(client);
}

/* -- life -------------------------------------------------------------------------------------- */

static const struct weir_protocol protocol = {
        .name = "smtp-client",
        .open = smtp_client_on_open,
        .request = smtp_client_on_line,
        .overflow = smtp_client_on_overflow,
        .eof = smtp_client_on_eof,
        .secured = smtp_client_on_secured,
        .insecure = smtp_client_on_insecure,
        .drained = smtp_client_on_drained,
        .close = smtp_client_on_close,
};

static const char *smtp_client_copy_string(char **to, const char *text)
{
	if (!text)
		return NULL;
	char *start = *to;
	size_t size = strlen(text) + 1;
	memcpy(start, text, size);
	*to += size;
	return start;
}

static size_t smtp_client_size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static struct weir_smtp_client *smtp_client_make(const struct weir_smtp_client_options *options)
{
	size_t size = smtp_client_size_of(options->host) + smtp_client_size_of(options->helo) +
	              smtp_client_size_of(options->user) + smtp_client_size_of(options->password);
	struct weir_smtp_client *client = calloc(1, sizeof *client + size);
	if (!client)
		return NULL;
	char *to = client->text;
	client->options = *options;
	client->options.host = smtp_client_copy_string(&to, options->host);
	client->options.helo = smtp_client_copy_string(&to, options->helo);
	client->options.user = smtp_client_copy_string(&to, options->user);
	client->options.password = smtp_client_copy_string(&to, options->password);
	if (options->tls)
		weir_tls_hold(options->tls);
	return client;
}

int weir_smtp_client_connect(struct weir_loop *loop, const struct weir_smtp_client_options *options,
        const struct weir_smtp_client_events *events, void *context, struct weir_smtp_client **ret)
{
	/*
	 * Replies have their own timers; the channel bounds how long a message may make no
	 * progress.
	 */
	static const struct weir_bounds bounds = {
	        .request_max = WEIR_SMTP_CLIENT_LINE_MAX,
	        .idle_ms = WEIR_SMTP_CLIENT_IDLE_MS,
	        .request_ms = WEIR_SMTP_CLIENT_REPLY_MS,
	        .progress_ms = WEIR_SMTP_CLIENT_BLOCK_MS,
	};
	bool tls = options->mode != WEIR_SMTP_CLIENT_TLS_OFF;
	if ((tls && !options->tls) || !options->helo || strlen(options->helo) > WEIR_SMTP_HELO_MAX)
		return -EINVAL;
	struct weir_smtp_client *client = smtp_client_make(options);
	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->events = events;
	client->context = context;
	int error =
	        weir_connect(loop, &options->address, &protocol, client, &bounds, &client->channel);
	if (error < 0)
		smtp_client_free(client);
	else
		*ret = client;
	return error;
}

bool weir_smtp_client_has_dsn(const struct weir_smtp_client *client)
{
	return client->offers.dsn;
}

void weir_smtp_client_quit(struct weir_smtp_client *client)
{
	smtp_client_command(client, WEIR_SPAN("QUIT\r\n"), CLIENT_QUIT, WEIR_SMTP_CLIENT_QUIT_MS);
}

void weir_smtp_client_abort(struct weir_smtp_client *client)
{
	if (!client)
		return;
	client->events = NULL;
	client->state = CLIENT_ENDING;
	weir_timer_stop(&client->timer);
	weir_loop_cancel(client->loop, &client->task);
	client_look_cancel(client);
	weir_sasl_client_destroy(client->sasl);
	client->sasl = NULL;
	weir_channel_abort(client->channel, WEIR_E_CLOSED);
}

/*
 * -- AUTH ----------------------------------------------------------------------------------------
 */

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
