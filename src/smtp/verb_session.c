/* The verbs that are about the session alone: RSET, NOOP, QUIT, HELP, VRFY, EXPN, STARTTLS. */
#include <weir/error.h>

#include "transaction.h"

void smtp_verb_rset(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reset(session);
	smtp_reply(session, "250 2.0.0 Reset\r\n");
}

void smtp_verb_noop(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reply(session, "250 2.0.0 Nothing done\r\n");
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

/* Who exists is told to nobody who asks for nothing else (RFC 5321 7.3). */
void smtp_verb_vrfy(struct smtp_session *session, struct weir_span argument)
{
	if (argument.size)
		smtp_reply(session, "252 2.1.5 Send it, and it will be tried\r\n");
	else
		smtp_refuse(session, "501 5.5.4 VRFY address is what it should be\r\n");
}

void smtp_verb_expn(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_refuse(session, "502 5.7.0 Lists are not told\r\n");
}

void smtp_verb_starttls(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	if (weir_channel_secure(session->channel)) {
		smtp_refuse(session, "503 5.5.1 This is TLS already\r\n");
		return;
	}
	if (!session->server->options.tls) {
		smtp_refuse(session, "502 5.5.1 There is no TLS here\r\n");
		return;
	}
	smtp_forget(session);
	smtp_reply(session, "220 2.0.0 Go on with TLS\r\n");
	if (weir_channel_start_tls(session->channel, session->server->options.tls, NULL) < 0)
		weir_channel_abort(session->channel, WEIR_E_CLOSED);
}
