/*
 * The client, for client*.c only.
 *
 *   client.c       the connection: creation, lines, end
 *   client_ehlo.c  from the greeting to the ready session: replies, EHLO, STARTTLS, AUTH
 *   client_look.c  what a message needs, read before it is sent
 *   client_send.c  sending a message
 */
#ifndef WEIR_SMTP_CLIENT_STATE_H
#define WEIR_SMTP_CLIENT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/channel.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/sasl.h>
#include <weir/smtp_client.h>
#include <weir/span.h>

#include "seven_bit.h"

/* -- client_ehlo.c: replies -------------------------------------------------------------------- */

/* A server's reply (RFC 5321 4.2), line by line. */
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

/* The extensions that the server offers (RFC 5321 4.1.1.1). */
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

/* -- the client -------------------------------------------------------------------------------- */

/* The reply that is expected next. */
enum client_state {
	CLIENT_CONNECTING, /* none: no connection, or no TLS yet */
	CLIENT_GREETING,
	CLIENT_EHLO,
	CLIENT_HELO,
	CLIENT_STARTTLS,
	CLIENT_AUTH,
	CLIENT_READY,    /* none: a message may be sent */
	CLIENT_REFUSING, /* none: the loop is about to report the results */
	CLIENT_LOOKING,  /* none: the work pool reads the message */
	CLIENT_MAIL,
	CLIENT_RCPT,
	CLIENT_DATA,
	CLIENT_MESSAGE,
	CLIENT_RSET,
	CLIENT_QUIT,
	CLIENT_ENDING, /* none: only closed() is left */
};

struct weir_smtp_client {
	struct weir_loop *loop;
	struct weir_channel *channel;
	const struct weir_smtp_client_events *events; /* NULL: aborted */
	void *context;
	enum client_state state;
	struct weir_timer timer; /* of the expected reply */
	struct weir_task task;
	struct smtp_reply reply;
	struct smtp_offers offers;
	bool in_tls;                            /* a handshake is under way */
	char tls_text[WEIR_SMTP_REPLY_MAX + 1]; /* why the handshake failed, or empty */
	struct weir_sasl_client *sasl;

	/* The message that is being sent. */
	const struct weir_smtp_mail *mail;
	bool eight_bit, utf8;       /* whether MAIL announces these */
	struct client_look *look;   /* under way, or NULL */
	struct seven_bit_plan plan; /* how the message is encoded; empty: not at all */
	uint64_t size;              /* of the message as it is sent */
	size_t index;               /* RCPT: the recipient of the next reply */
	size_t accepted;            /* number of recipients */
	unsigned char *pending;     /* for each recipient whether its result is pending; or NULL */
	struct weir_smtp_result refusal; /* the result of all recipients */

	/* The reason of the end. */
	struct weir_smtp_result why;
	char why_text[WEIR_SMTP_REPLY_MAX + 1];

	struct weir_smtp_client_options options; /* strings in `text` */
	char text[];
};

/* -- client.c ---------------------------------------------------------------------------------- */

/* Expects a reply within that time. */
void smtp_client_await(
        struct weir_smtp_client *client, enum client_state state, uint32_t within_ms);

/* Sends `line`, which has its CRLF, and expects the reply. */
void smtp_client_command(struct weir_smtp_client *client, struct weir_span line,
        enum client_state state, uint32_t within_ms);

/* Closes the connection, with this reason. */
void smtp_client_fail(struct weir_smtp_client *client, int error, const char *text);

/* Closes the connection, with the reply as the reason. */
void smtp_client_fail_reply(struct weir_smtp_client *client);

void smtp_client_become_ready(struct weir_smtp_client *client);

/* The reply did not come in time. */
void smtp_client_on_time(struct weir_timer *timer);

/* -- client_ehlo.c ----------------------------------------------------------------------------- */

/* Begins TLS, as the first thing or after the reply to STARTTLS. */
void smtp_client_start_tls(struct weir_smtp_client *client);
/* Callbacks of the channel. */
void smtp_client_on_secured(struct weir_channel *channel, size_t dropped);
void smtp_client_on_insecure(struct weir_channel *channel, const char *why);

/* Takes a complete reply, in any state. */
void smtp_client_handle_reply(struct weir_smtp_client *client);

/* -- client_send.c ----------------------------------------------------------------------------- */

/* Takes a reply to MAIL, RCPT, DATA, the message or RSET. */
void smtp_client_send_reply(struct weir_smtp_client *client);

/* Sends the message, or refuses it if `fault` is not NULL or the server cannot take it. */
void client_send_begin(struct weir_smtp_client *client, const char *fault);

/* The connection is closed: reports the results that are pending. */
void smtp_client_send_lost(struct weir_smtp_client *client);

/* -- client_look.c ----------------------------------------------------------------------------- */

/* Whether the server lacks something that the message may need. */
bool client_look_is_needed(const struct weir_smtp_client *client);

/*
 * Reads the message on the work pool, to find out what it needs, and makes a plan to encode it
 * where the server does not offer 8BITMIME. client_send_begin follows from the loop. Returns 0 or a
 * negative errno.
 */
int client_look_begin(struct weir_smtp_client *client);

/* Has no effect if nothing is under way. The file must stay open as long as the client lives. */
void client_look_cancel(struct weir_smtp_client *client);

#endif
