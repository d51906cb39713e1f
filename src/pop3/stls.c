/* STLS (RFC 2595): TLS from here on. What came in clear behind it is dropped by the channel. */
#include "pop3_state.h"

void pop3_stls(struct pop3_session *session, const struct pop3_command *command)
{
	struct weir_tls *tls = session->server->tls;
	(void)command;
	if (weir_channel_secure(session->channel)) {
		pop3_say(session, "-ERR This is TLS already\r\n");
	} else if (!tls) {
		pop3_say(session, "-ERR There is no TLS here\r\n");
	} else if (session->utf8) {
		pop3_say(session, "-ERR Not after UTF8\r\n"); /* RFC 6856 2.1 */
	} else {
		pop3_say(session, "+OK Begin TLS\r\n");
		int error = weir_channel_start_tls(session->channel, tls, NULL);
		if (error < 0)
			weir_channel_abort(session->channel, error);
	}
}
