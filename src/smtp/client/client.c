/*
 * The SMTP client's connection: its creation, the lines of the server, and its end.
 *
 * Invariants: a reply that the state does not expect ends the connection. Once there is a channel,
 * the client is freed in on_close and nowhere else.
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

void smtp_client_on_time(struct weir_timer *timer)
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
		smtp_client_handle_reply(client);
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

void weir_smtp_client_options_init(struct weir_smtp_client_options *options)
{
	*options = (struct weir_smtp_client_options){0};
}

int weir_smtp_client_connect(struct weir_loop *loop, const struct weir_smtp_client_options *options,
        const struct weir_smtp_client_events *events, void *context, struct weir_smtp_client **ret)
{
	/*
	 * Replies have their own timers; the channel bounds how long a message may make no
	 * progress.
	 */
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.request_max = WEIR_SMTP_CLIENT_LINE_MAX;
	bounds.idle_ms = WEIR_SMTP_CLIENT_IDLE_MS;
	bounds.request_ms = WEIR_SMTP_CLIENT_REPLY_MS;
	bounds.progress_ms = WEIR_SMTP_CLIENT_BLOCK_MS;
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
