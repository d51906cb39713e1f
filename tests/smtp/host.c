/* An SMTP server of a few lines, strict about the order of commands and about CRLF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <weir/sasl.h>
#include <weir/sources.h>

#include "host.h"
#include "peer.h"
#include "make_options.h"

struct visit {
	struct host *host;
	struct weir_channel *channel;
	unsigned accepted;
	bool mail;
	bool in_message;
	bool in_auth;
	struct weir_sasl *sasl;
};

/* One byte for each send. */
struct drip {
	size_t at;
	char text[512];
};

static enum weir_more drip_more(void *context, struct weir_output *out)
{
	struct drip *drip = context;
	if (drip->text[drip->at])
		drip->at += weir_output_copy(out, drip->text + drip->at, 1);
	return drip->text[drip->at] ? WEIR_MORE : WEIR_DONE;
}

static void drip_close(void *context, enum weir_close_reason why)
{
	(void)why;
	free(context);
}

static void answer(struct visit *visit, const char *text)
{
	struct drip *drip = visit->host->drip ? calloc(1, sizeof *drip) : NULL;
	if (!drip) {
		weir_channel_push_copy(visit->channel, weir_span_of(text));
		return;
	}
	strncpy(drip->text, text, sizeof drip->text - 1);
	weir_channel_push(visit->channel, weir_produce_generator(drip_more, drip_close, drip));
}

static const char *either(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

static void on_step(void *context, const struct weir_sasl_step *step)
{
	struct visit *visit = context;
	char line[4096];
	visit->in_auth = step->outcome == WEIR_SASL_CHALLENGE;
	if (visit->in_auth) {
		snprintf(line, sizeof line, "334 %.*s\r\n", (int)step->text.size, step->text.data);
		answer(visit, line);
	} else {
		answer(visit, step->outcome == WEIR_SASL_DONE ? "235 In\r\n" : "535 5.7.8 No\r\n");
	}
}

static void start_auth(struct visit *visit, struct weir_span rest)
{
	struct weir_span mechanism, initial;
	struct weir_sasl_options options =
	        OPTIONS(weir_sasl_options, o.users = visit->host->users, o.secure = true);
	assert_int_equal(
	        weir_sasl_create(visit->host->loop, &options, on_step, visit, &visit->sasl), 0);
	initial = rest;
	if (!weir_span_cut(&initial, ' ', &mechanism))
		initial = weir_span(NULL, 0);
	weir_sasl_start(visit->sasl, mechanism, initial);
}

static void message_line(struct visit *visit, struct weir_span line)
{
	struct host *host = visit->host;
	if (weir_span_equal(line, WEIR_SPAN("."))) {
		visit->in_message = visit->mail = false;
		host->messages += visit->accepted != 0;
		const char *reply = either(host->message, "250 2.0.0 Taken\r\n");
		if (*reply)
			answer(visit, visit->accepted ? reply : "554 Nobody\r\n");
		else
			weir_channel_abort(visit->channel, 0);
		return;
	}
	if (line.size && line.data[0] == '.')
		line = weir_span_skip(line, 1);
	assert_null(line.size ? memchr(line.data, '\n', line.size) : NULL);
	assert_true(host->content_size + line.size + 2 <= sizeof host->content);
	memcpy(host->content + host->content_size, line.data, line.size);
	memcpy(host->content + host->content_size + line.size, "\r\n", 2);
	host->content_size += line.size + 2;
}

static void rcpt(struct visit *visit, struct weir_span address)
{
	const struct host *host = visit->host;
	if (!visit->mail)
		answer(visit, "503 MAIL first\r\n");
	else if (weir_span_starts(address, WEIR_SPAN("bad")))
		answer(visit, either(host->rcpt_bad, "550 5.1.1 Who?\r\n"));
	else if (weir_span_starts(address, WEIR_SPAN("late")))
		answer(visit, either(host->rcpt_late, "451 4.3.0 Later\r\n"));
	else {
		const char *reply = either(host->rcpt, "250 OK\r\n");
		visit->accepted += reply[0] == '2';
		answer(visit, reply);
	}
}

static void on_line(struct weir_channel *channel, struct weir_span line)
{
	struct visit *visit = weir_channel_session(channel);
	struct host *host = visit->host;
	if (visit->in_message) {
		message_line(visit, line);
		return;
	}
	size_t size = strlen(host->said);
	assert_true(size + line.size + 2 < sizeof host->said);
	snprintf(host->said + size, sizeof host->said - size, "%.*s\n", (int)line.size, line.data);
	if (visit->in_auth)
		weir_sasl_next(visit->sasl, line);
	else if (weir_span_starts(line, WEIR_SPAN("EHLO ")))
		answer(visit,
		        either(host->ehlo, "250-host hello\r\n250-PIPELINING\r\n250-SIZE 100000\r\n"
		                           "250-8bitmime\r\n250-SMTPUTF8\r\n250 DSN\r\n"));
	else if (weir_span_starts(line, WEIR_SPAN("HELO ")))
		answer(visit, "250 host\r\n");
	else if (weir_span_equal(line, WEIR_SPAN("STARTTLS"))) {
		answer(visit, either(host->starttls, "502 No\r\n"));
		if (host->tls && host->starttls)
			weir_channel_start_tls(channel, host->tls, NULL);
	} else if (weir_span_starts(line, WEIR_SPAN("AUTH ")))
		start_auth(visit, weir_span_skip(line, 5));
	else if (weir_span_starts(line, WEIR_SPAN("MAIL FROM:<"))) {
		const char *reply = either(host->mail, "250 OK\r\n");
		visit->mail = reply[0] == '2';
		visit->accepted = 0;
		answer(visit, reply);
	} else if (weir_span_starts(line, WEIR_SPAN("RCPT TO:<")))
		rcpt(visit, weir_span_skip(line, 9));
	else if (weir_span_equal(line, WEIR_SPAN("DATA"))) {
		const char *reply = either(host->data, "354 Go\r\n");
		if (!visit->accepted && !host->data)
			reply = "503 Nobody\r\n";
		visit->in_message = reply[0] == '3';
		host->content_size = 0;
		answer(visit, reply);
	} else if (weir_span_equal(line, WEIR_SPAN("RSET"))) {
		visit->mail = false;
		answer(visit, "250 OK\r\n");
	} else if (weir_span_equal(line, WEIR_SPAN("QUIT"))) {
		answer(visit, "221 Bye\r\n");
		weir_channel_close(channel);
	} else
		answer(visit, "500 What?\r\n");
}

static int on_open(struct weir_channel *channel)
{
	struct host *host = weir_channel_context(channel);
	struct visit *visit = calloc(1, sizeof *visit);
	if (!visit)
		return -12;
	*visit = (struct visit){.host = host, .channel = channel};
	weir_channel_set_session(channel, visit);
	host->connections++;
	host->open++;
	answer(visit, either(host->greeting, "220 host\r\n"));
	return 0;
}

static void on_close(struct weir_channel *channel, int error)
{
	struct visit *visit = weir_channel_session(channel);
	(void)error;
	if (!visit)
		return;
	visit->host->open--;
	weir_sasl_destroy(visit->sasl);
	free(visit);
}

static void on_secured(struct weir_channel *channel, size_t dropped)
{
	(void)channel;
	assert_int_equal(dropped, 0);
}

static const struct weir_protocol protocol = {.name = "host",
        .open = on_open,
        .request = on_line,
        .secured = on_secured,
        .close = on_close};

void host_start(struct host *host, struct weir_loop *loop)
{
	host_start_tls(host, loop, NULL);
}

void host_start_tls(struct host *host, struct weir_loop *loop, struct weir_tls *tls)
{
	struct weir_server_options options;
	weir_server_options_init(&options);
	options.listener.address = local_address();
	options.listener.tls = tls;
	options.listener.bounds.replies_max = 4096;
	options.listener.bounds.idle_ms = 1 << 30;
	options.listener.bounds.request_ms = 1 << 30;
	options.listener.bounds.progress_ms = 1 << 30;
	options.protocol = &protocol;
	options.context = host;
	*host = (struct host){.loop = loop};
	assert_int_equal(weir_server_create(loop, &options, &host->server), 0);
}

void host_stop(struct host *host)
{
	weir_server_destroy(host->server);
	host->server = NULL;
}
