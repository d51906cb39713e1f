/*
 * The rest of a line is skipped once the name of its field is known. A folded line belongs to the
 * field before it.
 *
 * Invariant: bytes are passed on in pieces as large as possible; a header without a field to drop
 * is passed on as it came.
 */
#include <stdio.h>
#include <time.h>

#include <weir/tls.h>

#include "smtp_session.h"
#include "smtp_syntax.h"

/* The part of a scan that has not been passed on yet. */
struct header_run {
	const char *from; /* starts here */
	void (*pass)(void *context, struct weir_span bytes);
	void *context;
};

static void smtp_header_run_flush(struct header_run *run, const char *to)
{
	if (to > run->from)
		run->pass(run->context, weir_span(run->from, (size_t)(to - run->from)));
	run->from = to;
}

static void smtp_header_note(struct smtp_header *header)
{
	struct weir_span name = weir_span_trim(weir_span(header->name, header->size));
	if (weir_span_equal(name, WEIR_SPAN("received")))
		header->received += header->received < UINT16_MAX;
	else if (weir_span_equal(name, WEIR_SPAN("date")))
		header->date = true;
	else if (weir_span_equal(name, WEIR_SPAN("message-id")))
		header->message_id = true;
	else if (weir_span_equal(name, WEIR_SPAN("bcc")))
		header->drop = header->drop_bcc;
	else if (weir_span_equal(name, WEIR_SPAN("return-path")))
		header->drop = header->drop_return_path;
}

/* Takes the next byte of the name, or the byte behind it. */
static void smtp_header_consume(struct smtp_header *header, char c)
{
	bool full = header->size == sizeof header->name;
	bool folded = header->size == 0 && (c == ' ' || c == '\t');
	if (header->size == 0 && !folded)
		header->drop = false;
	if (c == ':')
		smtp_header_note(header);
	if (c == ':' || c == '\n' || full || folded) {
		header->inside = true;
		return;
	}
	header->raw[header->size] = c;
	header->name[header->size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The name is complete. `before` bytes of it are from an earlier scan; the rest is in the run. */
static void smtp_header_decide(
        const struct smtp_header *header, struct header_run *run, size_t before, const char *line)
{
	if (header->drop) {
		smtp_header_run_flush(run, line);
		return;
	}
	if (before)
		run->pass(run->context, weir_span(header->raw, before));
}

size_t smtp_header_scan(struct smtp_header *header, struct weir_span bytes,
        void (*pass)(void *context, struct weir_span bytes), void *context)
{
	struct header_run run = {bytes.data, pass, context};
	const char *at = bytes.data, *end = bytes.data + bytes.size, *line = at;
	size_t before = header->inside ? 0 : header->size;
	header->cr = false;
	while (at < end) {
		if (!header->inside && header->size == 0 && *at == '\r') {
			header->cr = at + 1 == end;
			header->ended = !header->cr && at[1] == '\n';
			if (header->cr || header->ended)
				break;
		}
		if (!header->inside) {
			smtp_header_consume(header, *at);
			if (header->inside)
				smtp_header_decide(header, &run, before, line);
			else
				at++;
			continue;
		}
		const char *found = memchr(at, '\n', (size_t)(end - at));
		at = found ? found + 1 : end;
		header->broken_off = !found && !header->drop;
		if (header->drop)
			run.from = at;
		if (!found)
			break;
		line = at;
		header->inside = false;
		header->size = 0;
		before = 0;
	}
	/* An incomplete name is not passed on yet. */
	smtp_header_run_flush(&run, !header->inside && header->size ? line : at);
	return (size_t)(at - bytes.data);
}

void smtp_header_flush(struct smtp_header *header,
        void (*pass)(void *context, struct weir_span bytes), void *context)
{
	if (header->inside || !header->size)
		return;
	header->broken_off = true;
	header->inside = true;
	pass(context, weir_span(header->raw, header->size));
}

/* -- trace fields ------------------------------------------------------------------------------ */

/*
 * The fields that a server adds in front of a message, and those that a submission server adds to
 * its header. All text from the client has passed a parser that refuses bytes that could end a line
 * or a comment.
 */

enum {
	DATE_MAX = 40
};

/* RFC 5322 3.3, in UTC. */
static const char *smtp_trace_date(const struct smtp_transaction *transaction, char text[DATE_MAX])
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
	        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)weir_loop_wall_s(transaction->server->loop);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	snprintf(text, DATE_MAX, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday % 7],
	        tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	        tm.tm_sec);
	return text;
}

/* "ESMTPSA" and the others (RFC 3848, RFC 6531 4.3). */
static void smtp_trace_protocol(const struct smtp_transaction *transaction, char text[16])
{
	const struct smtp_session *session = transaction->session;
	bool lmtp = smtp_is_lmtp(session), utf8 = transaction->envelope.utf8;
	const char *plain = session->extended ? "ESMTP" : "SMTP";
	if (lmtp)
		plain = "LMTP";
	snprintf(text, 16, "%s%s%s%s", utf8 ? "UTF8" : "", utf8 && !lmtp ? "SMTP" : plain,
	        transaction->secure ? "S" : "", transaction->user.size ? "A" : "");
}

/* " (TLSv1.3 TLS_AES_128_GCM_SHA256)" */
static void smtp_trace_tls_comment(const struct smtp_transaction *transaction, char text[128])
{
	struct weir_tls_info info;
	text[0] = 0;
	if (weir_channel_tls(transaction->session->channel, &info))
		snprintf(text, 128, "\r\n\t(%s %s)", info.version, info.cipher);
}

/* "for <…>", if that does not disclose another recipient. */
static void smtp_trace_for_whom(const struct smtp_transaction *transaction, char text[400])
{
	const struct smtp_route *way =
	        transaction->local.recipients.size ? &transaction->local : &transaction->relay;
	const struct weir_mail_recipient *first =
	        (const struct weir_mail_recipient *)(const void *)way->recipients.data;
	text[0] = 0;
	if (transaction->local.recipients.size + transaction->relay.recipients.size ==
	        sizeof *first)
		snprintf(text, 400, "\r\n\tfor <%.*s>", (int)first->address.size,
		        first->address.data);
}

size_t smtp_trace_received(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX])
{
	char host[WEIR_ADDRESS_TEXT_MAX], tls[128], recipient[400], with[16], when[DATE_MAX];
	weir_address_host(&transaction->peer, host);
	smtp_trace_tls_comment(transaction, tls);
	smtp_trace_for_whom(transaction, recipient);
	smtp_trace_protocol(transaction, with);
	int size = snprintf(text, SMTP_TRACE_MAX,
	        "Received: from %.*s ([%s%s])%s\r\n\tby %s with %s id %s%s;\r\n\t%s\r\n",
	        (int)transaction->helo.size, transaction->helo.data,
	        strchr(host, ':') ? "IPv6:" : "", host, tls, transaction->server->options.hostname,
	        with, transaction->id, recipient, smtp_trace_date(transaction, when));
	return size < SMTP_TRACE_MAX ? (size_t)size : SMTP_TRACE_MAX - 1;
}

size_t smtp_trace_return_path(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX])
{
	struct weir_span sender = transaction->envelope.sender;
	return (size_t)snprintf(text, SMTP_TRACE_MAX, "Return-Path: <%.*s>\r\n", (int)sender.size,
	        sender.size ? sender.data : "");
}

size_t smtp_trace_missing(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX])
{
	char when[DATE_MAX];
	int size = 0;
	if (!transaction->header.date)
		size += snprintf(
		        text, SMTP_TRACE_MAX, "Date: %s\r\n", smtp_trace_date(transaction, when));
	if (!transaction->header.message_id)
		size += snprintf(text + size, SMTP_TRACE_MAX - (size_t)size,
		        "Message-ID: <%s@%s>\r\n", transaction->id,
		        transaction->server->options.hostname);
	return (size_t)size;
}
