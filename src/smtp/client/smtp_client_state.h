/* The state of the client, for client*.c only. */
#ifndef WEIR_SMTP_CLIENT_STATE_H
#define WEIR_SMTP_CLIENT_STATE_H

#include <weir/buffer.h>
#include <weir/channel.h>
#include <weir/loop.h>
#include <weir/sasl.h>
#include <weir/smtp_client.h>

#include "client_reply.h"
#include "seven_bit.h"

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

void smtp_client_authenticate(struct weir_smtp_client *client);
void smtp_client_auth_reply(struct weir_smtp_client *client);

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
