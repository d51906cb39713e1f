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

#include <weir/channel.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/smtp.h>

struct smtp_transaction;
struct weir_sasl;

struct weir_smtp_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_smtp_options options; /* defaults filled in; copied or referenced */
	struct weir_list committing;      /* transactions that have left their sessions */
	struct smtp_transaction *spare;   /* for reuse */
	unsigned spares;
	struct smtp_cells *cells;
	uint32_t ids; /* number of messages, for their ids */
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

smtp_verb smtp_verb_auth, smtp_verb_bdat, smtp_verb_data, smtp_verb_ehlo, smtp_verb_expn,
        smtp_verb_helo, smtp_verb_help, smtp_verb_mail, smtp_verb_noop, smtp_verb_quit,
        smtp_verb_rcpt, smtp_verb_rset, smtp_verb_starttls, smtp_verb_vrfy;

/* Takes a line that answers a challenge. */
void smtp_auth_line(struct smtp_session *session, struct weir_span line);
void smtp_auth_overflow(struct smtp_session *session);
/* Returns the mechanisms to offer; "" if AUTH is not available. */
const char *smtp_auth_mechanisms(const struct smtp_session *session);
bool smtp_offers_tls(const struct smtp_session *session);

#endif
