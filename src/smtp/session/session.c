/*
 * A session on its channel: lines go to the verbs, bytes to the message. Here are replies, the
 * count of errors, and the one function that decides whether the session reads.
 *
 * A line ends in LF for the cutter, so that a line without CR is detected at once. It is an error,
 * and ends the session.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/sasl.h>

#include "helper.h"
#include "smtp_metrics.h"
#include "smtp_session.h"

/* -- replies ----------------------------------------------------------------------------------- */

static void smtp_session_count_reply(const struct smtp_session *session, const char *text)
{
	unsigned class = (unsigned char)text[0] - '0';
	weir_metric_add(
	        &session->server->cells->replies[class < SMTP_METRICS_CLASSES ? class : 0], 1);
}

void smtp_reply(struct smtp_session *session, const char *text)
{
	smtp_session_count_reply(session, text);
	weir_channel_push_static(session->channel, text);
}

void smtp_reply_format(struct smtp_session *session, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	size_t length = size < (int)sizeof text ? (size_t)size : sizeof text - 1;
	smtp_session_count_reply(session, text);
	weir_channel_push_copy(session->channel, weir_span(text, length));
}

void smtp_end(struct smtp_session *session, const char *text)
{
	smtp_log(session, WEIR_SMTP_REFUSED, weir_span(NULL, 0), text);
	smtp_reply(session, text);
	/* The client may still be sending, and should get to read the reply. */
	weir_channel_expect_body(session->channel, true);
	weir_channel_close(session->channel);
}

void smtp_count_errors(struct smtp_session *session, unsigned count)
{
	bool enough = session->errors > WEIR_SMTP_ERRORS_MAX;
	session->errors = (uint16_t)(session->errors + count);
	if (!enough && session->errors > WEIR_SMTP_ERRORS_MAX)
		smtp_end(session, "421 4.7.0 Too many errors\r\n");
}

void smtp_report_malformed(const struct smtp_session *session, const char *text)
{
	char why[128];
	text_copy_span(why, sizeof why, weir_span(text, strcspn(text, "\r")));
	weir_server_report_malformed(session->server->listener, weir_channel_peer(session->channel),
	        weir_channel_id(session->channel), why, session->server->line);
}

void smtp_refuse(struct smtp_session *session, const char *text)
{
	/* The codes of syntax errors (RFC 5321 4.2.2). */
	if (text[0] == '5' && text[1] == '0' && text[2] <= '1')
		smtp_report_malformed(session, text);
	smtp_reply(session, text);
	smtp_count_errors(session, 1);
}

void smtp_log(const struct smtp_session *session, enum weir_smtp_event_kind kind,
        struct weir_span recipient, const char *text)
{
	const struct weir_smtp_options *options = &session->server->options;
	const struct smtp_transaction *transaction = session->transaction;
	struct weir_smtp_event event = {
	        .kind = kind,
	        .peer = weir_channel_peer(session->channel),
	        .session = weir_channel_id(session->channel),
	        .helo = weir_span_of(session->helo ? session->helo : ""),
	        .user = weir_span_of(session->user ? session->user : ""),
	        .recipient = recipient,
	        .text = weir_span(text, strcspn(text, "\r")),
	        .secure = weir_channel_secure(session->channel),
	};
	weir_metric_add(&session->server->cells->events[kind], 1);
	if (!options->log)
		return;
	if (transaction) {
		event.sender = transaction->envelope.sender;
		event.recipients = smtp_recipient_count(transaction);
		event.size = transaction->size;
		event.id = weir_span_of(transaction->id);
	}
	options->log(options->context, &event);
}

/* -- state ------------------------------------------------------------------------------------- */

void smtp_update_pause(struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;
	if (session->checking || session->commits >= WEIR_SMTP_COMMITS_MAX ||
	        (transaction && smtp_delivery_full(transaction)))
		weir_channel_pause(session->channel);
	else
		weir_channel_resume(session->channel);
}

void smtp_await_command(struct smtp_session *session)
{
	weir_channel_await(session->channel, weir_until(WEIR_SPAN("\n")));
}

void smtp_reset(struct smtp_session *session)
{
	smtp_transaction_destroy(session->transaction);
	session->transaction = NULL;
}

void smtp_forget(struct smtp_session *session)
{
	smtp_reset(session);
	free(session->helo);
	free(session->user);
	session->helo = session->user = NULL;
	session->extended = false;
}

bool smtp_may_relay(const struct smtp_session *session)
{
	const struct weir_smtp_options *options = &session->server->options;
	return session->user || weir_networks_contain(options->networks, options->network_count,
	                                weir_channel_peer(session->channel));
}

/* -- beginning --------------------------------------------------------------------------------- */

static void smtp_session_greet(struct smtp_session *session)
{
	smtp_reply_format(session, "220 %s %s\r\n", session->server->options.hostname,
	        smtp_is_lmtp(session) ? "LMTP" : "ESMTP");
}

static void smtp_session_on_greeting(struct weir_timer *timer)
{
	smtp_session_greet(WEIR_CONTAINER(timer, struct smtp_session, greeting));
}

static void smtp_session_begin(struct smtp_session *session)
{
	const struct weir_smtp_options *options = &session->server->options;
	if (weir_channel_over_quota(session->channel)) {
		smtp_end(session, "421 4.7.0 Too many connections from your address\r\n");
		return;
	}
	/* A tarpit: clients that do not wait for the greeting are detected. */
	if (options->greeting_delay_ms)
		weir_timer_start(session->server->loop, &session->greeting,
		        options->greeting_delay_ms, smtp_session_on_greeting);
	else
		smtp_session_greet(session);
}

static int smtp_session_on_open(struct weir_channel *channel)
{
	struct smtp_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->channel = channel;
	session->server = weir_channel_context(channel);
	session->quiet = true;
	weir_list_init(&session->greeting.link);
	weir_channel_set_session(channel, session);
	/* The bound counts the CR, but not the LF. */
	weir_channel_set_request_max(channel, WEIR_SMTP_AUTH_LINE_MAX - 1);
	smtp_await_command(session);
	smtp_session_begin(session);
	return 0;
}

/* -- input ------------------------------------------------------------------------------------- */

/* Only a client that knows of PIPELINING may send before the reply. */
static bool smtp_session_out_of_turn(struct smtp_session *session)
{
	if (weir_timer_running(&session->greeting)) {
		weir_timer_stop(&session->greeting);
		smtp_end(session, "554 5.5.1 Wait for the greeting\r\n");
		return true;
	}
	if (weir_channel_replies(session->channel) == 0 ||
	        (session->extended && !session->unanswered))
		return false;
	smtp_end(session, "554 5.5.0 Wait for the reply to the command\r\n");
	return true;
}

static void smtp_session_on_line(struct smtp_session *session, struct weir_span line)
{
	if (!line.size || line.data[line.size - 1] != '\r') {
		smtp_end(session, "500 5.5.2 Lines must end in CRLF\r\n");
		return;
	}
	line.size--;
	if (session->sasl)
		smtp_auth_line(session, line);
	else
		smtp_command(session, line);
}

static void smtp_session_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (session->data)
		smtp_message_cut(session);
	else if (!smtp_session_out_of_turn(session))
		smtp_session_on_line(session, request);
}

static void smtp_session_on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	smtp_message_piece(weir_channel_session(channel), bytes);
}

static void smtp_session_on_overflow(struct weir_channel *channel, int error)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (error != WEIR_E_LIMIT)
		weir_channel_abort(channel, error);
	else if (session->sasl)
		smtp_auth_overflow(session);
	else if (!smtp_session_out_of_turn(session))
		smtp_refuse(session, "500 5.5.2 Line too long\r\n");
}

static void smtp_session_on_drained(struct weir_channel *channel)
{
	struct smtp_session *session = weir_channel_session(channel);
	session->unanswered = false;
}

static void smtp_session_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (which != WEIR_TIMEOUT_PROGRESS)
		smtp_end(session, "421 4.4.2 Idle timeout\r\n");
}

/* RFC 5321 3.8: 421 is allowed at any time. The client repeats a transaction that has begun. */
static void smtp_session_on_draining(struct weir_channel *channel)
{
	smtp_end(weir_channel_session(channel), "421 4.3.2 Service shutting down\r\n");
}

/* Bytes that came in plain text behind STARTTLS may be an attacker's. */
static void smtp_session_on_secured(struct weir_channel *channel, size_t dropped)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (dropped)
		smtp_end(session, "554 5.5.0 Wait for TLS\r\n");
}

static void smtp_session_on_close(struct weir_channel *channel, int error)
{
	struct smtp_session *session = weir_channel_session(channel);
	(void)error;
	if (!session)
		return;
	weir_timer_stop(&session->greeting);
	weir_sasl_destroy(session->sasl);
	smtp_forget(session);
	free(session);
}

const struct weir_protocol smtp_protocol = {
        .name = "smtp",
        .open = smtp_session_on_open,
        .request = smtp_session_on_request,
        .piece = smtp_session_on_piece,
        .overflow = smtp_session_on_overflow,
        .secured = smtp_session_on_secured,
        .timeout = smtp_session_on_timeout,
        .draining = smtp_session_on_draining,
        .drained = smtp_session_on_drained,
        .close = smtp_session_on_close,
};
