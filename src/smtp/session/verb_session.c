/*
 * The verbs that concern only the session: EHLO, HELO (RFC 5321 4.1.1.1) and LHLO (RFC 2033 4.1),
 * with the name of the client and the extensions of the server; RSET, NOOP, QUIT, HELP, VRFY, EXPN,
 * STARTTLS.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "transaction.h"

/*
 * -- EHLO, HELO, LHLO ----------------------------------------------------------------------------
 */

enum {
	NAME_SIZE_MAX = 255
};

/*
 * Accepts more than the grammar, since many clients have odd names, but no character that could
 * break out of Received.
 */
static bool smtp_verb_ehlo_is_name(struct weir_span name)
{
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		bool word =
		        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!word && (c == 0 || !strchr("-._:[]", c)))
			return false;
	}
	return name.size && name.size <= NAME_SIZE_MAX;
}

/* Returns false if the name was refused. */
static bool smtp_verb_ehlo_take_name(struct smtp_session *session, struct weir_span name)
{
	if (!smtp_verb_ehlo_is_name(name)) {
		smtp_refuse(session, "501 5.5.4 Invalid host name\r\n");
		return false;
	}
	char *copy = weir_span_copy(name);
	if (!copy) {
		weir_channel_abort(session->channel, -ENOMEM);
		return false;
	}
	smtp_reset(session);
	free(session->helo);
	session->helo = copy;
	session->unanswered = true;
	return true;
}

bool smtp_offers_tls(const struct smtp_session *session)
{
	return weir_server_tls(session->server->listener) && !weir_channel_secure(session->channel);
}

void smtp_verb_ehlo(struct smtp_session *session, struct weir_span name)
{
	const struct weir_smtp_options *options = &session->server->options;
	if (!smtp_verb_ehlo_take_name(session, name))
		return;
	session->extended = true;
	const char *mechanisms = smtp_auth_mechanisms(session);
	smtp_reply_format(session,
	        "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n250-BINARYMIME\r\n"
	        "250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n%s%s%s%s"
	        "250-LIMITS MAILMAX=%u RCPTMAX=%u\r\n250-VRFY\r\n250-HELP\r\n"
	        "250 ENHANCEDSTATUSCODES\r\n",
	        options->hostname, (unsigned long long)options->size_max,
	        smtp_offers_tls(session) ? "250-STARTTLS\r\n" : "", *mechanisms ? "250-AUTH " : "",
	        mechanisms, *mechanisms ? "\r\n" : "", options->messages_max,
	        options->recipients_max);
}

void smtp_verb_helo(struct smtp_session *session, struct weir_span name)
{
	if (!smtp_verb_ehlo_take_name(session, name))
		return;
	session->extended = false;
	smtp_reply_format(session, "250 %s\r\n", session->server->options.hostname);
}

/*
 * -- RSET, NOOP, QUIT, HELP, VRFY, EXPN, STARTTLS ------------------------------------------------
 */

void smtp_verb_rset(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reset(session);
	smtp_reply(session, "250 2.0.0 Reset\r\n");
}

void smtp_verb_noop(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reply(session, "250 2.0.0 OK\r\n");
}

void smtp_verb_quit(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reply(session, "221 2.0.0 Goodbye\r\n");
	weir_channel_close(session->channel);
}

void smtp_verb_help(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reply_format(session,
	        "214-2.0.0 Commands: %s%s%s\r\n"
	        "214-2.0.0 MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n"
	        "214 2.0.0 See RFC %s\r\n",
	        smtp_is_lmtp(session) ? "LHLO" : "EHLO HELO",
	        smtp_offers_tls(session) ? " STARTTLS" : "",
	        *smtp_auth_mechanisms(session) ? " AUTH" : "",
	        smtp_is_lmtp(session) ? "2033" : "5321");
}

/* VRFY does not disclose which users exist (RFC 5321 7.3). */
void smtp_verb_vrfy(struct smtp_session *session, struct weir_span argument)
{
	if (argument.size)
		smtp_reply(session,
		        "252 2.1.5 Cannot verify the address, but will attempt delivery\r\n");
	else
		smtp_refuse(session, "501 5.5.4 Syntax: VRFY address\r\n");
}

void smtp_verb_expn(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_refuse(session, "502 5.7.0 EXPN is not available\r\n");
}

void smtp_verb_starttls(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	if (weir_channel_secure(session->channel)) {
		smtp_refuse(session, "503 5.5.1 TLS is already active\r\n");
		return;
	}
	if (!weir_server_tls(session->server->listener)) {
		smtp_refuse(session, "502 5.5.1 TLS is not available\r\n");
		return;
	}
	smtp_forget(session);
	smtp_reply(session, "220 2.0.0 Ready to start TLS\r\n");
	if (weir_channel_start_tls(
	            session->channel, weir_server_tls(session->server->listener), NULL) < 0)
		weir_channel_abort(session->channel, WEIR_E_CLOSED);
}
