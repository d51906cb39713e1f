/*
 * Sending a message: MAIL, RCPT, DATA, the message, `.`. With PIPELINING the commands are sent
 * together.
 *
 *   MAIL ─▶ RCPT … ─▶ DATA ─▶ MESSAGE ─▶ ready        no recipient accepted ─▶ RSET ─▶ ready
 *
 * Invariants: replies are matched to commands in their order, with and without pipelining. The
 * result of a recipient is reported once; that of an accepted one when the reply to the message has
 * come.
 *
 * DATA sends the message with CRLF line ends and doubled dots (RFC 5321 4.1.1.4); a line with a dot
 * follows. That dot is at the start of a line, whatever the message ends in. Behind an incomplete
 * line, or a bare CR, the server would not see it: both sides would wait for the other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "producer_internal.h"
#include "smtp_client_state.h"

/*
 * -- the message ---------------------------------------------------------------------------------
 */

struct client_body {
	struct weir_producer base;
	struct weir_producer *child;
	char last[2];            /* the last bytes that have passed */
	struct weir_span ending; /* what still has to be put; static */
	bool ended;              /* the child is done */
};

static void body_pass(
        struct client_body *body, struct weir_output *out, const struct weir_piece *piece)
{
	const char *end = piece->data + piece->size;
	if (piece->size > 1)
		body->last[0] = end[-2];
	else
		body->last[0] = body->last[1];
	body->last[1] = end[-1];
	weir_output_forward(out, piece, 0, piece->size);
}

static enum weir_more body_more(struct weir_producer *producer, struct weir_output *out)
{
	struct client_body *body = (struct client_body *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	if (!body->ended) {
		unsigned free_pieces = min_of(output_free_pieces(out), PRODUCER_INNER_PIECES);
		weir_output_init_inner(&inner, out, pieces, free_pieces, weir_output_room(out));
		enum weir_more more = weir_producer_more(body->child, &inner);
		for (unsigned i = 0; i < inner.count; i++)
			body_pass(body, out, &pieces[i]);
		if (more != WEIR_DONE)
			return more;
		bool line_start = body->last[0] == '\r' && body->last[1] == '\n';
		body->ending = line_start ? WEIR_SPAN(".\r\n") : WEIR_SPAN("\r\n.\r\n");
		body->ended = true;
	}
	size_t put = weir_output_borrow(out, body->ending.data, body->ending.size);
	body->ending = weir_span_skip(body->ending, put);
	return body->ending.size ? WEIR_MORE : WEIR_DONE;
}

static void body_close(struct weir_producer *producer, enum weir_close_reason why)
{
	weir_producer_close(((struct client_body *)producer)->child, why);
	free(producer);
}

static const struct weir_producer_type body_type = {
        .name = "smtp-body",
        .more = body_more,
        .close = body_close,
};

/* Wraps `child`, whose pieces must be in memory. */
static struct weir_producer *body_create(struct weir_producer *child)
{
	struct client_body *body = child ? calloc(1, sizeof *body) : NULL;
	if (!body) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&body->base, &body_type);
	body->child = child;
	body->last[0] = '\r';
	body->last[1] = '\n';
	weir_producer_adopt(&body->base, child);
	return &body->base;
}

/* Returns a producer of the message and of the end of the data; NULL without memory. */
static struct weir_producer *client_body(const struct weir_smtp_client *client)
{
	const struct weir_smtp_mail *mail = client->mail;
	struct weir_producer *bytes =
	        client->plan.count ? seven_bit_producer(&client->plan, mail->fd, mail->size)
	                           : weir_produce_file(mail->fd, false, 0, mail->size);
	return body_create(weir_produce_escape(weir_produce_crlf(bytes), WEIR_SPAN("\r\n."),
	        WEIR_SPAN("\r\n.."), WEIR_SPAN("\r\n")));
}

enum {
	COMMANDS_MAX = 2 * 1024 * 1024 /* bytes of the commands of a message */
};

/* -- results ----------------------------------------------------------------------------------- */

static struct weir_smtp_result smtp_client_send_result_of(const struct smtp_reply *reply)
{
	return (struct weir_smtp_result){.code = reply->code, .text = reply->text};
}

static void smtp_client_send_report(
        struct weir_smtp_client *client, size_t index, const struct weir_smtp_result *result)
{
	client->events->recipient(client->context, index, result);
}

/* Reports a result for all recipients that have none yet. */
static void smtp_client_send_report_all(
        struct weir_smtp_client *client, const struct weir_smtp_result *result)
{
	size_t count = client->mail->envelope->count;
	for (size_t i = 0; i < count; i++)
		if (!client->pending || client->pending[i])
			smtp_client_send_report(client, i, result);
}

static void smtp_client_send_finish(struct weir_smtp_client *client)
{
	free(client->pending);
	client->pending = NULL;
	client->mail = NULL;
	seven_bit_plan_free(&client->plan);
}

void smtp_client_send_lost(struct weir_smtp_client *client)
{
	if (!client->mail)
		return;
	smtp_client_send_report_all(client, &client->why);
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
		        line, COMMANDS_MAX, " SIZE=%llu", (unsigned long long)client->size);
	if (error == 0 && client->eight_bit && offers->eight_bit)
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

/* ORCPT is `type;address`, with the address in xtext. */
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

/* Puts the commands behind MAIL, from recipient `index` on: all of them, or one. */
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

/* Without PIPELINING the next command is sent when the reply to the last has come. */
static void smtp_client_send_command(struct weir_smtp_client *client)
{
	struct weir_buffer line = {0};
	if (client->offers.pipelining)
		return;
	smtp_client_send_push(
	        client, &line, smtp_client_send_put_next(client, &line, client->index, false));
}

/* -- replies ----------------------------------------------------------------------------------- */

/* No recipient is left. With PIPELINING, DATA has already been sent, and its reply comes first. */
static void smtp_client_send_reset(struct weir_smtp_client *client)
{
	smtp_client_command(client, WEIR_SPAN("RSET\r\n"), CLIENT_RSET, WEIR_SMTP_CLIENT_REPLY_MS);
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
	smtp_client_send_command(client);
}

/* MAIL was refused: so are all recipients, whatever the replies to RCPT are. */
static void smtp_client_send_mail_reply(struct weir_smtp_client *client)
{
	if (client->reply.code / 100 != 2) {
		struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
		smtp_client_send_report_all(client, &result);
		memset(client->pending, 0, client->mail->envelope->count);
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
	if (client->pending[index] && client->reply.code / 100 == 2)
		client->accepted++;
	else if (client->pending[index]) {
		struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
		client->pending[index] = 0;
		smtp_client_send_report(client, index, &result);
	}
	smtp_client_send_await_next(client);
}

static void smtp_client_send_push_message(struct weir_smtp_client *client)
{
	weir_channel_push(client->channel, client_body(client));
	/* on_drained starts the timeout of the reply. */
	smtp_client_await(client, CLIENT_MESSAGE, WEIR_SMTP_CLIENT_MESSAGE_MS);
	weir_timer_stop(&client->timer);
}

bool weir_smtp_client_awaits_outcome(const struct weir_smtp_client *client)
{
	return client->state == CLIENT_MESSAGE && weir_timer_running(&client->timer);
}

static void smtp_client_send_data_reply(struct weir_smtp_client *client)
{
	struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
	if (client->reply.code == 354 && client->accepted)
		smtp_client_send_push_message(client);
	else if (client->reply.code ==
	         354) /* without recipients: an empty message, which must be refused */
		smtp_client_command(
		        client, WEIR_SPAN(".\r\n"), CLIENT_MESSAGE, WEIR_SMTP_CLIENT_MESSAGE_MS);
	else {
		/* 2yz and 3yz are not replies to DATA. */
		if (client->reply.code / 100 < 4)
			result = (struct weir_smtp_result){
			        .error = -EPROTO, .text = client->reply.text};
		smtp_client_send_report_all(client, &result);
		memset(client->pending, 0, client->mail->envelope->count);
		smtp_client_send_reset(client);
	}
}

static void smtp_client_send_message_reply(struct weir_smtp_client *client)
{
	struct weir_smtp_result result = smtp_client_send_result_of(&client->reply);
	smtp_client_send_report_all(client, &result);
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

/* Returns why the server cannot take the message; NULL: it can. */
static const char *smtp_client_send_fault_of(const struct weir_smtp_client *client)
{
	const struct smtp_offers *offers = &client->offers;
	if (offers->size_max && client->size > offers->size_max)
		return "552 5.3.4 The message is larger than the next server accepts";
	if (client->mail->envelope->binary)
		return "554 5.6.3 The message is binary, and the next server accepts only lines of text";
	return NULL;
}

static void smtp_client_send_refuse(struct weir_task *task)
{
	struct weir_smtp_client *client = WEIR_CONTAINER(task, struct weir_smtp_client, task);
	smtp_client_send_report_all(client, &client->refusal);
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
	if (!fault)
		fault = smtp_client_send_fault_of(client);
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
	client->size = mail->size;
	client->index = client->accepted = 0;
	client->pending = malloc(mail->envelope->count);
	if (!client->pending) {
		smtp_client_fail(client, -ENOMEM, NULL);
		return;
	}
	memset(client->pending, 1, mail->envelope->count);
	client->eight_bit = mail->envelope->eight_bit;
	client->utf8 = mail->envelope->utf8;
	if (!client_look_is_needed(client)) {
		client_send_begin(client, NULL);
		return;
	}
	client->state = CLIENT_LOOKING;
	int error = client_look_begin(client);
	if (error < 0)
		smtp_client_fail(client, error, NULL);
}
