/*
 * A mail transaction (RFC 5321 3.3): the envelope, the ways its message takes, and the reply to it.
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

/* One of the two sinks, and what goes there. */
struct smtp_way {
	struct weir_mail_sink *sink;         /* NULL: there is none */
	struct weir_mail_delivery *delivery; /* NULL before begin, and when it is over */
	struct weir_buffer recipients;       /* of struct weir_mail_recipient */
	bool full;                           /* it has said so; ready is to come */
	bool held;                           /* on the disk, and waits to be released */
};

/* What a recipient that was accepted became: a place in one of the ways. */
struct smtp_place {
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
	SMTP_REPLY_MAX = 512 /* bytes of a reply's line (RFC 5321 4.5.3.1.5) */
};

struct smtp_transaction {
	struct weir_producer producer; /* the reply, when the message is complete */
	struct weir_list link;         /* in server->committing, then */
	struct weir_smtp_server *server;
	struct smtp_session *session; /* NULL since it has left it */
	struct weir_reply *reply;
	struct smtp_transaction *next; /* spare */

	struct weir_mail_envelope envelope; /* but for its recipients */
	struct smtp_way local, relay;
	struct weir_buffer results; /* an int a recipient, 0 or a negative errno */
	struct weir_buffer places;  /* of struct smtp_place */
	struct weir_buffer pending; /* bytes that wait for the ways to have room */

	struct smtp_data data;
	struct smtp_header header;
	struct weir_mail_check check; /* whether a mailbox would take the message */
	size_t checked;               /* places that have been asked */
	uint64_t size;                /* bytes of the message so far */
	const char *failure; /* the reply, if the message is lost already: static, with its CRLF */
	bool chunks;         /* BDAT has begun */
	bool last_chunk;     /* … and this is the last */
	uint64_t chunk;      /* bytes of this one */
	bool complete;       /* all of it has come */
	uint32_t told;       /* LMTP: recipients whose results have been told */

	char id[SMTP_ID_MAX];
	struct weir_address peer; /* for the log, and Received */
	struct weir_span helo, user;
	bool secure;

	struct smtp_text *more_text;
	size_t text_size;
	char text[SMTP_TEXT_INLINE];
};

/* -- transaction.c ----------------------------------------------------------------------------- */

/* The session's new one; NULL without memory. */
struct smtp_transaction *smtp_transaction_create(struct smtp_session *session);

/* Ends it, whatever it is about, and frees. NULL is allowed. */
void smtp_transaction_destroy(struct smtp_transaction *transaction);

/* Frees what is kept for reuse. */
void smtp_transactions_free(struct weir_smtp_server *server);

/* A copy that lives as long as the transaction. False without memory. */
bool smtp_transaction_copy(
        struct smtp_transaction *transaction, struct weir_span text, struct weir_span *ret);

static inline uint32_t smtp_recipient_count(const struct smtp_transaction *transaction)
{
	return (uint32_t)(transaction->results.size / sizeof(int));
}

/*
 * A recipient begins; the places it goes to follow. `undo` takes the last recipient back, with all
 * of its places. 0, -ENOMEM, or WEIR_E_LIMIT: too many places in all.
 */
int smtp_recipient_add(struct smtp_transaction *transaction);
int smtp_place_add(struct smtp_transaction *transaction, bool relay,
        const struct weir_mail_recipient *recipient);
void smtp_recipient_undo(struct smtp_transaction *transaction);

/* -- delivery.c -------------------------------------------------------------------------------- */

/* Begins at all the sinks it goes to, with the trace in front. NULL, or the reply that refuses. */
const char *smtp_delivery_begin(struct smtp_transaction *transaction);

/* To all ways, now or when they have room. */
void smtp_delivery_write(struct smtp_transaction *transaction, struct weir_span bytes);

/* Some way has no room. */
bool smtp_delivery_full(const struct smtp_transaction *transaction);

/* The message is lost: nothing of it remains. `reply` is what will be said, at its end. */
void smtp_delivery_fail(struct smtp_transaction *transaction, const char *reply);

/* All of the message has come: the transaction leaves its session, and replies by itself. */
void smtp_delivery_complete(struct smtp_transaction *transaction);

/* -- message.c --------------------------------------------------------------------------------- */

/* Where the channel's bytes go while a message is coming in. */
void smtp_message_piece(struct smtp_session *session, struct weir_span bytes);
void smtp_message_cut(struct smtp_session *session);

/* The bytes are about to come. */
void smtp_message_stream(struct smtp_session *session);
/* … or there are none: the last chunk is empty. */
void smtp_message_end(struct smtp_session *session);

/* -- trace.c ----------------------------------------------------------------------------------- */

enum {
	SMTP_TRACE_MAX = 2048
};

/* Received and its kin (RFC 5321 4.4) into `text`: its length. */
size_t smtp_trace_received(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX]);
size_t smtp_trace_return_path(
        const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX]);

/* The fields that a submitted message lacks (RFC 6409 8.2, 8.3). */
size_t smtp_trace_missing(const struct smtp_transaction *transaction, char text[SMTP_TRACE_MAX]);

/* -- outcome.c --------------------------------------------------------------------------------- */

/* The reply for an error of a sink: static, with its CRLF. */
const char *smtp_error_reply(int error);

/* Of a recipient's results the one to be told: try again before it failed before it is there. */
int smtp_worse(int a, int b);

/* Everything is known: replies, logs, and is freed when the reply has gone. */
void smtp_outcome_tell(struct smtp_transaction *transaction);

extern const struct weir_producer_type smtp_outcome_type;

#endif
