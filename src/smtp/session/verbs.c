/* The table of verbs, with the requirements of each, and the dispatch of a line. */
#include <errno.h>

#include <weir/error.h>

#include "smtp_metrics.h"
#include "transaction.h"

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
		if (((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') ||
		        line.data[i] == 0x7f)
			return true;
	return false;
}

void smtp_command(struct smtp_session *session, struct weir_span line)
{
	struct weir_span argument = line, name;
	bool first = session->quiet;
	session->quiet = false;
	weir_span_cut(&argument, ' ', &name);
	argument = weir_span_trim(argument);
	if (first && smtp_verbs_is_http(name)) {
		weir_channel_abort(session->channel, WEIR_E_SYNTAX);
		return;
	}
	const struct smtp_verb_row *verb =
	        smtp_verbs_find(weir_span_trim(name), smtp_is_lmtp(session));
	const char *refusal = NULL;
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
