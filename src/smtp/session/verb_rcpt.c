/*
 * RCPT (RFC 5321 4.1.1.3): a recipient, with NOTIFY and ORCPT (RFC 3461). The routes give its
 * destinations. They expand aliases, so that a mailing list is one recipient with many
 * destinations.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include <weir/error.h>

#include "helper.h"
#include "smtp_syntax.h"
#include "smtp_session.h"

#define BAD_PARAMETER "501 5.5.4 Invalid value of a parameter\r\n"

enum {
	ORCPT_MAX = 500 /* bytes in xtext (RFC 3461 4.2) */
};

struct rcpt {
	struct smtp_session *session;
	struct weir_mail_recipient recipient; /* as the client has given it */
	struct smtp_mailbox mailbox;
	bool has_notify, has_orcpt;
	char orcpt[ORCPT_MAX];
	char rewritten[SMTP_REWRITTEN_MAX];
	char postmaster[SMTP_ADDRESS_MAX + 2 + 256];
};

/* -- parameters -------------------------------------------------------------------------------- */

/* NEVER, or a list of the others without repetition. */
static const char *smtp_verb_rcpt_parse_notify(struct rcpt *rcpt, struct weir_span value)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = {
	        {"NEVER", WEIR_MAIL_NOTIFY_NEVER},
	        {"SUCCESS", WEIR_MAIL_NOTIFY_SUCCESS},
	        {"FAILURE", WEIR_MAIL_NOTIFY_FAILURE},
	        {"DELAY", WEIR_MAIL_NOTIFY_DELAY},
	};
	bool more = true;
	if (rcpt->has_notify)
		return BAD_PARAMETER;
	rcpt->has_notify = true;
	while (more) {
		struct weir_span word;
		unsigned bit = 0;
		more = weir_span_cut(&value, ',', &word);
		for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
			if (weir_span_equal_nocase(word, weir_span_of(words[i].word)))
				bit = words[i].bit;
		if (!bit || rcpt->recipient.notify & bit)
			return BAD_PARAMETER;
		rcpt->recipient.notify |= bit;
	}
	bool never = rcpt->recipient.notify & WEIR_MAIL_NOTIFY_NEVER;
	return never && rcpt->recipient.notify != WEIR_MAIL_NOTIFY_NEVER ? BAD_PARAMETER : NULL;
}

/* addr-type ";" xtext. It is stored decoded; characters that a field must not have are refused. */
static const char *smtp_verb_rcpt_parse_orcpt(struct rcpt *rcpt, struct weir_span value)
{
	struct weir_span type, coded = value;
	bool utf8 = rcpt->session->transaction->envelope.utf8;
	if (rcpt->has_orcpt || value.size > ORCPT_MAX || !weir_span_cut(&coded, ';', &type) ||
	        !type.size)
		return BAD_PARAMETER;
	rcpt->has_orcpt = true;
	for (size_t i = 0; i < type.size; i++)
		if ((unsigned char)type.data[i] > '~' || strchr("()<>@,:\\\"/[]?=+", type.data[i]))
			return BAD_PARAMETER;
	memcpy(rcpt->orcpt, value.data, type.size + 1);
	char *decoded = rcpt->orcpt + type.size + 1;
	long size = smtp_xtext_decode(coded, utf8, decoded);
	if (size <= 0 || text_has_control(weir_span(decoded, (size_t)size)))
		return BAD_PARAMETER;
	rcpt->recipient.orcpt = weir_span(rcpt->orcpt, type.size + 1 + (size_t)size);
	return NULL;
}

static const char *smtp_verb_rcpt_parse_parameters(struct rcpt *rcpt, struct weir_span text)
{
	struct smtp_parameter parameter;
	const char *refusal = NULL;
	int result;
	while (!refusal && (result = smtp_parameter_next(&text, &parameter)) != 0) {
		if (result < 0)
			return "501 5.5.4 Malformed parameters\r\n";
		if (rcpt->session->extended &&
		        weir_span_equal_nocase(parameter.keyword, WEIR_SPAN("NOTIFY")))
			refusal = smtp_verb_rcpt_parse_notify(rcpt, parameter.value);
		else if (rcpt->session->extended &&
		         weir_span_equal_nocase(parameter.keyword, WEIR_SPAN("ORCPT")))
			refusal = smtp_verb_rcpt_parse_orcpt(rcpt, parameter.value);
		else
			refusal = "555 5.5.4 Unknown parameter\r\n";
	}
	return refusal;
}

/* -- the address ------------------------------------------------------------------------------- */

static const char *smtp_verb_rcpt_parse_address(struct rcpt *rcpt, struct weir_span text)
{
	const struct smtp_session *session = rcpt->session;
	if (text.size < 3 || !weir_span_equal_nocase(weir_span(text.data, 3), WEIR_SPAN("TO:")))
		return "501 5.5.4 Syntax: RCPT TO:<address> [parameters]\r\n";
	text = weir_span_trim(weir_span_skip(text, 3));
	int error = session->server->options.strict_addresses
	                    ? smtp_path_parse(&text, &rcpt->mailbox)
	                    : smtp_path_parse_lenient(&text, rcpt->rewritten, &rcpt->mailbox);
	if (error < 0 || !rcpt->mailbox.address.size)
		return "501 5.1.3 Malformed recipient address\r\n";
	if (rcpt->mailbox.utf8 && !session->transaction->envelope.utf8)
		return "553 5.6.7 The address needs SMTPUTF8\r\n";
	rcpt->recipient.address = rcpt->mailbox.address;
	if (!rcpt->mailbox.domain.size) {
		int size = snprintf(rcpt->postmaster, sizeof rcpt->postmaster, "%.*s@%s",
		        (int)rcpt->mailbox.local.size, rcpt->mailbox.local.data,
		        session->server->options.hostname);
		rcpt->recipient.address = weir_span(rcpt->postmaster,
		        size < (int)sizeof rcpt->postmaster ? (size_t)size
		                                            : sizeof rcpt->postmaster - 1);
	}
	return smtp_verb_rcpt_parse_parameters(rcpt, text);
}

static int smtp_verb_rcpt_add_destination(
        struct rcpt *rcpt, bool relay, const struct weir_mail_recipient *recipient)
{
	struct smtp_transaction *transaction = rcpt->session->transaction;
	if (!(relay ? transaction->relay.sink : transaction->local.sink))
		return -EOPNOTSUPP;
	return smtp_destination_add(transaction, relay, recipient);
}

static int smtp_verb_rcpt_on_found(void *context, const struct weir_mail_target *target)
{
	struct rcpt *rcpt = context;
	struct weir_mail_recipient recipient = rcpt->recipient;
	recipient.user = target->user;
	if (target->address.size)
		recipient.address = target->address;
	return smtp_verb_rcpt_add_destination(rcpt, !target->user.size, &recipient);
}

static int smtp_verb_rcpt_route(struct rcpt *rcpt)
{
	const struct smtp_session *session = rcpt->session;
	const struct weir_mail_routes *routes = session->server->options.routes;
	char text[WEIR_SMTP_LOCAL_MAX];
	struct weir_span local = smtp_local_decode(rcpt->mailbox.local, text);
	int error = -EXDEV;
	if (routes)
		error = weir_mail_routes_find(
		        routes, local, rcpt->mailbox.domain, smtp_verb_rcpt_on_found, rcpt);
	if (error != -EXDEV)
		return error;
	if (!smtp_may_relay(session) || !rcpt->mailbox.domain.size)
		return -EACCES;
	return smtp_verb_rcpt_add_destination(rcpt, true, &rcpt->recipient);
}

static const char *smtp_verb_rcpt_refusal_for(int error)
{
	switch (error) {
	case -ENOENT:
		return "550 5.1.1 User unknown\r\n";
	case -EACCES:
		return "550 5.7.1 Relaying denied\r\n";
	case -EOPNOTSUPP:
		return "550 5.7.1 This server does not relay mail\r\n";
	case WEIR_E_LIMIT:
		return "452 4.5.3 Too many recipients\r\n";
	default:
		return "451 4.3.0 Out of memory, try again later\r\n";
	}
}

static const char *smtp_verb_rcpt_parse_recipient(struct rcpt *rcpt)
{
	struct smtp_transaction *transaction = rcpt->session->transaction;
	int error = smtp_recipient_add(transaction);
	if (error < 0)
		return smtp_verb_rcpt_refusal_for(error);
	error = smtp_verb_rcpt_route(rcpt);
	if (error == 0)
		return NULL;
	smtp_recipient_undo(transaction);
	return smtp_verb_rcpt_refusal_for(error);
}

/* -- checking the mailboxes ------------------------------------------------------- */

static void smtp_verb_rcpt_refuse(
        struct smtp_session *session, struct weir_span address, const char *refusal)
{
	smtp_log(session, WEIR_SMTP_REFUSED, address, refusal);
	/* Errors of LMTP are not counted: its client may have a long and outdated list. */
	if (smtp_is_lmtp(session) || refusal[0] == '4')
		smtp_reply(session, refusal);
	else
		smtp_refuse(session, refusal);
}

static void smtp_verb_rcpt_end(struct smtp_transaction *transaction, int error)
{
	struct smtp_session *session = transaction->session;
	const struct smtp_destination *destinations =
	        (const struct smtp_destination *)(const void *)transaction->destinations.data;
	const struct weir_mail_recipient *local = (const struct weir_mail_recipient *)(const void *)
	                                                  transaction->local.recipients.data;
	if (error == 0) {
		smtp_reply(session, "250 2.1.5 Recipient accepted\r\n");
		return;
	}
	struct weir_span address = local[destinations[transaction->checked].index].address;
	smtp_recipient_undo(transaction);
	smtp_verb_rcpt_refuse(session, address, smtp_error_reply(error));
}

static void smtp_verb_rcpt_checked(void *context, int error);

/* Checks one mailbox after the other. Returns 0, an error, or WEIR_MAIL_PENDING. */
static int smtp_verb_rcpt_check(struct smtp_transaction *transaction)
{
	const struct smtp_destination *destinations =
	        (const struct smtp_destination *)(const void *)transaction->destinations.data;
	const struct weir_mail_recipient *local = (const struct weir_mail_recipient *)(const void *)
	                                                  transaction->local.recipients.data;
	struct weir_mail_sink *sink = transaction->local.sink;
	for (; transaction->checked < transaction->destinations.size / sizeof *destinations;
	        transaction->checked++) {
		const struct smtp_destination *destination = &destinations[transaction->checked];
		if (destination->relay || !sink->type->check)
			continue;
		int result = sink->type->check(sink, transaction->server->loop,
		        &local[destination->index], transaction->envelope.size, &transaction->check,
		        smtp_verb_rcpt_checked, transaction);
		if (result)
			return result;
	}
	return 0;
}

static void smtp_verb_rcpt_checked(void *context, int error)
{
	struct smtp_transaction *transaction = context;
	struct smtp_session *session = transaction->session;
	int result = error;
	if (result == 0) {
		transaction->checked++;
		result = smtp_verb_rcpt_check(transaction);
	}
	if (result == WEIR_MAIL_PENDING)
		return;
	session->checking = false;
	smtp_verb_rcpt_end(transaction, result);
	smtp_update_pause(session);
}

/* -- the verb ---------------------------------------------------------------------------------- */

/* Clears all but the texts, which are written before they are read. */
static void rcpt_init(struct rcpt *rcpt, struct smtp_session *session)
{
	memset(rcpt, 0, offsetof(struct rcpt, orcpt));
	rcpt->session = session;
}

void smtp_verb_rcpt(struct smtp_session *session, struct weir_span argument)
{
	struct rcpt rcpt;
	const struct smtp_transaction *transaction = session->transaction;
	const char *refusal = NULL;
	rcpt_init(&rcpt, session);
	if (transaction->chunks)
		refusal = "503 5.5.1 The message has already begun\r\n";
	else if (smtp_recipient_count(transaction) >= session->server->options.recipients_max)
		refusal = smtp_verb_rcpt_refusal_for(WEIR_E_LIMIT);
	if (!refusal)
		refusal = smtp_verb_rcpt_parse_address(&rcpt, argument);
	if (!refusal)
		refusal = smtp_verb_rcpt_parse_recipient(&rcpt);
	if (refusal) {
		smtp_verb_rcpt_refuse(session, rcpt.mailbox.address, refusal);
		return;
	}
	int result = smtp_verb_rcpt_check(session->transaction);
	session->checking = result == WEIR_MAIL_PENDING;
	if (session->checking)
		smtp_update_pause(session);
	else
		smtp_verb_rcpt_end(session->transaction, result);
}
