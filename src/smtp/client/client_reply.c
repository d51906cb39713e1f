/*
 * Replies: three digits, the same in all lines, and `-` behind them if more lines follow. The texts
 * of servers go into logs and notifications, so that control characters are replaced here.
 */
#include <errno.h>
#include <string.h>

#include "client_reply.h"

enum {
	CODE = 3
};

static void smtp_client_reply_put(struct smtp_reply *reply, struct weir_span text)
{
	for (size_t i = 0; i < text.size && reply->size < WEIR_SMTP_REPLY_MAX; i++) {
		unsigned char c = (unsigned char)text.data[i];
		reply->text[reply->size++] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
}

/* An enhanced status code (RFC 3463) is repeated in each line; only the first is copied. */
static struct weir_span smtp_client_reply_without_enhanced(
        const struct smtp_reply *reply, struct weir_span text)
{
	size_t size = 0;
	const char *said = reply->text + CODE + 1;
	while (size < text.size &&
	        (text.data[size] == '.' || (text.data[size] >= '0' && text.data[size] <= '9')))
		size++;
	if (size < 5 || size == text.size || text.data[size] != ' ' ||
	        reply->size < CODE + 1 + size || memcmp(said, text.data, size) != 0)
		return text;
	return weir_span_skip(text, size + 1);
}

int smtp_reply_line(struct smtp_reply *reply, struct weir_span line)
{
	unsigned code = 0;
	if (line.size < CODE || ++reply->lines > WEIR_SMTP_REPLY_LINES_MAX)
		return -EPROTO;
	for (int i = 0; i < CODE; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return -EPROTO;
		code = code * 10 + (unsigned)(line.data[i] - '0');
	}
	if (code < 200 || code > 599 || (reply->code && code != reply->code))
		return -EPROTO;
	bool last = line.size == CODE || line.data[CODE] == ' ';
	if (!last && line.data[CODE] != '-')
		return -EPROTO;
	struct weir_span text = weir_span_skip(line, line.size > CODE ? CODE + 1 : CODE);
	if (!reply->code)
		smtp_client_reply_put(reply, weir_span(line.data, CODE));
	else
		text = smtp_client_reply_without_enhanced(reply, text);
	reply->code = code;
	if (text.size) {
		smtp_client_reply_put(reply, WEIR_SPAN(" "));
		smtp_client_reply_put(reply, text);
	}
	reply->text[reply->size] = 0;
	return last;
}

static void smtp_client_reply_offer_auth(struct smtp_offers *offers, struct weir_span list)
{
	size_t size = strlen(offers->auth), room = sizeof offers->auth - 1 - size;
	if (list.size + 1 > room)
		return;
	if (size)
		offers->auth[size++] = ' ';
	memcpy(offers->auth + size, list.data, list.size);
	offers->auth[size + list.size] = 0;
}

void smtp_offer(struct smtp_offers *offers, struct weir_span line)
{
	struct weir_span keyword;
	bool more = weir_span_cut(&line, ' ', &keyword);
	if (weir_span_equal_nocase(keyword, WEIR_SPAN("PIPELINING")))
		offers->pipelining = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("8BITMIME")))
		offers->eight_bit = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("SMTPUTF8")))
		offers->utf8 = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("DSN")))
		offers->dsn = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("STARTTLS")))
		offers->starttls = true;
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("AUTH")) && more)
		smtp_client_reply_offer_auth(offers, line);
	else if (weir_span_equal_nocase(keyword, WEIR_SPAN("SIZE"))) {
		offers->size = true;
		if (weir_span_number(weir_span_trim(line), 10, &offers->size_max) < 0)
			offers->size_max = 0;
	}
}
