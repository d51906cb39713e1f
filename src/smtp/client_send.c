/*
 * Sending a message: MAIL, RCPT, DATA, the message, `.`; with PIPELINING the commands go at once.
 *
 *   MAIL ─▶ RCPT … ─▶ DATA ─▶ MESSAGE ─▶ ready        nobody accepted ─▶ RSET ─▶ ready
 *
 * Invariants: replies are taken in the order of the commands, whether those went together or one by
 * one; a recipient is told once, those accepted when the message's own reply is there. The message is
 * sent with its lines ended by CRLF and its dots doubled, so that nothing in it can end it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "smtp_client_state.h"

enum {
	COMMANDS_MAX = 2 * 1024 * 1024 /* bytes of a message's commands */
};

/* -- telling ----------------------------------------------------------------------------------- */

static struct weir_smtp_result smtp_client_send_result_of(const struct smtp_reply *reply)
{
	return (struct weir_smtp_result){.code = reply->code, .text = reply->text};
}

static void smtp_client_send_tell(
        struct weir_smtp_client *client, size_t index, const struct weir_smtp_result *result)
{
	client->events->recipient(client->context, index, result);
}

/* All who have not been told. */
static void smtp_client_send_tell_all(
        struct weir_smtp_client *client, const struct weir_smtp_result *result)
{
	size_t count = client->mail->envelope->count;
	for (size_t i = 0; i < count; i++)
		if (!client->good || client->good[i])
			smtp_client_send_tell(client, i, result);
}

static void smtp_client_send_finish(struct weir_smtp_client *client)
{
	free(client->good);
	client->good = NULL;
	client->mail = NULL;
}

void smtp_client_send_lost(struct weir_smtp_client *client)
{
	if (!client->mail)
		return;
	smtp_client_send_tell_all(client, &client->why);
	smtp_client_send_finish(client);
}

/* -- commands ---------------------------------------------------------------------------------- */

static int smtp_client_send_put_xtext(struct weir_buffer *line, struct weir_span bytes)
{
	int error = 0;
	for (size_t i = 0; i < bytes.size && error == 0; i++) {
		unsigned char c = (unsigned char)bytes.data[i];
		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			error = weir_buffer_append(line, &c, 1, COMMANDS_MAX);
		else
			error = weir_buffer_format(line, COMMANDS_MAX, "+%02X", c);
	}
	return error;
}

static int smtp_client_send_put_mail(
        const struct weir_smtp_client *client, struct weir_buffer *line)
{
	const struct weir_mail_envelope *envelope = client->mail->envelope;
	const struct smtp_offers *offers = &client->offers;
	int error = weir_buffer_format(line, COMMANDS_MAX, "MAIL FROM:<%.*s>",
	        (int)envelope->sender.size, envelope->sender.data ? envelope->sender.data : "");
	if (error == 0 && offers->size)
		error = weir_buffer_format(
		        line, COMMANDS_MAX, " SIZE=%llu", (unsigned long long)client->mail->size);
	if (error == 0 && client->eight_bit)
		error = weir_buffer_format(line, COMMANDS_MAX, " BODY=8BITMIME");
	if (error == 0 && client->utf8)
		error = weir_buffer_format(line, COMMANDS_MAX, " SMTPUTF8");
	if (error == 0 && offers->dsn && envelope->headers_only)
		error = weir_buffer_format(line, COMMANDS_MAX, " RET=HDRS");
	if (error == 0 && offers->dsn && envelope->envid.size) {
		error = weir_buffer_format(line, COMMANDS_MAX, " ENVID=");
		if (error == 0)
			error = smtp_client_send_put_xtext(line, envelope->envid);
	}
	return error ? error : weir_buffer_append(line, "\r\n", 2, COMMANDS_MAX);
}

static int smtp_client_send_put_notify(struct weir_buffer *line, unsigned notify)
{
	if (!notify)
		return 0;
	if (notify & WEIR_MAIL_NOTIFY_NEVER)
		return weir_buffer_format(line, COMMANDS_MAX, " NOTIFY=NEVER");
	char list[32] = "";
	if (notify & WEIR_MAIL_NOTIFY_SUCCESS)
		strcat(list, ",SUCCESS");
	if (notify & WEIR_MAIL_NOTIFY_FAILURE)
		strcat(list, ",FAILURE");
	if (notify & WEIR_MAIL_NOTIFY_DELAY)
		strcat(list, ",DELAY");
	return weir_buffer_format(line, COMMANDS_MAX, " NOTIFY=%s", list + 1);
}

/* ORCPT is `type;address`, of which the address is coded. */
static int smtp_client_send_put_orcpt(struct weir_buffer *line, struct weir_span orcpt)
{
	struct weir_span type, address = orcpt;
	if (!weir_span_cut(&address, ';', &type))
		return 0;
	int error =
	        weir_buffer_format(line, COMMANDS_MAX, " ORCPT=%.*s;", (int)type.size, type.data);
	return error ? error : smtp_client_send_put_xtext(line, address);
}

static int smtp_client_send_put_rcpt(
        const struct weir_smtp_client *client, struct weir_buffer *line, size_t index)
{
	const struct weir_mail_recipient *to = &client->mail->envelope->recipients[index];
	int error = weir_buffer_format(
	        line, COMMANDS_MAX, "RCPT TO:<%.*s>", (int)to->address.size, to->address.data);
	if (error == 0 && client->offers.dsn)
		error = smtp_client_send_put_notify(line, to->notify);
	if (error == 0 && client->offers.dsn)
		error = smtp_client_send_put_orcpt(line, to->orcpt);
	return error ? error : weir_buffer_append(line, "\r\n", 2, COMMANDS_MAX);
}

/* What follows MAIL, from recipient `index` on: all of it, or one command. */
static int smtp_client_send_put_next(
        const struct weir_smtp_client *client, struct weir_buffer *line, size_t index, bool all)
{
	size_t count = client->mail->envelope->count;
	int error = 0;
	do {
		if (index < count)
			error = smtp_client_send_put_rcpt(client, line, index);
		else
			error = weir_buffer_append(line, "DATA\r\n", 6, COMMANDS_MAX);
	} while (error == 0 && all && index++ < count);
	return error;
}

static void smtp_client_send_push(
        struct weir_smtp_client *client, struct weir_buffer *line, int error)
{
	if (error < 0)
		smtp_client_fail(client, error, NULL);
	else
		weir_channel_push_copy(client->channel, weir_buffer_span(line));
	weir_buffer_finish(line);
}

/* Without PIPELINING the next command goes when the last has its answer. */
static void smtp_client_send_say_next(struct weir_smtp_client *client)
{
	struct weir_buffer line = {0};
	if (client->offers.pipelining)
		return;
	smtp_client_send_push(
	        client, &line, smtp_client_send_put_next(client, &line, client->index, false));
}

/* -- replies ----------------------------------------------------------------------------------- */

/* Nobody is left: with PIPELINING, DATA has gone out all the same, and its reply has to come. */
static void smtp_client_send_reset(struct weir_smtp_client *client)
{
	smtp_client_say(client, WEIR_SPAN("RSET\r\n"), CLIENT_RSET, WEIR_SMTP_CLIENT_REPLY_MS);
}

static void smtp_client_send_await_next(struct weir_smtp_client *client)
{
	bool more = client->index < client->mail->envelope->count;
	if (!more && !client->accepted && !client->offers.pipelining) {
		smtp_client_send_reset(client);
		return;
	}
	smtp_client_await(client, more ? CLIENT_RCPT : CLIENT_DATA,
	        more ? WEIR_SMTP_CLIENT_REPLY_MS : WEIR_SMTP_CLIENT_DATA_MS);
	smtp_client_send_say_next(client);
}

/* Refused as a whole: so are all recipients, whatever is said to them. */
static void smtp_client_send_mail_reply(struct weir_smtp_client *client)
{
	if (client->reply.code / 100 != 2) {
		struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
		smtp_client_send_tell_all(client, &result);
		memset(client->good, 0, client->mail->envelope->count);
		if (!client->offers.pipelining) {
			smtp_client_send_reset(client);
			return;
		}
	}
	smtp_client_send_await_next(client);
}

static void smtp_client_send_rcpt_reply(struct weir_smtp_client *client)
{
	size_t index = client->index++;
	if (client->good[index] && client->reply.code / 100 == 2)
		client->accepted++;
	else if (client->good[index]) {
		struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
		client->good[index] = 0;
		smtp_client_send_tell(client, index, &result);
	}
	smtp_client_send_await_next(client);
}

static void smtp_client_send_push_message(struct weir_smtp_client *client)
{
	struct weir_producer *file =
	        weir_produce_file(client->mail->fd, false, 0, client->mail->size);
	struct weir_producer *stuffed = weir_produce_escape(weir_produce_crlf(file),
	        WEIR_SPAN("\r\n."), WEIR_SPAN("\r\n.."), WEIR_SPAN("\r\n"));
	weir_channel_push(client->channel, stuffed);
	weir_channel_push_static(client->channel, ".\r\n");
	/* on_drained starts the time of the reply. */
	smtp_client_await(client, CLIENT_MESSAGE, WEIR_SMTP_CLIENT_MESSAGE_MS);
	weir_timer_stop(&client->timer);
}

static void smtp_client_send_data_reply(struct weir_smtp_client *client)
{
	struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
	if (client->reply.code == 354 && client->accepted)
		smtp_client_send_push_message(client);
	else if (client->reply.code == 354) /* for nobody: an empty one, which must be refused */
		smtp_client_say(
		        client, WEIR_SPAN(".\r\n"), CLIENT_MESSAGE, WEIR_SMTP_CLIENT_MESSAGE_MS);
	else {
		/* 2yz and 3yz are no answers to DATA. */
		if (client->reply.code / 100 < 4)
			result = (struct weir_smtp_result){
			        .error = -EPROTO, .text = client->reply.text};
		smtp_client_send_tell_all(client, &result);
		memset(client->good, 0, client->mail->envelope->count);
		smtp_client_send_reset(client);
	}
}

static void smtp_client_send_message_reply(struct weir_smtp_client *client)
{
	struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
	smtp_client_send_tell_all(client, &result);
	smtp_client_send_finish(client);
	smtp_client_become_ready(client);
}

void smtp_client_send_reply(struct weir_smtp_client *client)
{
	if (client->reply.code == 421) {
		smtp_client_fail_reply(client);
		return;
	}
	switch (client->state) {
	case CLIENT_MAIL:
		smtp_client_send_mail_reply(client);
		return;
	case CLIENT_RCPT:
		smtp_client_send_rcpt_reply(client);
		return;
	case CLIENT_DATA:
		smtp_client_send_data_reply(client);
		return;
	case CLIENT_MESSAGE:
		smtp_client_send_message_reply(client);
		return;
	default:
		smtp_client_send_finish(client);
		smtp_client_become_ready(client);
		return;
	}
}

/* -- beginning --------------------------------------------------------------------------------- */

/* What the server cannot be given. NULL: it can. */
static const char *smtp_client_send_fault_of(const struct weir_smtp_client *client)
{
	const struct weir_mail_envelope *envelope = client->mail->envelope;
	const struct smtp_offers *offers = &client->offers;
	if (offers->size_max && client->mail->size > offers->size_max)
		return "552 5.3.4 The message is larger than the next server takes";
	if (envelope->binary)
		return "554 5.6.3 The message is binary, and the next server takes lines of text";
	if (envelope->eight_bit && !offers->eight_bit)
		return "554 5.6.3 The message has bytes of 8 bits, and the next server takes 7";
	return NULL;
}

static void smtp_client_send_refuse(struct weir_task *task)
{
	struct weir_smtp_client *client = WEIR_CONTAINER(task, struct weir_smtp_client, task);
	smtp_client_send_tell_all(client, &client->refusal);
	smtp_client_send_finish(client);
	smtp_client_become_ready(client);
}

static void smtp_client_send_begin(struct weir_smtp_client *client)
{
	struct weir_buffer line = {0};
	int error = smtp_client_send_put_mail(client, &line);
	if (error == 0 && client->offers.pipelining)
		error = smtp_client_send_put_next(client, &line, 0, true);
	smtp_client_await(client, CLIENT_MAIL, WEIR_SMTP_CLIENT_REPLY_MS);
	smtp_client_send_push(client, &line, error);
}

void client_send_begin(struct weir_smtp_client *client, const char *fault)
{
	if (!fault) {
		smtp_client_send_begin(client);
		return;
	}
	client->state = CLIENT_REFUSING;
	client->refusal = (struct weir_smtp_result){.code = (unsigned)atoi(fault), .text = fault};
	client->task.run = smtp_client_send_refuse;
	weir_loop_defer(client->loop, &client->task);
}

void weir_smtp_client_send(struct weir_smtp_client *client, const struct weir_smtp_mail *mail)
{
	client->mail = mail;
	client->index = client->accepted = 0;
	client->good = malloc(mail->envelope->count);
	if (!client->good) {
		smtp_client_fail(client, -ENOMEM, NULL);
		return;
	}
	memset(client->good, 1, mail->envelope->count);
	client->eight_bit = mail->envelope->eight_bit;
	client->utf8 = mail->envelope->utf8;
	const char *fault = smtp_client_send_fault_of(client);
	if (!fault && client->utf8 && !client->offers.utf8) {
		client->state = CLIENT_LOOKING;
		int error = client_look_begin(client);
		if (error < 0)
			smtp_client_fail(client, error, NULL);
		return;
	}
	client_send_begin(client, fault);
}
