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
	/*
	 * "550 5.1.1 User unknown": the lines joined, without control characters, cut if too long.
	 */
	char text[WEIR_SMTP_REPLY_MAX + 1];
	size_t size;
};

/*
 * Takes the next line, without CRLF. Returns 1 if the reply is complete, 0 if more lines follow, or
 * -EPROTO if the line is not a reply. The caller zeroes the struct before the next reply.
 */
int smtp_reply_line(struct smtp_reply *reply, struct weir_span line);

struct smtp_offers {
	bool pipelining;
	bool eight_bit;
	bool utf8;
	bool dsn;
	bool starttls;
	bool size;
	uint64_t size_max; /* 0: no limit */
	char auth[256];    /* mechanisms, separated by spaces */
};

/* Takes a line of the reply to EHLO, except the first, without its code. */
void smtp_offer(struct smtp_offers *offers, struct weir_span line);

#endif
