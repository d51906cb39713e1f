/*
 * The verbs: the table with the requirements of each, the dispatch of a line, and the verbs that
 * concern only the session, such as EHLO (RFC 5321 4.1.1.1) and LHLO (RFC 2033 4.1).
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "helper.h"
#include "smtp_metrics.h"
#include "smtp_session.h"

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
static bool smtp_verb_ehlo_set_name(struct smtp_session *session, struct weir_span name)
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

static bool smtp_offers_tls(const struct smtp_session *session)
{
	return weir_server_tls(session->server->listener) && !weir_channel_secure(session->channel);
}

static void smtp_verb_ehlo(struct smtp_session *session, struct weir_span name)
{
	const struct weir_smtp_options *options = &session->server->options;
	if (!smtp_verb_ehlo_set_name(session, name))
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

static void smtp_verb_helo(struct smtp_session *session, struct weir_span name)
{
	if (!smtp_verb_ehlo_set_name(session, name))
		return;
	session->extended = false;
	smtp_reply_format(session, "250 %s\r\n", session->server->options.hostname);
}

/*
 * -- RSET, NOOP, QUIT, HELP, VRFY, EXPN, STARTTLS ------------------------------------------------
 */

static void smtp_verb_rset(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reset(session);
	smtp_reply(session, "250 2.0.0 Reset\r\n");
}

static void smtp_verb_noop(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reply(session, "250 2.0.0 OK\r\n");
}

static void smtp_verb_quit(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_reply(session, "221 2.0.0 Goodbye\r\n");
	weir_channel_close(session->channel);
}

static void smtp_verb_help(struct smtp_session *session, struct weir_span argument)
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
static void smtp_verb_vrfy(struct smtp_session *session, struct weir_span argument)
{
	if (argument.size)
		smtp_reply(session,
		        "252 2.1.5 Cannot verify the address, but will attempt delivery\r\n");
	else
		smtp_refuse(session, "501 5.5.4 Syntax: VRFY address\r\n");
}

static void smtp_verb_expn(struct smtp_session *session, struct weir_span argument)
{
	(void)argument;
	smtp_refuse(session, "502 5.7.0 EXPN is not available\r\n");
}

static void smtp_verb_starttls(struct smtp_session *session, struct weir_span argument)
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

enum smtp_verb_needs {
	NEEDS_NOTHING,
	NEEDS_HELLO = 1,
	NEEDS_MAIL = 2,
	NEEDS_SILENCE = 4, /* no argument */
	NEEDS_SMTP = 8,
	NEEDS_LMTP = 16,
	ANY_LENGTH = 32,
};

struct smtp_verb_row {
	char name[9];
	uint8_t needs;
	smtp_verb *run;
};

static const struct smtp_verb_row verbs[] = {
        {"MAIL", NEEDS_HELLO, smtp_verb_mail},
        {"RCPT", NEEDS_HELLO | NEEDS_MAIL, smtp_verb_rcpt},
        {"DATA", NEEDS_HELLO | NEEDS_MAIL | NEEDS_SILENCE, smtp_verb_data},
        {"BDAT", NEEDS_NOTHING, smtp_verb_bdat},
        {"RSET", NEEDS_SILENCE, smtp_verb_rset},
        {"EHLO", NEEDS_SMTP, smtp_verb_ehlo},
        {"HELO", NEEDS_SMTP, smtp_verb_helo},
        {"LHLO", NEEDS_LMTP, smtp_verb_ehlo},
        {"STARTTLS", NEEDS_HELLO | NEEDS_SILENCE, smtp_verb_starttls},
        {"AUTH", NEEDS_HELLO | ANY_LENGTH, smtp_verb_auth},
        {"NOOP", NEEDS_NOTHING, smtp_verb_noop},
        {"VRFY", NEEDS_NOTHING, smtp_verb_vrfy},
        {"EXPN", NEEDS_NOTHING, smtp_verb_expn},
        {"HELP", NEEDS_NOTHING, smtp_verb_help},
        {"QUIT", NEEDS_SILENCE, smtp_verb_quit},
};

_Static_assert(sizeof verbs / sizeof verbs[0] + 1 == SMTP_METRICS_VERBS,
        "smtp_metrics.c has a name for each verb");

/* Browsers and proxies that an attacker directs here begin with these. */
static bool smtp_verbs_is_http(struct weir_span verb)
{
	static const char *const methods[] = {
	        "GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE"};
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (weir_span_equal(verb, weir_span_of(methods[i])))
			return true;
	return false;
}

static const struct smtp_verb_row *smtp_verbs_find(struct weir_span name, bool lmtp)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (weir_span_equal_nocase(name, weir_span_of(verbs[i].name)) &&
		        !(verbs[i].needs & (lmtp ? NEEDS_SMTP : NEEDS_LMTP)))
			return &verbs[i];
	return NULL;
}

/* Returns why the verb is not allowed now; NULL: it is. */
static const char *smtp_verbs_fault(const struct smtp_session *session,
        const struct smtp_verb_row *verb, struct weir_span argument, size_t size)
{
	if (size > WEIR_SMTP_LINE_MAX - 2 && !(verb->needs & ANY_LENGTH))
		return "500 5.5.2 Line too long\r\n";
	if (verb->needs & NEEDS_SILENCE && argument.size)
		return "501 5.5.4 This command takes no argument\r\n";
	if (verb->needs & NEEDS_HELLO && !session->helo)
		return smtp_is_lmtp(session) ? "503 5.5.1 Send LHLO first\r\n"
		                             : "503 5.5.1 Send EHLO first\r\n";
	if (verb->needs & NEEDS_MAIL && !session->transaction)
		return "503 5.5.1 Send MAIL first\r\n";
	return NULL;
}

static bool smtp_verbs_has_control(struct weir_span line)
{
	for (size_t i = 0; i < line.size; i++)
		if (text_is_control(line.data[i]) && line.data[i] != '\t')
			return true;
	return false;
}

static void smtp_verbs_run(struct smtp_session *session, struct weir_span line)
{
	struct weir_span argument = line, name;
	bool first = session->quiet;
	session->quiet = false;
	weir_span_cut(&argument, ' ', &name);
	argument = weir_span_trim(argument);
	if (first && smtp_verbs_is_http(name)) {
		smtp_report_malformed(session, "An HTTP request");
		weir_channel_abort(session->channel, WEIR_E_SYNTAX);
		return;
	}
	const struct smtp_verb_row *verb =
	        smtp_verbs_find(weir_span_trim(name), smtp_is_lmtp(session));
	const char *refusal = NULL;
	/* It may have a password. */
	if (verb && verb->run == smtp_verb_auth)
		session->server->line = weir_span(NULL, 0);
	if (smtp_verbs_has_control(line))
		refusal = "500 5.5.2 Control character in the command\r\n";
	else if (!verb)
		refusal = line.size > WEIR_SMTP_LINE_MAX - 2 ? "500 5.5.2 Line too long\r\n"
		                                             : "500 5.5.1 Unknown command\r\n";
	else
		refusal = smtp_verbs_fault(session, verb, argument, line.size);
	size_t row = verb ? (size_t)(verb - verbs) : sizeof verbs / sizeof verbs[0];
	weir_metric_add(&session->server->cells->commands[row][!refusal], 1);
	/* The size of the chunk behind it is not known. */
	if (refusal && verb && verb->run == smtp_verb_bdat)
		smtp_end(session, refusal);
	else if (refusal)
		smtp_refuse(session, refusal);
	else
		verb->run(session, argument);
}

void smtp_command(struct smtp_session *session, struct weir_span line)
{
	struct weir_smtp_server *server = session->server;
	server->line = line;
	smtp_verbs_run(session, line);
	server->line = weir_span(NULL, 0);
}
