/*
 * What an SMTP connection is made of, for the files of this folder.
 *
 *   server.c       servers and their options
 *   session.c      what the channel calls; errors, and when to pause
 *   verbs.c        the table of verbs, one line each; verb_*.c the verbs
 *   transaction.c  the envelope, from MAIL to the reply to the message
 *   delivery.c     into the sinks: begin, write, commit
 *   message.c      the bytes of a message on their way there
 *   outcome.c      the reply to a message
 *
 * A session that is idle is this struct and two names. A transaction begins with MAIL; when its
 * message is complete it leaves the session, which can take the next one meanwhile, and is its own
 * reply.
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
	struct weir_smtp_options options; /* no 0 left; what is held is; the rest is copied */
	struct weir_list committing;      /* transactions that have left their sessions */
	struct smtp_transaction *spare;   /* for reuse */
	unsigned spares;
	uint32_t ids; /* messages so far, for their ids */
};

struct smtp_session {
	struct weir_channel *channel;
	struct weir_smtp_server *server;
	struct smtp_transaction *transaction; /* NULL: none */
	struct weir_sasl *sasl;               /* an exchange under way */
	char *helo;                           /* what EHLO said; NULL: nothing yet */
	char *user;                           /* who has authenticated */
	struct weir_timer greeting;           /* running: it has not been sent */
	uint32_t messages;
	uint16_t errors;     /* since the last message */
	uint8_t commits;     /* transactions of ours that are being committed */
	bool extended : 1;   /* EHLO or LHLO: what they announce may be used */
	bool quiet : 1;      /* nothing was said yet: the first command */
	bool unanswered : 1; /* the reply to EHLO has not gone */
	bool counted : 1;    /* in server->options.peers */
	bool data : 1;       /* a message or a chunk is coming in */
	bool checking : 1;   /* a password is being checked */
	bool starting : 1;   /* in a call of sasl's */
};

extern const struct weir_protocol smtp_protocol;

/* -- session.c --------------------------------------------------------------------------------- */

/* A reply of static text, with its CRLF; one that is formatted. */
void smtp_reply(struct smtp_session *session, const char *text);
void smtp_reply_format(struct smtp_session *session, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* A reply that is an error, and counts: too many of them end the session. */
void smtp_refuse(struct smtp_session *session, const char *text);

/* The last words. */
void smtp_end(struct smtp_session *session, const char *text);

/* `count` errors more; the session may end of it. */
void smtp_count_errors(struct smtp_session *session, unsigned count);

/* Reads, or does not: as the state asks for. */
void smtp_update_pause(struct smtp_session *session);

/* Commands again. */
void smtp_await_command(struct smtp_session *session);

/* As after RSET; as after STARTTLS. */
void smtp_reset(struct smtp_session *session);
void smtp_forget(struct smtp_session *session);

void smtp_log(const struct smtp_session *session, enum weir_smtp_event_kind kind,
        struct weir_span recipient, const char *text);

static inline bool smtp_is_lmtp(const struct smtp_session *session)
{
	return session->server->options.personality == WEIR_SMTP_LMTP;
}

/* May send mail to anywhere. */
bool smtp_may_relay(const struct smtp_session *session);

/* -- verbs.c, verb_*.c ------------------------------------------------------------------------- */

/* `argument` is what follows the verb and a space; empty if nothing does. */
typedef void smtp_verb(struct smtp_session *session, struct weir_span argument);

void smtp_command(struct smtp_session *session, struct weir_span line);

smtp_verb smtp_verb_auth, smtp_verb_bdat, smtp_verb_data, smtp_verb_ehlo, smtp_verb_expn,
        smtp_verb_helo, smtp_verb_help, smtp_verb_mail, smtp_verb_noop, smtp_verb_quit,
        smtp_verb_rcpt, smtp_verb_rset, smtp_verb_starttls, smtp_verb_vrfy;

/* A line that answers a challenge. */
void smtp_auth_line(struct smtp_session *session, struct weir_span line);
void smtp_auth_overflow(struct smtp_session *session);
/* What EHLO offers: "" when AUTH is not to be had. */
const char *smtp_auth_mechanisms(const struct smtp_session *session);
bool smtp_offers_tls(const struct smtp_session *session);

#endif
