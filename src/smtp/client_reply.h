/* A server's reply (RFC 5321 4.2), line by line, and what it offers (4.1.1.1). */
#ifndef WEIR_SMTP_CLIENT_REPLY_H
#define WEIR_SMTP_CLIENT_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/limits.h>
#include <weir/span.h>

struct smtp_reply {
	unsigned code;
	unsigned lines;
	/* "550 5.1.1 Who? Never heard": its lines in one, printable, cut where it is too long. */
	char text[WEIR_SMTP_REPLY_MAX + 1];
	size_t size;
};

/*
 * The next line, without CRLF. 1: the reply is complete; 0: more lines follow; -EPROTO: that is no
 * reply. The caller makes it all zero before the next one.
 */
int smtp_reply_line(struct smtp_reply *reply, struct weir_span line);

struct smtp_offers {
	bool pipelining;
	bool eight_bit;
	bool utf8;
	bool dsn;
	bool starttls;
	bool size;
	uint64_t size_max; /* 0: it has no limit */
	char auth[256];    /* mechanisms, spaces between */
};

/* A line of the reply to EHLO but the first, without its code. */
void smtp_offer(struct smtp_offers *offers, struct weir_span line);

#endif
