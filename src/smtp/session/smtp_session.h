/*
 * The parts of an SMTP session, for the files of this folder.
 *
 *   server.c       servers and their options
 *   session.c      the callbacks of the channel; errors, and when to pause
 *   verbs.c        the table of verbs, one line each; verb_*.c the verbs
 *   transaction.c  the envelope, from MAIL to the reply to the message
 *   delivery.c     writing to the sinks: begin, write, commit
 *   message.c      the bytes of a message
 *   outcome.c      the reply to a message
 *
 * An idle session is this struct and two names. A transaction begins with MAIL. When its message is
 * complete, it leaves the session and becomes its own reply; the session can begin the next one
 * meanwhile.
 */
#ifndef WEIR_SMTP_SESSION_H
#define WEIR_SMTP_SESSION_H

#include <weir/buffer.h>
#include <weir/channel.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail.h>
#include <weir/producer.h>
#include <weir/smtp.h>

#include "smtp_syntax.h"

struct smtp_transaction;
struct weir_sasl;

struct weir_smtp_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_smtp_options options; /* copied or referenced */
	struct weir_list committing;      /* transactions that have left their sessions */
	struct smtp_transaction *spare;   /* for reuse */
	unsigned spares;
	struct smtp_cells *cells;
	uint32_t ids;          /* number of messages, for their ids */
	struct weir_span line; /* the command that is carried out, to be reported if malformed */
};

struct smtp_session {
	struct weir_channel *channel;
	struct weir_smtp_server *server;
	struct smtp_transaction *transaction; /* NULL: none */
	struct weir_sasl *sasl;               /* an exchange under way */
	char *helo;                           /* the name that EHLO gave; NULL: none yet */
	char *user;                           /* the authenticated user, or NULL */
	struct weir_timer greeting;           /* runs until the greeting is sent */
	uint32_t messages;
	uint16_t errors;     /* since the last message */
	uint8_t commits;     /* transactions of this session that are being committed */
	bool extended : 1;   /* EHLO or LHLO: extensions may be used */
	bool quiet : 1;      /* no command has come yet */
	bool unanswered : 1; /* the reply to EHLO has not been sent */
	bool data : 1;       /* a message or a chunk is being received */
	bool checking : 1;   /* a password or a recipient is being checked */
	bool starting : 1;   /* in a call of weir_sasl */
};

extern const struct weir_protocol smtp_protocol;

/* -- session.c --------------------------------------------------------------------------------- */

/* Replies with a static text, with its CRLF; or with a formatted one. */
void smtp_reply(struct smtp_session *session, const char *text);
void smtp_reply_format(struct smtp_session *session, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Replies with an error, which is counted. Too many errors end the session. */
void smtp_refuse(struct smtp_session *session, const char *text);

/* Reports a malformed command; the reason ends at a CR. */
void smtp_report_malformed(const struct smtp_session *session, const char *text);

/* Sends a last reply and closes. */
void smtp_end(struct smtp_session *session, const char *text);

/* Counts errors; too many end the session. */
void smtp_count_errors(struct smtp_session *session, unsigned count);

/* Pauses or resumes reading, as the state requires. */
void smtp_update_pause(struct smtp_session *session);

/* Expects commands again. */
void smtp_await_command(struct smtp_session *session);

/* Resets the session as after RSET; as after STARTTLS. */
void smtp_reset(struct smtp_session *session);
void smtp_forget(struct smtp_session *session);

void smtp_log(const struct smtp_session *session, enum weir_smtp_event_kind kind,
        struct weir_span recipient, const char *text);

static inline bool smtp_is_lmtp(const struct smtp_session *session)
{
	return session->server->options.personality == WEIR_SMTP_LMTP;
}

/* Whether the session may relay. */
bool smtp_may_relay(const struct smtp_session *session);

/* -- verbs.c, verb_*.c ------------------------------------------------------------------------- */

/* `argument` is the text behind the verb and a space, or empty. */
typedef void smtp_verb(struct smtp_session *session, struct weir_span argument);

void smtp_command(struct smtp_session *session, struct weir_span line);

smtp_verb smtp_verb_auth, smtp_verb_bdat, smtp_verb_data, smtp_verb_mail, smtp_verb_rcpt;

/* Takes a line that answers a challenge. */
void smtp_auth_line(struct smtp_session *session, struct weir_span line);
void smtp_auth_overflow(struct smtp_session *session);
/* Returns the mechanisms to offer; "" if AUTH is not available. */
const char *smtp_auth_mechanisms(const struct smtp_session *session);

/* -- the transaction --------------------------------------------------------------------------- */

/*
 * A mail transaction (RFC 5321 3.3): the envelope, the routes of its message, and the reply to it.
 *
 *   MAIL ─▶ RCPT … ─▶ begin ─▶ write … ─▶ complete: leaves the session
 *                    hold and commit relay ─▶ commit local ─▶ release relay ─▶ the reply
 */

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
	bool chunks;          /* BDAT has begun */
	bool last_chunk;      /* this chunk is the last */
	uint64_t chunk;       /* size of this chunk */
	bool complete;        /* the whole message has come */
	int64_t completed_ms; /* when it had come */
	uint32_t replied;     /* LMTP: recipients whose replies have been written */

	char id[SMTP_ID_MAX];
	struct weir_address peer; /* for the log, and Received */
	uint64_t channel_id;      /* for the log */
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
