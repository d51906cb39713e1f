/* The client's state, for client*.c only. */
#ifndef WEIR_SMTP_CLIENT_STATE_H
#define WEIR_SMTP_CLIENT_STATE_H

#include <weir/buffer.h>
#include <weir/channel.h>
#include <weir/loop.h>
#include <weir/sasl.h>
#include <weir/smtp_client.h>

#include "client_reply.h"

/* Which reply comes next. */
enum client_state {
	CLIENT_CONNECTING, /* none: no connection, or no TLS yet */
	CLIENT_GREETING,
	CLIENT_EHLO,
	CLIENT_HELO,
	CLIENT_STARTTLS,
	CLIENT_AUTH,
	CLIENT_READY,    /* none */
	CLIENT_REFUSING, /* none: the recipients are told from the loop */
	CLIENT_LOOKING,  /* none: the work pool looks at the message */
	CLIENT_MAIL,
	CLIENT_RCPT,
	CLIENT_DATA,
	CLIENT_MESSAGE,
	CLIENT_RSET,
	CLIENT_QUIT,
	CLIENT_ENDING, /* none: closed() is all that is left */
};

struct weir_smtp_client {
	struct weir_loop *loop;
	struct weir_channel *channel;
	const struct weir_smtp_client_events *events; /* NULL: aborted */
	void *context;
	enum client_state state;
	struct weir_timer timer; /* of the reply */
	struct weir_task task;
	struct smtp_reply reply;
	struct smtp_offers offers;
	bool in_tls;                            /* a handshake is under way */
	char tls_text[WEIR_SMTP_REPLY_MAX + 1]; /* why it failed; empty: it has not */
	struct weir_sasl_client *sasl;

	/* The message that is being sent. */
	const struct weir_smtp_mail *mail;
	bool eight_bit, utf8;     /* what is said of it: what it needs, of what its sender said */
	struct client_look *look; /* under way, or NULL */
	size_t index;        /* RCPT: of whom the next reply is; afterwards: who has been told */
	size_t accepted;     /* recipients */
	unsigned char *good; /* one a recipient: not told of yet; NULL: nobody is */
	struct weir_smtp_result refusal; /* of all recipients */

	/* What ended it: code, error, text. */
	struct weir_smtp_result why;
	char why_text[WEIR_SMTP_REPLY_MAX + 1];

	struct weir_smtp_client_options options; /* strings in `text` */
	char text[];
};

/* -- client.c ---------------------------------------------------------------------------------- */

/* Awaits a reply, for so long. */
void smtp_client_await(
        struct weir_smtp_client *client, enum client_state state, uint32_t within_ms);

/* Sends `line`, which has its CRLF, and awaits the reply. */
void smtp_client_say(struct weir_smtp_client *client, struct weir_span line,
        enum client_state state, uint32_t within_ms);

/* Ends the connection: this is why. */
void smtp_client_fail(struct weir_smtp_client *client, int error, const char *text);

/* … the reply is. */
void smtp_client_fail_reply(struct weir_smtp_client *client);

void smtp_client_become_ready(struct weir_smtp_client *client);

/* -- client_auth.c ----------------------------------------------------------------------------- */

void smtp_client_authenticate(struct weir_smtp_client *client);
void smtp_client_auth_reply(struct weir_smtp_client *client);

/* -- client_send.c ----------------------------------------------------------------------------- */

/* A reply of MAIL, RCPT, DATA, MESSAGE or RSET. */
void smtp_client_send_reply(struct weir_smtp_client *client);

/* The message is known: sends it, or refuses. `fault` NULL: it can be sent. */
void client_send_begin(struct weir_smtp_client *client, const char *fault);

/* -- client_look.c ----------------------------------------------------------------------------- */

/*
 * Looks at the message on the work pool; client_send_begin follows, from the loop. 0, or a negative
 * errno.
 */
int client_look_begin(struct weir_smtp_client *client);

/* Harmless if nothing is under way. The file must stay open until the client is gone. */
void client_look_cancel(struct weir_smtp_client *client);

/* -- more of client_send.c --------------------------------------------------------------------- */

/* The connection is gone: those who have not been told are. */
void smtp_client_send_lost(struct weir_smtp_client *client);

#endif
