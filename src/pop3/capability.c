/*
 * The server's capabilities: CAPA (RFC 2449), LANG and UTF8 (RFC 6856), NOOP; and STLS (RFC 2595).
 * The channel drops plain text that came behind STLS.
 */
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
	        weir_produce_format("+OK Capability list follows\r\n"
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
	                *mechanisms ? "\r\n" : "",
	                weir_server_tls(server->listener) && !secure ? "STLS\r\n" : ""));
}

void pop3_lang(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_span language = command->arguments[0];
	if (!command->count)
		pop3_reply(session, "+OK Language list follows\r\n"
		                    "en English\r\n"
		                    "i-default English\r\n"
		                    ".\r\n");
	else if (weir_span_equal(language, WEIR_SPAN("*")) ||
	         weir_span_equal_nocase(language, WEIR_SPAN("i-default")))
		pop3_reply(session, "+OK i-default English selected\r\n");
	else if (weir_span_equal_nocase(language, WEIR_SPAN("en")))
		pop3_reply(session, "+OK en English selected\r\n");
	else
		pop3_reply(session, "-ERR Language not available\r\n");
}

void pop3_utf8(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	session->utf8 = true;
	pop3_reply(session, "+OK UTF-8 enabled\r\n");
}

void pop3_noop(struct pop3_session *session, const struct pop3_command *command)
{
	(void)command;
	pop3_reply(session, "+OK\r\n");
}

/*
 * -- STLS ----------------------------------------------------------------------------------------
 */

void pop3_stls(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_tls *tls = weir_server_tls(session->server->listener);
	(void)command;
	if (weir_channel_secure(session->channel)) {
		pop3_reply(session, "-ERR TLS is already active\r\n");
	} else if (!tls) {
		pop3_reply(session, "-ERR TLS is not available\r\n");
	} else if (session->utf8) {
		pop3_reply(session, "-ERR Not after UTF8\r\n"); /* RFC 6856 2.1 */
	} else {
		pop3_reply(session, "+OK Begin TLS\r\n");
		int error = weir_channel_start_tls(session->channel, tls, NULL);
		if (error < 0)
			weir_channel_abort(session->channel, error);
	}
}
