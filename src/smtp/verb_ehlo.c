/* EHLO, HELO (RFC 5321 4.1.1.1) and LHLO (RFC 2033 4.1): who is there, and what we can do. */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "transaction.h"

enum {
	NAME_SIZE_MAX = 255
};

/*
 * More than the grammar has, since clients say what their owners have called them; nothing that
 * could break out of Received.
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

/* False: it was refused. */
static bool smtp_verb_ehlo_take_name(struct smtp_session *session, struct weir_span name)
{
	if (!smtp_verb_ehlo_is_name(name)) {
		smtp_refuse(session, "501 5.5.4 That is not the name of a host\r\n");
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
	return session->server->options.tls && !weir_channel_secure(session->channel);
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
