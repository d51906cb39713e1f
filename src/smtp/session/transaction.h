/*
 * A mail transaction (RFC 5321 3.3): the envelope, the routes of its message, and the reply to it.
 *
 *   MAIL ─▶ RCPT … ─▶ begin ─▶ write … ─▶ complete: leaves the session
 *                    hold and commit relay ─▶ commit local ─▶ release relay ─▶ the reply
 */
#ifndef WEIR_SMTP_TRANSACTION_H
#define WEIR_SMTP_TRANSACTION_H

#include <weir/buffer.h>
#include <weir/mail.h>
#include <weir/producer.h>

#include "message_data.h"
#include "header.h"
#include "smtp_session.h"

/* The route to one of the two sinks. */
struct smtp_route {
	struct weir_mail_sink *sink;         /* NULL: there is none */
	struct weir_mail_delivery *delivery; /* NULL before begin and after the end */
	struct weir_buffer recipients;       /* of struct weir_mail_recipient */
	bool full;                           /* WEIR_MAIL_FULL; ready() has not come yet */
	bool held;                           /* on the disk, and waits for its release */
};

/* The destination of an accepted recipient: a recipient of one of the routes. */
struct smtp_destination {
	uint32_t recipient;
	uint32_t index;
	bool relay;
};

struct smtp_text {
	struct smtp_text *next;
	size_t size;
	size_t capacity;
	char bytes[];
};

enum {
	SMTP_TEXT_INLINE = 640,
	SMTP_ID_MAX = 24,
	SMTP_REPLY_MAX = 512 /* bytes of a reply line (RFC 5321 4.5.3.1.5) */
};

struct smtp_transaction {
	struct weir_producer producer; /* the reply, when the message is complete */
	struct weir_list link;         /* in server->committing, when the message is complete */
	struct weir_smtp_server *server;
	struct smtp_session *session; /* NULL after it has left the session */
	struct weir_reply *reply;
	struct smtp_transaction *next; /* of the spare ones */

	struct weir_mail_envelope envelope; /* without recipients */
	struct smtp_route local, relay;
	struct weir_buffer results;      /* int; one for each recipient, 0 or a negative errno */
	struct weir_buffer destinations; /* of struct smtp_destination */
	struct weir_buffer pending;      /* bytes that wait for room in the sinks */

	struct smtp_data data;
	struct smtp_header header;
	struct weir_mail_check check; /* whether a mailbox would take the message */
	size_t checked;               /* destinations that have been checked */
	uint64_t size;                /* bytes of the message so far */
	/* The final reply, if the message has failed already; static, with its CRLF. */
	const char *failure;
	bool chunks;      /* BDAT has begun */
	bool last_chunk;  /* this chunk is the last */
	uint64_t chunk;   /* size of this chunk */
	bool complete;    /* the whole message has come */
	uint32_t replied; /* LMTP: recipients whose replies have been written */

	char id[SMTP_ID_MAX];
	struct weir_address peer; /* for the log, and Received */
	struct weir_span helo, user;
	bool secure;

	struct smtp_text *more_text;
	size_t text_size;
	char text[SMTP_TEXT_INLINE];
};

/* -- transaction.c ----------------------------------------------------------------------------- */

/* Creates the session's transaction. NULL without memory. */
struct smtp_transaction *smtp_transaction_create(struct smtp_session *session);

/* Aborts and frees it in any state. NULL is allowed. */
void smtp_transaction_destroy(struct smtp_transaction *transaction);

/* Frees the spare ones. */
void smtp_transactions_free(struct weir_smtp_server *server);

/* Copies a text that lives as long as the transaction. False without memory. */
bool smtp_transaction_copy(
        struct smtp_transaction *transaction, struct weir_span text, struct weir_span *ret);

static inline uint32_t smtp_recipient_count(const struct smtp_transaction *transaction)
{
	return (uint32_t)(transaction->results.size / sizeof(int));
}

/*
 * Begins a recipient; its destinations are added after it. `undo` removes the last recipient with
 * all its destinations. Returns 0, -ENOMEM, or WEIR_E_LIMIT if there are too many destinations.
 */
int smtp_recipient_add(struct smtp_transaction *transaction);
int smtp_destination_add(struct smtp_transaction *transaction, bool relay,
        const struct weir_mail_recipient *recipient);
void smtp_recipient_undo(struct smtp_transaction *transaction);

/* -- delivery.c -------------------------------------------------------------------------------- */

/*
 * Begins at all sinks of its routes, with the trace in front. Returns NULL, or the reply that
 * refuses.
 */
const char *smtp_delivery_begin(struct smtp_transaction *transaction);

/* Writes to all routes, now or when they have room. */
void smtp_delivery_write(struct smtp_transaction *transaction, struct weir_span bytes);

/* Whether a route has no room. */
bool smtp_delivery_full(const struct smtp_transaction *transaction);

/* Aborts the message. `reply` is static and is sent when all of the message has come. */
void smtp_delivery_fail(struct smtp_transaction *transaction, const char *reply);

/* The whole message has come: the transaction leaves its session, and replies itself. */
void smtp_delivery_complete(struct smtp_transaction *transaction);

/* -- message.c --------------------------------------------------------------------------------- */

/* Takes the bytes of the channel while a message is being received. */
void smtp_message_piece(struct smtp_session *session, struct weir_span bytes);
void smtp_message_cut(struct smtp_session *session);

/* The bytes of the message follow. */
void smtp_message_stream(struct smtp_session *session);
/* No bytes follow: the last chunk is empty. */
void smtp_message_end(struct smtp_session *session);

/* -- trace.c ----------------------------------------------------------------------------------- */

enum {
	SMTP_TRACE_MAX = 2048
};

/* Writes Received, or Return-Path (RFC 5321 4.4), to `text`; returns the length. */
size_t smtp_trace_received(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX]);
size_t smtp_trace_return_path(
        const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX]);

/* Writes the fields that a submitted message lacks (RFC 6409 8.2, 8.3); returns the length. */
size_t smtp_trace_missing(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX]);

/* -- outcome.c --------------------------------------------------------------------------------- */

/* Returns the reply for an error of a sink: static, with its CRLF. */
const char *smtp_error_reply(int error);

/*
 * Returns the worse result of a recipient: a temporary failure, then a permanent one, then success.
 */
int smtp_worse(int a, int b);

/* All results are known: replies, logs, and frees the transaction when the reply has been sent. */
void smtp_outcome_reply(struct smtp_transaction *transaction);

extern const struct weir_producer_type smtp_outcome_type;

#endif
