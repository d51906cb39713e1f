/*
 * A delivery status notification: text for people, message/delivery-status for programs, and the
 * original, or its header where that is large or the sender wanted no more (RET=HDRS).
 *
 * Invariant: nothing that a client or a server said can end a field or a part: control characters
 * and what is not ASCII are replaced, and the boundary is chance. The body's lines end in CRLF.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "dsn.h"

enum {
	TEXT_MAX = WEIR_DSN_ORIGINAL_MAX + 8 * 1024 * 1024,
	DATE = 48
};

/* -- small parts ------------------------------------------------------------------------------- */

static void format_date(int64_t seconds, char ret[DATE])
{
	struct tm tm;
	time_t time = (time_t)seconds;
	gmtime_r(&time, &tm);
	strftime(ret, DATE, "%a, %d %b %Y %H:%M:%S +0000", &tm);
}

#define PUT(text, ...) weir_buffer_format(text, TEXT_MAX, __VA_ARGS__)

/* A value in a field: one line of ASCII. */
static int put_value(struct weir_buffer *text, const char *name, struct weir_span value, bool utf8)
{
	int error = PUT(text, "%s", name);
	size_t start = text->size;
	if (error == 0)
		error = weir_buffer_append(text, value.data, value.size, TEXT_MAX);
	for (size_t i = start; i < text->size && error == 0; i++) {
		unsigned char c = (unsigned char)text->data[i];
		if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8))
			text->data[i] = '?';
	}
	return error ? error : PUT(text, "\r\n");
}

static bool is_code(const char *text)
{
	return (text[0] == '2' || text[0] == '4' || text[0] == '5') && text[1] == '.' &&
	       text[2] >= '0' && text[2] <= '9';
}

void weir_dsn_status(const char *text, enum weir_queued_state state, char ret[16])
{
	char first = state == WEIR_QUEUED_SENT ? '2' : state == WEIR_QUEUED_FAILED ? '5' : '4';
	const char *code = strchr(text, ' ');
	size_t size = code ? strspn(code + 1, "0123456789.") : 0;
	if (code && is_code(code + 1) && size < 12 && code[1] == first)
		snprintf(ret, 16, "%.*s", (int)size, code + 1);
	else /* given up after a temporary failure: it took too long (RFC 3463 3.5) */
		snprintf(ret, 16, "%c.%s", first,
		        state == WEIR_QUEUED_FAILED && *text != '5' ? "4.7" : "0.0");
}

bool weir_dsn_is_about(const struct dsn *dsn, const struct weir_queued_recipient *recipient)
{
	unsigned notify = recipient->notify;
	if (dsn->kind == DSN_FINAL)
		return recipient->state == WEIR_QUEUED_FAILED ||
		       recipient->state == WEIR_QUEUED_SENT;
	return recipient->state == WEIR_QUEUED_WAITING &&
	       (notify == WEIR_MAIL_NOTIFY_DEFAULT || notify & WEIR_MAIL_NOTIFY_DELAY);
}

static const char *action_of(const struct weir_queued_recipient *recipient)
{
	switch (recipient->state) {
	case WEIR_QUEUED_SENT:
		return "relayed";
	case WEIR_QUEUED_FAILED:
		return "failed";
	default:
		return "delayed";
	}
}

static bool any(const struct dsn *dsn, enum weir_queued_state state)
{
	for (size_t i = 0; i < dsn->queued->count; i++)
		if (dsn->queued->recipients[i].state == state &&
		        weir_dsn_is_about(dsn, &dsn->queued->recipients[i]))
			return true;
	return false;
}

/* -- the header -------------------------------------------------------------------------------- */

static const char *subject_of(const struct dsn *dsn)
{
	if (dsn->kind == DSN_LATE)
		return "Delayed: your message is still waiting";
	if (any(dsn, WEIR_QUEUED_FAILED))
		return "Failed: your message could not be delivered";
	return "Relayed: your message has gone on";
}

static int put_header(const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	char date[DATE];
	format_date(dsn->now_s, date);
	bool utf8 = dsn->queued->envelope.utf8;
	int error = PUT(text,
	        "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nSubject: %s\r\nDate: %s\r\n"
	        "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n"
	        "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
	        "\tboundary=\"%s\"\r\n",
	        dsn->host, subject_of(dsn), date, boundary, dsn->host, utf8 ? "global-" : "",
	        boundary);
	if (error == 0)
		error = put_value(text, "To: <", WEIR_SPAN(""), utf8);
	if (error < 0)
		return error;
	text->size -= 2;
	error = put_value(text, "", dsn->queued->envelope.sender, utf8);
	if (error < 0)
		return error;
	text->size -= 2;
	return PUT(text, ">\r\n\r\n");
}

/* -- for people -------------------------------------------------------------------------------- */

static int put_said(const struct dsn *dsn, enum weir_queued_state state, const char *intro,
        struct weir_buffer *text)
{
	int error = any(dsn, state) ? PUT(text, "%s\r\n\r\n", intro) : 0;
	for (size_t i = 0; i < dsn->queued->count && error == 0; i++) {
		const struct weir_queued_recipient *to = &dsn->queued->recipients[i];
		if (to->state != state || !weir_dsn_is_about(dsn, to))
			continue;
		error = put_value(text, "  ", to->address, dsn->queued->envelope.utf8);
		if (error == 0 && to->status[0])
			error = put_value(text, "      ", weir_span_of(to->status), false);
		if (error == 0)
			error = PUT(text, "\r\n");
	}
	return error;
}

static int put_people(const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	int error = PUT(text,
	        "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n%s\r\n"
	        "This is the mail server %s.\r\n\r\n",
	        boundary, dsn->queued->envelope.utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "",
	        dsn->host);
	if (error == 0)
		error = put_said(dsn, WEIR_QUEUED_FAILED,
		        "Your message could not be delivered to the following, and is given up:",
		        text);
	if (error == 0)
		error = put_said(dsn, WEIR_QUEUED_SENT,
		        "Your message was handed on to a server that tells of no delivery, for:",
		        text);
	if (error == 0 && dsn->kind == DSN_LATE)
		error = put_said(dsn, WEIR_QUEUED_WAITING,
		        "Your message is still waiting, and will be tried further, for:", text);
	return error;
}

/* -- for programs ------------------------------------------------------------------------------ */

static int put_recipient(
        const struct dsn *dsn, const struct weir_queued_recipient *to, struct weir_buffer *text)
{
	char status[16], date[DATE];
	bool utf8 = dsn->queued->envelope.utf8;
	weir_dsn_status(to->status, to->state, status);
	int error = PUT(text, "\r\n");
	if (error == 0 && to->orcpt.size)
		error = put_value(text, "Original-Recipient: ", to->orcpt, utf8);
	if (error == 0)
		error = put_value(text,
		        utf8 ? "Final-Recipient: utf-8; " : "Final-Recipient: rfc822; ",
		        to->address, utf8);
	if (error == 0)
		error = PUT(text, "Action: %s\r\nStatus: %s\r\n", action_of(to), status);
	/* Said by the next host only if it begins with its code. */
	bool said = to->status[0] >= '2' && to->status[0] <= '5';
	if (error == 0 && said)
		error = PUT(text, "Remote-MTA: dns; %s\r\n", dsn->next);
	if (error == 0 && said)
		error = put_value(text, "Diagnostic-Code: smtp; ", weir_span_of(to->status), false);
	format_date(dsn->now_s, date);
	if (error == 0)
		error = PUT(text, "Last-Attempt-Date: %s\r\n", date);
	format_date(dsn->until_s, date);
	if (error == 0 && dsn->kind == DSN_LATE)
		error = PUT(text, "Will-Retry-Until: %s\r\n", date);
	return error;
}

static int put_programs(const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	char date[DATE];
	const struct weir_queued *queued = dsn->queued;
	bool utf8 = queued->envelope.utf8;
	format_date(queued->arrived_s, date);
	int error = PUT(text, "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n", boundary,
	        utf8 ? "global-" : "", utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	if (error == 0 && queued->envelope.envid.size)
		error = put_value(text, "Original-Envelope-Id: ", queued->envelope.envid, false);
	if (error == 0)
		error = PUT(
		        text, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n", dsn->host, date);
	for (size_t i = 0; i < queued->count && error == 0; i++)
		if (weir_dsn_is_about(dsn, &queued->recipients[i]))
			error = put_recipient(dsn, &queued->recipients[i], text);
	return error ? error : PUT(text, "\r\n");
}

/* -- the original ------------------------------------------------------------------------------ */

/* Up to `most` bytes of the message. */
static int read_original(const struct weir_queued *queued, size_t most, struct weir_buffer *ret)
{
	size_t size = queued->size < most ? (size_t)queued->size : most;
	int error = weir_buffer_reserve(ret, size, size);
	while (error == 0 && ret->size < size) {
		ssize_t got = pread(
		        queued->fd, ret->data + ret->size, size - ret->size, (off_t)ret->size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -EIO;
		ret->size += (size_t)got;
	}
	return error;
}

/* The header with the line end of its last field; cut at a line where it is too large. */
static struct weir_span header_of(struct weir_span message)
{
	size_t line = 0;
	for (size_t at = 0; at < message.size; at++) {
		if (message.data[at] != '\n')
			continue;
		if (at - line < 2 && (at == line || message.data[line] == '\r'))
			return weir_span(message.data, line);
		line = at + 1;
	}
	return weir_span(message.data, line);
}

static int put_original(const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	const struct weir_mail_envelope *envelope = &dsn->queued->envelope;
	/* Of what was not given up the header is enough (RFC 3461 6.2). */
	bool whole = !envelope->headers_only && dsn->queued->size <= WEIR_DSN_ORIGINAL_MAX &&
	             dsn->kind == DSN_FINAL && any(dsn, WEIR_QUEUED_FAILED);
	struct weir_buffer original = {0};
	int error = read_original(dsn->queued, WEIR_DSN_ORIGINAL_MAX, &original);
	struct weir_span bytes = weir_buffer_span(&original);
	const char *type = envelope->utf8 ? "message/global" : "message/rfc822";
	if (!whole) {
		bytes = header_of(bytes);
		type = envelope->utf8 ? "message/global-headers" : "text/rfc822-headers";
	}
	bool wide = envelope->utf8 || envelope->eight_bit;
	if (error == 0)
		error = PUT(text, "--%s\r\nContent-Type: %s\r\n%s\r\n", boundary, type,
		        wide ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	if (error == 0)
		error = weir_buffer_append(text, bytes.data, bytes.size, TEXT_MAX);
	weir_buffer_free(&original);
	return error ? error : PUT(text, "\r\n--%s--\r\n", boundary);
}

int weir_dsn_compose(const struct dsn *dsn, struct weir_buffer *text)
{
	uint64_t chance[2];
	char boundary[48];
	if (getrandom(chance, sizeof chance, 0) != sizeof chance)
		return -EIO;
	snprintf(boundary, sizeof boundary, "weir.%016llx%016llx", (unsigned long long)chance[0],
	        (unsigned long long)chance[1]);
	int error = put_header(dsn, boundary, text);
	if (error == 0)
		error = put_people(dsn, boundary, text);
	if (error == 0)
		error = put_programs(dsn, boundary, text);
	return error ? error : put_original(dsn, boundary, text);
}
