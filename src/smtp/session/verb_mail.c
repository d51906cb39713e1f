/*
 * MAIL (RFC 5321 4.1.1.2) begins a transaction. Parameters: SIZE (RFC 1870), BODY (RFC 6152, RFC
 * 3030), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461), and AUTH (RFC 4954 5), which is checked for
 * syntax and ignored.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/policy.h>

#include "smtp_syntax.h"
#include "smtp_session.h"

#define NO_MEMORY "451 4.3.0 Out of memory, try again later\r\n"
#define BAD_PARAMETER "501 5.5.4 Invalid value of a parameter\r\n"
#define UNKNOWN_PARAMETER "555 5.5.4 Unknown parameter\r\n"

enum {
	ENVID_MAX = 100 /* bytes in xtext (RFC 3461 4.4) */
};

enum seen {
	SEEN_SIZE = 1,
	SEEN_BODY = 2,
	SEEN_UTF8 = 4,
	SEEN_RET = 8,
	SEEN_ENVID = 16,
	SEEN_AUTH = 32,
};

struct mail {
	const struct weir_smtp_options *options;
	struct weir_mail_envelope envelope;
	unsigned seen;
	char envid[ENVID_MAX];
	char rewritten[SMTP_REWRITTEN_MAX];
	char qualified[SMTP_ADDRESS_MAX + 2 + 256];
};

/* -- parameters -------------------------------------------------------------------------------- */

static const char *smtp_verb_mail_parse_size(struct mail *mail, struct weir_span value)
{
	int error = weir_span_number(value, 10, &mail->envelope.size);
	if (error == WEIR_E_SYNTAX || value.size > 20)
		return BAD_PARAMETER;
	if (error == WEIR_E_LIMIT || mail->envelope.size > mail->options->size_max)
		return "552 5.3.4 Message too large\r\n";
	return NULL;
}

static const char *smtp_verb_mail_parse_body(struct mail *mail, struct weir_span value)
{
	mail->envelope.eight_bit = weir_span_equal_nocase(value, WEIR_SPAN("8BITMIME"));
	mail->envelope.binary = weir_span_equal_nocase(value, WEIR_SPAN("BINARYMIME"));
	bool seven = weir_span_equal_nocase(value, WEIR_SPAN("7BIT"));
	return mail->envelope.eight_bit || mail->envelope.binary || seven ? NULL : BAD_PARAMETER;
}

static const char *smtp_verb_mail_parse_utf8(struct mail *mail, struct weir_span value)
{
	mail->envelope.utf8 = true;
	return value.size ? BAD_PARAMETER : NULL;
}

static const char *smtp_verb_mail_parse_ret(struct mail *mail, struct weir_span value)
{
	mail->envelope.headers_only = weir_span_equal_nocase(value, WEIR_SPAN("HDRS"));
	return mail->envelope.headers_only || weir_span_equal_nocase(value, WEIR_SPAN("FULL"))
	               ? NULL
	               : BAD_PARAMETER;
}

static const char *smtp_verb_mail_parse_envid(struct mail *mail, struct weir_span value)
{
	long size = WEIR_E_SYNTAX;
	if (value.size <= sizeof mail->envid)
		size = smtp_xtext_decode(value, false, mail->envid);
	for (long i = 0; i < size; i++)
		if (mail->envid[i] < ' ' || mail->envid[i] > '~')
			size = WEIR_E_SYNTAX;
	if (size <= 0)
		return BAD_PARAMETER;
	mail->envelope.envid = weir_span(mail->envid, (size_t)size);
	return NULL;
}

static const char *smtp_verb_mail_parse_auth(struct mail *mail, struct weir_span value)
{
	struct smtp_mailbox mailbox;
	char text[WEIR_SMTP_LINE_MAX];
	(void)mail;
	if (weir_span_equal(value, WEIR_SPAN("<>")))
		return NULL;
	long size = value.size <= sizeof text ? smtp_xtext_decode(value, true, text) : -1;
	if (size < 0 || smtp_mailbox_parse(weir_span(text, (size_t)size), &mailbox) < 0)
		return BAD_PARAMETER;
	return NULL;
}

static const struct {
	const char *keyword;
	unsigned seen;
	bool has_value;
	const char *(*parse)(struct mail *mail, struct weir_span value);
} parameters[] = {
        {"SIZE", SEEN_SIZE, true, smtp_verb_mail_parse_size},
        {"BODY", SEEN_BODY, true, smtp_verb_mail_parse_body},
        {"SMTPUTF8", SEEN_UTF8, false, smtp_verb_mail_parse_utf8},
        {"RET", SEEN_RET, true, smtp_verb_mail_parse_ret},
        {"ENVID", SEEN_ENVID, true, smtp_verb_mail_parse_envid},
        {"AUTH", SEEN_AUTH, true, smtp_verb_mail_parse_auth},
};

static const char *smtp_verb_mail_parse_parameter(
        struct mail *mail, const struct smtp_parameter *parameter)
{
	for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
		if (!weir_span_equal_nocase(
		            parameter->keyword, weir_span_of(parameters[i].keyword)))
			continue;
		if (mail->seen & parameters[i].seen ||
		        parameter->has_value != parameters[i].has_value)
			return BAD_PARAMETER;
		mail->seen |= parameters[i].seen;
		return parameters[i].parse(mail, parameter->value);
	}
	return UNKNOWN_PARAMETER;
}

static const char *smtp_verb_mail_parse_parameters(
        const struct smtp_session *session, struct mail *mail, struct weir_span text)
{
	struct smtp_parameter parameter;
	const char *refusal = NULL;
	int result;
	while (!refusal && (result = smtp_parameter_next(&text, &parameter)) != 0) {
		if (result < 0)
			return "501 5.5.4 Malformed parameters\r\n";
		if (!session->extended)
			return UNKNOWN_PARAMETER;
		refusal = smtp_verb_mail_parse_parameter(mail, &parameter);
	}
	return refusal;
}

/* -- the sender -------------------------------------------------------------------------------- */

/* An authenticated user may only send with an address of the same user. */
static bool smtp_verb_mail_may_send_as(
        const struct smtp_session *session, const struct smtp_mailbox *sender)
{
	const struct weir_mail_routes *routes = session->server->options.routes;
	char text[WEIR_SMTP_LOCAL_MAX];
	if (!session->user || !sender->address.size)
		return true;
	return routes && weir_mail_routes_belongs(routes, smtp_local_decode(sender->local, text),
	                         sender->domain, weir_span_of(session->user));
}

/* A sender without a domain is of this host. */
static void smtp_verb_mail_qualify(
        const struct smtp_session *session, struct mail *mail, struct smtp_mailbox *sender)
{
	const char *host = session->server->options.hostname;
	if (!sender->address.size || sender->domain.size)
		return;
	int size = snprintf(mail->qualified, sizeof mail->qualified, "%.*s@%s",
	        (int)sender->local.size, sender->local.data, host);
	if (size < 0 || (size_t)size >= sizeof mail->qualified)
		return;
	sender->address = weir_span(mail->qualified, (size_t)size);
	sender->local = weir_span(mail->qualified, sender->local.size);
	sender->domain = weir_span_skip(sender->address, sender->local.size + 1);
}

static const char *smtp_verb_mail_parse_sender(
        const struct smtp_session *session, struct mail *mail, struct weir_span *text)
{
	struct smtp_mailbox sender;
	if (text->size < 5 || !weir_span_equal_nocase(weir_span(text->data, 5), WEIR_SPAN("FROM:")))
		return "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]\r\n";
	/* Many clients put a space here, which the grammar does not allow. */
	*text = weir_span_trim(weir_span_skip(*text, 5));
	int error = session->server->options.strict_addresses
	                    ? smtp_path_parse(text, &sender)
	                    : smtp_path_parse_lenient(text, mail->rewritten, &sender);
	if (error == 0 && !session->server->options.strict_addresses)
		smtp_verb_mail_qualify(session, mail, &sender);
	if (error < 0 || (sender.address.size && !sender.domain.size))
		return "501 5.1.7 Malformed sender address\r\n";
	mail->envelope.sender = sender.address;
	const char *refusal = smtp_verb_mail_parse_parameters(session, mail, *text);
	if (refusal)
		return refusal;
	if (sender.utf8 && !mail->envelope.utf8)
		return "553 5.6.7 The address needs SMTPUTF8\r\n";
	if (!smtp_verb_mail_may_send_as(session, &sender))
		return "553 5.7.1 Sender address does not belong to the user\r\n";
	return NULL;
}

/* -- the verb ---------------------------------------------------------------------------------- */

static bool smtp_verb_mail_copy_envelope(
        struct smtp_transaction *transaction, const struct mail *mail)
{
	transaction->envelope = mail->envelope;
	return smtp_transaction_copy(
	               transaction, mail->envelope.sender, &transaction->envelope.sender) &&
	       smtp_transaction_copy(
	               transaction, mail->envelope.envid, &transaction->envelope.envid);
}

static void smtp_verb_mail_begin(struct smtp_session *session, const struct mail *mail)
{
	struct smtp_transaction *transaction = smtp_transaction_create(session);
	if (transaction && smtp_verb_mail_copy_envelope(transaction, mail)) {
		smtp_reply(session, "250 2.1.0 Sender accepted\r\n");
		return;
	}
	smtp_reset(session);
	smtp_refuse(session, NO_MEMORY);
}

/* Clears all but the texts, which are written before they are read. */
static void mail_init(struct mail *mail, const struct weir_smtp_options *options)
{
	memset(mail, 0, offsetof(struct mail, envid));
	mail->options = options;
}

void smtp_verb_mail(struct smtp_session *session, struct weir_span argument)
{
	const struct weir_smtp_options *options = &session->server->options;
	struct mail mail;
	const char *refusal = NULL;
	mail_init(&mail, options);
	/* After a chunk that failed, RSET is not required. */
	if (session->transaction && session->transaction->chunks && session->transaction->failure)
		smtp_reset(session);
	if (session->messages >= options->messages_max) {
		smtp_end(session, "421 4.7.0 Too many messages on this connection\r\n");
		return;
	}
	if (weir_channel_draining(session->channel)) {
		smtp_end(session, "421 4.3.2 Service shutting down\r\n");
		return;
	}
	if (session->transaction)
		refusal = "503 5.5.1 The transaction already has a sender\r\n";
	else if (options->personality == WEIR_SMTP_SUBMISSION && !session->user)
		refusal = "530 5.7.0 Authentication required\r\n";
	else
		refusal = smtp_verb_mail_parse_sender(session, &mail, &argument);
	if (!refusal && weir_channel_count_request(session->channel))
		refusal = "450 4.7.0 Too many messages from your address, try again later\r\n";
	if (!refusal) {
		smtp_verb_mail_begin(session, &mail);
		return;
	}
	smtp_log(session, WEIR_SMTP_REFUSED, weir_span(NULL, 0), refusal);
	smtp_refuse(session, refusal);
}
