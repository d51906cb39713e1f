/* What is said of the server itself: CAPA (RFC 2449), LANG and UTF8 (RFC 6856), NOOP. */

#include <weir/sasl.h>
#include <weir/sources.h>

#include "pop3_state.h"

void pop3_capa(struct pop3_session *session, const struct pop3_command *command)
{
	const struct weir_pop3_server *server = session->server;
	bool clear = pop3_clear_allowed(session);
	bool secure = weir_channel_secure(session->channel);
	const char *mechanisms = server->users ? weir_sasl_mechanisms(server->users, clear) : "";
	(void)command;
	weir_channel_push(session->channel,
	        weir_produce_format("+OK This is what there is\r\n"
	                            "TOP\r\n"
	                            "UIDL\r\n"
	                            "%s%s%s%s%s"
	                            "RESP-CODES\r\n"
	                            "AUTH-RESP-CODE\r\n"
	                            "PIPELINING\r\n"
	                            "EXPIRE NEVER\r\n"
	                            "UTF8\r\n"
	                            "LANG\r\n"
	                            "IMPLEMENTATION Weir\r\n"
	                            ".\r\n",
	                clear ? "USER\r\n" : "", *mechanisms ? "SASL " : "", mechanisms,
	                *mechanisms ? "\r\n" : "", server->tls && !secure ? "STLS\r\n" : ""));
}

void pop3_lang(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_span language = command->arguments[0];
	if (!command->count)
		pop3_say(session, "+OK These are the languages\r\n"
		                  "en English\r\n"
		                  "i-default English\r\n"
		                  ".\r\n");
	else if (weir_span_equal(language, WEIR_SPAN("*")) ||
	         weir_span_equal_nocase(language, WEIR_SPAN("i-default")))
		pop3_say(session, "+OK i-default English it is\r\n");
	else if (weir_span_equal_nocase(language, WEIR_SPAN("en")))
		pop3_say(session, "+OK en English it is\r\n");
	else
		pop3_say(session, "-ERR That language is not spoken here\r\n");
}

void pop3_utf8(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	session->utf8 = true;
	pop3_say(session, "+OK UTF-8 it is\r\n");
}

void pop3_noop(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	pop3_say(session, "+OK\r\n");
}
