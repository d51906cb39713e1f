/*
 * A delivery status notification: a text for people, message/delivery-status for programs, and the
 * original. If that is large, or the sender asked for no more (RET=HDRS), only its header is
 * returned.
 *
 * Invariants: texts of clients and servers cannot end a field or a part, since control characters
 * are replaced and the boundary is random. Any server that accepts the sender's address accepts the
 * notification: it is ASCII, unless that address is not, and its lines are not too long. If the
 * original does not fit in there, its header is sent in quoted-printable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "relay_state.h"

enum {
	TEXT_MAX = WEIR_DSN_ORIGINAL_MAX + 8 * 1024 * 1024,
	DATE = 48,
	LINE_MAX = 998,  /* bytes, without its CRLF (RFC 5322 2.1.1) */
	QUOTED_MAX = 75, /* bytes of a line in quoted-printable, without the = that continues it */
};

/* -- small parts ------------------------------------------------------------------------------- */

static void smtp_dsn_format_date(int64_t seconds, char ret[DATE])
{
	struct tm tm;
	time_t time = (time_t)seconds;
	gmtime_r(&time, &tm);
	strftime(ret, DATE, "%a, %d %b %Y %H:%M:%S +0000", &tm);
}

#define EIGHT_BIT "Content-Transfer-Encoding: 8bit\r\n"
#define PUT(text, ...) weir_buffer_format(text, TEXT_MAX, __VA_ARGS__)

bool dsn_needs_utf8(const struct dsn *dsn)
{
	struct weir_span sender = dsn->queued->envelope.sender;
	for (size_t i = 0; i < sender.size; i++)
		if (sender.data[i] & 0x80)
			return true;
	return false;
}

static bool smtp_dsn_is_ascii(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] & 0x80)
			return false;
	return true;
}

/* Decodes the UTF-8 sequence at the front. A byte that starts no sequence is its own code. */
static uint32_t smtp_dsn_utf8_code(struct weir_span text, size_t *ret_size)
{
	unsigned char first = (unsigned char)text.data[0];
	size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
	*ret_size = 1;
	if (size == 1 || size > text.size)
		return first;
	uint32_t code = first & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		if ((text.data[i] & 0xc0) != 0x80)
			return first;
		code = code << 6 | (text.data[i] & 0x3f);
	}
	*ret_size = size;
	return code;
}

/* Writes an address beyond ASCII as utf-8-addr-xtext (RFC 6533 3). */
static int smtp_dsn_put_address(
        struct weir_buffer *text, const char *name, struct weir_span address)
{
	int error = PUT(text, "%s", name);
	while (address.size && error == 0) {
		size_t size;
		uint32_t code = smtp_dsn_utf8_code(address, &size);
		if (code > 0x7e || code == '\\')
			error = PUT(text, "\\x{%02X}", code);
		else
			error = PUT(text, "%c", code < ' ' ? '?' : (int)code);
		address = weir_span_skip(address, size);
	}
	return error ? error : PUT(text, "\r\n");
}

/* Writes the value of a field: one line of ASCII. */
static int smtp_dsn_put_value(
        struct weir_buffer *text, const char *name, struct weir_span value, bool utf8)
{
	int error = PUT(text, "%s", name);
	size_t start = text->size;
	if (error == 0)
		error = weir_buffer_append(text, value.data, value.size, TEXT_MAX);
	for (size_t i = start; i < text->size && error == 0; i++) {
		char c = text->data[i];
		if (text_is_control(c) || ((unsigned char)c > 0x7f && !utf8))
			text->data[i] = '?';
	}
	return error ? error : PUT(text, "\r\n");
}

static bool smtp_dsn_is_code(const char *text)
{
	return (text[0] == '2' || text[0] == '4' || text[0] == '5') && text[1] == '.' &&
	       text[2] >= '0' && text[2] <= '9';
}

static void smtp_dsn_status(const char *text, enum weir_queued_state state, char ret[16])
{
	char first = state == WEIR_QUEUED_SENT ? '2' : state == WEIR_QUEUED_FAILED ? '5' : '4';
	const char *code = strchr(text, ' ');
	size_t size = code ? strspn(code + 1, "0123456789.") : 0;
	if (code && smtp_dsn_is_code(code + 1) && size < 12 && code[1] == first)
		snprintf(ret, 16, "%.*s", (int)size, code + 1);
	else /* a temporary failure for too long (RFC 3463 3.5) */
		snprintf(ret, 16, "%c.%s", first,
		        state == WEIR_QUEUED_FAILED && *text != '5' ? "4.7" : "0.0");
}

bool smtp_dsn_is_about(const struct dsn *dsn, const struct weir_queued_recipient *recipient)
{
	unsigned notify = recipient->notify;
	if (dsn->kind == DSN_FINAL)
		return recipient->state == WEIR_QUEUED_FAILED ||
		       recipient->state == WEIR_QUEUED_SENT;
	return recipient->state == WEIR_QUEUED_WAITING &&
	       (notify == WEIR_MAIL_NOTIFY_DEFAULT || notify & WEIR_MAIL_NOTIFY_DELAY);
}

static const char *smtp_dsn_action_of(const struct weir_queued_recipient *recipient)
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

static bool smtp_dsn_any(const struct dsn *dsn, enum weir_queued_state state)
{
	for (size_t i = 0; i < dsn->queued->count; i++)
		if (dsn->queued->recipients[i].state == state &&
		        smtp_dsn_is_about(dsn, &dsn->queued->recipients[i]))
			return true;
	return false;
}

/* -- the header -------------------------------------------------------------------------------- */

static const char *smtp_dsn_subject_of(const struct dsn *dsn)
{
	if (dsn->kind == DSN_DELAYED)
		return "Delayed: your message has not been delivered yet";
	if (smtp_dsn_any(dsn, WEIR_QUEUED_FAILED))
		return "Failed: your message could not be delivered";
	return "Relayed: your message has been passed on";
}

static int smtp_dsn_put_header(
        const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	char date[DATE];
	smtp_dsn_format_date(dsn->now_s, date);
	bool utf8 = dsn_needs_utf8(dsn);
	int error = PUT(text,
	        "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nSubject: %s\r\nDate: %s\r\n"
	        "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n"
	        "Content-Type: multipart/report; report-type=%sdelivery-status;\r\n"
	        "\tboundary=\"%s\"\r\n%s",
	        dsn->host, smtp_dsn_subject_of(dsn), date, boundary, dsn->host,
	        utf8 ? "global-" : "", boundary, utf8 ? EIGHT_BIT : "");
	if (error == 0)
		error = smtp_dsn_put_value(text, "To: <", WEIR_SPAN(""), utf8);
	if (error < 0)
		return error;
	text->size -= 2;
	error = smtp_dsn_put_value(text, "", dsn->queued->envelope.sender, utf8);
	if (error < 0)
		return error;
	text->size -= 2;
	return PUT(text, ">\r\n\r\n");
}

/* -- for people -------------------------------------------------------------------------------- */

static int smtp_dsn_put_results(const struct dsn *dsn, enum weir_queued_state state,
        const char *intro, struct weir_buffer *text)
{
	int error = smtp_dsn_any(dsn, state) ? PUT(text, "%s\r\n\r\n", intro) : 0;
	for (size_t i = 0; i < dsn->queued->count && error == 0; i++) {
		const struct weir_queued_recipient *to = &dsn->queued->recipients[i];
		if (to->state != state || !smtp_dsn_is_about(dsn, to))
			continue;
		if (dsn_needs_utf8(dsn) || smtp_dsn_is_ascii(to->address))
			error = smtp_dsn_put_value(text, "  ", to->address, true);
		else
			error = smtp_dsn_put_address(text, "  ", to->address);
		if (error == 0 && to->status[0])
			error = smtp_dsn_put_value(text, "      ", weir_span_of(to->status), false);
		if (error == 0)
			error = PUT(text, "\r\n");
	}
	return error;
}

static int smtp_dsn_put_people(
        const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	int error = PUT(text,
	        "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n%s\r\n"
	        "This is the mail server %s.\r\n\r\n",
	        boundary, dsn_needs_utf8(dsn) ? EIGHT_BIT : "", dsn->host);
	if (error == 0)
		error = smtp_dsn_put_results(dsn, WEIR_QUEUED_FAILED,
		        "Your message could not be delivered to these recipients:", text);
	if (error == 0)
		error = smtp_dsn_put_results(dsn, WEIR_QUEUED_SENT,
		        "Your message was passed on to a server that does not report deliveries, for these recipients:",
		        text);
	if (error == 0 && dsn->kind == DSN_DELAYED)
		error = smtp_dsn_put_results(dsn, WEIR_QUEUED_WAITING,
		        "Your message has not been delivered yet to these recipients. Weir will try again:",
		        text);
	return error;
}

/* -- for programs ------------------------------------------------------------------------------ */

static int smtp_dsn_put_recipient(
        const struct dsn *dsn, const struct weir_queued_recipient *to, struct weir_buffer *text)
{
	char status[16], date[DATE];
	bool utf8 = dsn_needs_utf8(dsn), ascii = smtp_dsn_is_ascii(to->address);
	smtp_dsn_status(to->status, to->state, status);
	int error = PUT(text, "\r\n");
	if (error == 0 && to->orcpt.size)
		error = smtp_dsn_put_value(text, "Original-Recipient: ", to->orcpt, utf8);
	if (error == 0 && !utf8 && !ascii)
		error = smtp_dsn_put_address(text, "Final-Recipient: utf-8; ", to->address);
	else if (error == 0)
		error = smtp_dsn_put_value(text,
		        utf8 ? "Final-Recipient: utf-8; " : "Final-Recipient: rfc822; ",
		        to->address, utf8);
	if (error == 0)
		error = PUT(text, "Action: %s\r\nStatus: %s\r\n", smtp_dsn_action_of(to), status);
	/* The text is a reply of the next host only if it begins with a code. */
	bool replied = to->status[0] >= '2' && to->status[0] <= '5';
	if (error == 0 && replied)
		error = PUT(text, "Remote-MTA: dns; %s\r\n", dsn->next);
	if (error == 0 && replied)
		error = smtp_dsn_put_value(
		        text, "Diagnostic-Code: smtp; ", weir_span_of(to->status), false);
	smtp_dsn_format_date(dsn->now_s, date);
	if (error == 0)
		error = PUT(text, "Last-Attempt-Date: %s\r\n", date);
	smtp_dsn_format_date(dsn->until_s, date);
	if (error == 0 && dsn->kind == DSN_DELAYED)
		error = PUT(text, "Will-Retry-Until: %s\r\n", date);
	return error;
}

static int smtp_dsn_put_programs(
        const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	char date[DATE];
	const struct weir_queued *queued = dsn->queued;
	bool utf8 = dsn_needs_utf8(dsn);
	smtp_dsn_format_date(queued->arrived_s, date);
	int error = PUT(text, "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n", boundary,
	        utf8 ? "global-" : "", utf8 ? EIGHT_BIT : "");
	if (error == 0 && queued->envelope.envid.size)
		error = smtp_dsn_put_value(
		        text, "Original-Envelope-Id: ", queued->envelope.envid, false);
	if (error == 0)
		error = PUT(
		        text, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n", dsn->host, date);
	for (size_t i = 0; i < queued->count && error == 0; i++)
		if (smtp_dsn_is_about(dsn, &queued->recipients[i]))
			error = smtp_dsn_put_recipient(dsn, &queued->recipients[i], text);
	return error ? error : PUT(text, "\r\n");
}

/* -- the original ------------------------------------------------------------------------------ */

/* Reads up to `most` bytes of the message. */
static int smtp_dsn_read_original(
        const struct weir_queued *queued, size_t most, struct weir_buffer *ret)
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

/*
 * Returns the header with the last line end of its fields; a header that is too large is cut at a
 * line.
 */
static struct weir_span smtp_dsn_header_of(struct weir_span message)
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

/* Whether all lines end in CRLF, are not too long, have no NUL, and are ASCII unless `utf8`. */
static bool smtp_dsn_can_go_as_it_is(struct weir_span bytes, bool utf8)
{
	size_t line = 0;
	for (size_t at = 0; at < bytes.size; at++, line++) {
		unsigned char c = (unsigned char)bytes.data[at];
		if (c == 0 || (c > 0x7f && !utf8) || line > LINE_MAX)
			return false;
		if (c == '\n' && (at == 0 || bytes.data[at - 1] != '\r'))
			return false;
		if (c == '\r' && (at + 1 == bytes.size || bytes.data[at + 1] != '\n'))
			return false;
		if (c == '\n')
			line = 0;
	}
	return true;
}

/* Writes quoted-printable (RFC 2045 6.7). A bare CR or LF is encoded. */
static int smtp_dsn_put_quoted(struct weir_buffer *text, struct weir_span bytes)
{
	size_t column = 0;
	int error = 0;
	for (size_t at = 0; at < bytes.size && error == 0; at++) {
		unsigned char c = (unsigned char)bytes.data[at];
		bool ends = at + 1 < bytes.size && bytes.data[at + 1] == '\n';
		if (c == '\r' && ends) {
			error = PUT(text, "\r\n");
			column = 0;
			at++;
			continue;
		}
		bool last = at + 1 == bytes.size || bytes.data[at + 1] == '\r';
		bool plain =
		        (c > ' ' && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !last);
		if (column + (plain ? 1 : 3) > QUOTED_MAX) {
			error = PUT(text, "=\r\n");
			column = 0;
		}
		if (error == 0 && plain)
			error = weir_buffer_append(text, &bytes.data[at], 1, TEXT_MAX);
		else if (error == 0)
			error = PUT(text, "=%02X", c);
		column += plain ? 1 : 3;
	}
	return error;
}

static int smtp_dsn_put_headers(const struct dsn *dsn, const char *boundary,
        struct weir_span header, struct weir_buffer *text)
{
	if (smtp_dsn_can_go_as_it_is(header, false)) {
		int error =
		        PUT(text, "--%s\r\nContent-Type: text/rfc822-headers\r\n\r\n", boundary);
		return error ? error : weir_buffer_append(text, header.data, header.size, TEXT_MAX);
	}
	if (dsn_needs_utf8(dsn) && smtp_dsn_can_go_as_it_is(header, true)) {
		int error = PUT(text, "--%s\r\nContent-Type: message/global-headers\r\n%s\r\n",
		        boundary, EIGHT_BIT);
		return error ? error : weir_buffer_append(text, header.data, header.size, TEXT_MAX);
	}
	int error = PUT(text,
	        "--%s\r\nContent-Type: text/rfc822-headers; charset=utf-8\r\n"
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
	        boundary);
	return error ? error : smtp_dsn_put_quoted(text, header);
}

static int smtp_dsn_put_original(
        const struct dsn *dsn, const char *boundary, struct weir_buffer *text)
{
	const struct weir_mail_envelope *envelope = &dsn->queued->envelope;
	bool utf8 = dsn_needs_utf8(dsn);
	/* Without a failure the header is enough (RFC 3461 6.2). */
	bool whole = !envelope->headers_only && dsn->queued->size <= WEIR_DSN_ORIGINAL_MAX &&
	             dsn->kind == DSN_FINAL && smtp_dsn_any(dsn, WEIR_QUEUED_FAILED);
	struct weir_buffer original = {0};
	int error = smtp_dsn_read_original(dsn->queued, WEIR_DSN_ORIGINAL_MAX, &original);
	struct weir_span bytes = weir_buffer_span(&original);
	whole = whole && smtp_dsn_can_go_as_it_is(bytes, utf8);
	if (error == 0 && whole) {
		error = PUT(text, "--%s\r\nContent-Type: %s\r\n%s\r\n", boundary,
		        utf8 ? "message/global" : "message/rfc822", utf8 ? EIGHT_BIT : "");
		if (error == 0)
			error = weir_buffer_append(text, bytes.data, bytes.size, TEXT_MAX);
	} else if (error == 0) {
		error = smtp_dsn_put_headers(dsn, boundary, smtp_dsn_header_of(bytes), text);
	}
	weir_buffer_finish(&original);
	return error ? error : PUT(text, "\r\n--%s--\r\n", boundary);
}

int smtp_dsn_compose(const struct dsn *dsn, struct weir_buffer *text)
{
	uint64_t chance[2];
	char boundary[48];
	if (getrandom(chance, sizeof chance, 0) != sizeof chance)
		return -EIO;
	snprintf(boundary, sizeof boundary, "weir.%016llx%016llx", (unsigned long long)chance[0],
	        (unsigned long long)chance[1]);
	int error = smtp_dsn_put_header(dsn, boundary, text);
	if (error == 0)
		error = smtp_dsn_put_people(dsn, boundary, text);
	if (error == 0)
		error = smtp_dsn_put_programs(dsn, boundary, text);
	return error ? error : smtp_dsn_put_original(dsn, boundary, text);
}
