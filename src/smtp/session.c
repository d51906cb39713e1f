/*
 * A session on its channel: lines to the verbs, bytes to the message, and what both share: replies,
 * counted errors, and the one place that decides whether anything is read.
 *
 * A line ends in LF for the cutter, so that one without CR is found out at once instead of being
 * waited for; it is an error, and the end.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/sasl.h>

#include "transaction.h"

/* -- replies ----------------------------------------------------------------------------------- */

void weir_smtp_reply(struct smtp_session *session, const char *text)
{
	weir_channel_push_static(session->channel, text);
}

void weir_smtp_reply_format(struct smtp_session *session, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	size_t length = size < (int)sizeof text ? (size_t)size : sizeof text - 1;
	weir_channel_push_copy(session->channel, weir_span(text, length));
}

void weir_smtp_end(struct smtp_session *session, const char *text)
{
	weir_smtp_log(session, WEIR_SMTP_REFUSED, weir_span(NULL, 0), text);
	weir_smtp_reply(session, text);
	/* It may go on sending, and shall get to read the answer. */
	weir_channel_expect_body(session->channel, true);
	weir_channel_close(session->channel);
}

void weir_smtp_count_errors(struct smtp_session *session, unsigned count)
{
	bool enough = session->errors > WEIR_SMTP_ERRORS_MAX;
	session->errors = (uint16_t)(session->errors + count);
	if (!enough && session->errors > WEIR_SMTP_ERRORS_MAX)
		weir_smtp_end(session, "421 4.7.0 Too many errors\r\n");
}

void weir_smtp_refuse(struct smtp_session *session, const char *text)
{
	weir_smtp_reply(session, text);
	weir_smtp_count_errors(session, 1);
}

void weir_smtp_log(const struct smtp_session *session, enum weir_smtp_event_kind kind,
        struct weir_span recipient, const char *text)
{
	const struct weir_smtp_options *options = &session->server->options;
	const struct smtp_transaction *transaction = session->transaction;
	struct weir_smtp_event event = {
	        .kind = kind,
	        .peer = weir_channel_peer(session->channel),
	        .helo = weir_span_of(session->helo ? session->helo : ""),
	        .user = weir_span_of(session->user ? session->user : ""),
	        .recipient = recipient,
	        .text = weir_span(text, strcspn(text, "\r")),
	        .secure = weir_channel_secure(session->channel),
	};
	if (!options->log)
		return;
	if (transaction) {
		event.sender = transaction->envelope.sender;
		event.recipients = weir_smtp_recipient_count(transaction);
		event.size = transaction->size;
		event.id = weir_span_of(transaction->id);
	}
	options->log(options->context, &event);
}

/* -- state ------------------------------------------------------------------------------------- */

void weir_smtp_update_pause(struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;
	if (session->checking || session->commits >= WEIR_SMTP_COMMITS_MAX ||
	        (transaction && weir_smtp_delivery_full(transaction)))
		weir_channel_pause(session->channel);
	else
		weir_channel_resume(session->channel);
}

void weir_smtp_await_command(struct smtp_session *session)
{
	weir_channel_await(session->channel, weir_until(WEIR_SPAN("\n")));
}

void weir_smtp_reset(struct smtp_session *session)
{
	weir_smtp_transaction_destroy(session->transaction);
	session->transaction = NULL;
}

void weir_smtp_forget(struct smtp_session *session)
{
	weir_smtp_reset(session);
	free(session->helo);
	free(session->user);
	session->helo = session->user = NULL;
	session->extended = false;
}

bool weir_smtp_may_relay(const struct smtp_session *session)
{
	const struct weir_smtp_options *options = &session->server->options;
	return session->user || weir_networks_contain(options->networks, options->network_count,
	                                weir_channel_peer(session->channel));
}

/* -- beginning --------------------------------------------------------------------------------- */

static void greet(struct smtp_session *session)
{
	weir_smtp_reply_format(session, "220 %s %s\r\n", session->server->options.hostname,
	        weir_smtp_is_lmtp(session) ? "LMTP" : "ESMTP");
}

static void on_greeting(struct weir_timer *timer)
{
	greet(WEIR_CONTAINER(timer, struct smtp_session, greeting));
}

static void begin(struct smtp_session *session)
{
	const struct weir_smtp_options *options = &session->server->options;
	const struct weir_address *peer = weir_channel_peer(session->channel);
	if (options->peers && weir_peers_enter(options->peers, peer) < 0) {
		weir_smtp_end(session, "421 4.7.0 Too many connections from your address\r\n");
		return;
	}
	session->counted = options->peers;
	if (options->greeting_delay_ms)
		weir_timer_start(session->server->loop, &session->greeting,
		        options->greeting_delay_ms, on_greeting);
	else
		greet(session);
}

static int on_open(struct weir_channel *channel)
{
	struct smtp_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->channel = channel;
	session->server = weir_channel_context(channel);
	session->quiet = true;
	weir_list_init(&session->greeting.link);
	weir_channel_set_session(channel, session);
	/* The CR counts here, the LF does not. */
	weir_channel_set_request_max(channel, WEIR_SMTP_AUTH_LINE_MAX - 1);
	weir_smtp_await_command(session);
	begin(session);
	return 0;
}

/* -- input ------------------------------------------------------------------------------------- */

/* Nothing may be sent ahead of a reply that does not know PIPELINING to be there. */
static bool out_of_turn(struct smtp_session *session)
{
	if (weir_timer_running(&session->greeting)) {
		weir_timer_stop(&session->greeting);
		weir_smtp_end(session, "554 5.5.1 You have to wait for the greeting\r\n");
		return true;
	}
	if (weir_channel_replies(session->channel) == 0 ||
	        (session->extended && !session->unanswered))
		return false;
	weir_smtp_end(session, "554 5.5.0 You have to wait for the reply to a command\r\n");
	return true;
}

static void on_line(struct smtp_session *session, struct weir_span line)
{
	if (!line.size || line.data[line.size - 1] != '\r') {
		weir_smtp_end(session, "500 5.5.2 Lines have to end in CR and LF\r\n");
		return;
	}
	line.size--;
	if (session->sasl)
		weir_smtp_auth_line(session, line);
	else
		weir_smtp_command(session, line);
}

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (session->data)
		weir_smtp_message_cut(session);
	else if (!out_of_turn(session))
		on_line(session, request);
}

static void on_piece(struct weir_channel *channel, struct weir_span bytes)
{
	weir_smtp_message_piece(weir_channel_session(channel), bytes);
}

static void on_overflow(struct weir_channel *channel, int error)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (error != WEIR_E_LIMIT)
		weir_channel_abort(channel, error);
	else if (session->sasl)
		weir_smtp_auth_overflow(session);
	else if (!out_of_turn(session))
		weir_smtp_refuse(session, "500 5.5.2 Line too long\r\n");
}

static void on_drained(struct weir_channel *channel)
{
	struct smtp_session *session = weir_channel_session(channel);
	session->unanswered = false;
}

static void on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (which != WEIR_TIMEOUT_PROGRESS)
		weir_smtp_end(session, "421 4.4.2 Nothing came for too long\r\n");
}

/* RFC 5321 3.8: the server may say 421 at any time; a transaction that has begun is the client's to repeat. */
static void on_draining(struct weir_channel *channel)
{
	weir_smtp_end(weir_channel_session(channel), "421 4.3.2 Service shutting down\r\n");
}

/* What came in clear behind STARTTLS was never meant for us, or was not the client's. */
static void on_secured(struct weir_channel *channel, size_t dropped)
{
	struct smtp_session *session = weir_channel_session(channel);
	if (dropped)
		weir_smtp_end(session, "554 5.5.0 You have to wait for TLS\r\n");
}

static void on_close(struct weir_channel *channel, int error)
{
	struct smtp_session *session = weir_channel_session(channel);
	(void)error;
	if (!session)
		return;
	weir_timer_stop(&session->greeting);
	if (session->counted)
		weir_peers_leave(session->server->options.peers, weir_channel_peer(channel));
	weir_sasl_destroy(session->sasl);
	weir_smtp_forget(session);
	free(session);
}

const struct weir_protocol weir_smtp_protocol = {
        .name = "smtp",
        .open = on_open,
        .request = on_request,
        .piece = on_piece,
        .overflow = on_overflow,
        .secured = on_secured,
        .timeout = on_timeout,
        .draining = on_draining,
        .drained = on_drained,
        .close = on_close,
};
