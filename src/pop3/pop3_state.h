/*
 * A POP3 session, for the files of this folder.
 *
 *   server.c    servers, and what they tell the log
 *   session.c   a connection: lines in, the table of verbs, timeouts, the end
 *   command.c   a line as verb and arguments
 *   capa.c      CAPA, LANG, UTF8, NOOP
 *   stls.c      STLS
 *   login.c     USER, PASS, APOP, and what every login ends in
 *   auth.c      AUTH
 *   list.c      STAT, LIST, UIDL
 *   retrieve.c  RETR, TOP
 *   top.c       the beginning of a message, as a transformer
 *   delete.c    DELE, RSET
 *   quit.c      QUIT
 */
#ifndef WEIR_POP3_STATE_H
#define WEIR_POP3_STATE_H

#include <weir/channel.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/mail_store.h>
#include <weir/pop3.h>
#include <weir/sasl.h>

#include "pop3_command.h"

struct weir_pop3_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_mail_store *store;
	struct weir_users *users;
	struct weir_guard *guard;
	struct weir_tls *tls;
	struct weir_peers *peers;
	bool implicit_tls;
	bool auth_in_clear;
	uint32_t login_ms;
	unsigned failures_max;
	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	void (*log)(void *context, const struct weir_pop3_event *event);
	void *context;
};

/* RFC 1939 3; UPDATE is the reply to QUIT. */
enum pop3_state {
	POP3_AUTHORIZATION = 1,
	POP3_TRANSACTION = 2,
};

struct pop3_login;

struct pop3_session {
	struct weir_channel *channel;
	struct weir_pop3_server *server;
	enum pop3_state state;
	char *user;                    /* of USER, then who is logged in; malloc's, or NULL */
	struct weir_timer timer;       /* to the login */
	struct pop3_login *login;      /* PASS under way, or NULL */
	struct weir_sasl *sasl;        /* AUTH under way, or NULL */
	struct weir_mail_store *store; /* the one that drop and call are of */
	struct weir_mail_call call;    /* the opening of the maildrop, or QUIT's removal */
	struct weir_maildrop *drop;    /* in TRANSACTION */
	uint8_t *marks;                /* a bit a message; NULL: none is deleted */
	size_t marked;
	uint64_t marked_octets;
	uint64_t retrieved;
	uint64_t sent;
	uint64_t removed;
	unsigned failures;
	uint8_t mistakes;
	const char *mechanism; /* "PASS" or "AUTH" */
	bool utf8;             /* UTF8 was said */
	bool counted;          /* among the peers */
	struct update *update; /* QUIT's reply at work */
	int error;             /* of QUIT's removal */
};

/* -- replies ------------------------------------------------------------------------------------- */

/* A line that is static text, CRLF included. */
void pop3_say(struct pop3_session *session, const char *line);
/* A line that is made. */
void pop3_sayf(struct pop3_session *session, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* -- verbs --------------------------------------------------------------------------------------- */

struct pop3_verb {
	const char *name;
	unsigned states; /* in which it may be said: enum pop3_state */
	uint8_t least;   /* arguments */
	uint8_t most;
	bool raw; /* the rest of the line is one argument, spaces and all */
	void (*run)(struct pop3_session *session, const struct pop3_command *command);
};

void pop3_apop(struct pop3_session *session, const struct pop3_command *command);
void pop3_auth(struct pop3_session *session, const struct pop3_command *command);
void pop3_capa(struct pop3_session *session, const struct pop3_command *command);
void pop3_dele(struct pop3_session *session, const struct pop3_command *command);
void pop3_lang(struct pop3_session *session, const struct pop3_command *command);
void pop3_list(struct pop3_session *session, const struct pop3_command *command);
void pop3_noop(struct pop3_session *session, const struct pop3_command *command);
void pop3_pass(struct pop3_session *session, const struct pop3_command *command);
void pop3_quit(struct pop3_session *session, const struct pop3_command *command);
void pop3_retr(struct pop3_session *session, const struct pop3_command *command);
void pop3_rset(struct pop3_session *session, const struct pop3_command *command);
void pop3_stat(struct pop3_session *session, const struct pop3_command *command);
void pop3_stls(struct pop3_session *session, const struct pop3_command *command);
void pop3_top(struct pop3_session *session, const struct pop3_command *command);
void pop3_uidl(struct pop3_session *session, const struct pop3_command *command);
void pop3_user(struct pop3_session *session, const struct pop3_command *command);
void pop3_utf8(struct pop3_session *session, const struct pop3_command *command);

/* -- logging in ------------------------------------------------------------------------------------ */

/* Passwords may come in clear text. */
bool pop3_clear_allowed(const struct pop3_session *session);
void pop3_pass_stop(struct pop3_session *session);
/* What both ways to log in give their check. */
void pop3_sasl_options(const struct pop3_session *session, struct weir_sasl_options *ret);
/* It is who it says, or not: opens the maildrop, or says why not. The input is paused. */
void pop3_admit(struct pop3_session *session);
void pop3_deny(struct pop3_session *session, int error);
/* The next line of an exchange. */
void pop3_auth_line(struct pop3_session *session, struct weir_span line);
void pop3_auth_stop(struct pop3_session *session);
/* Another user, copied. False without memory: the channel has been aborted. */
bool pop3_set_user(struct pop3_session *session, struct weir_span user);

/* -- messages -------------------------------------------------------------------------------------- */

static inline bool pop3_is_marked(const struct pop3_session *session, size_t index)
{
	return session->marks && session->marks[index / 8] >> (index % 8) & 1;
}

/* The message of an argument, from 0 on. False: there is none, and it has been said. */
bool pop3_message(struct pop3_session *session, struct weir_span argument, size_t *ret_index);

/*
 * The header of a message, the empty line, and so many lines of its body. `cut` is set when the
 * message was not sent to its end, and so ends in a line's end. It must outlive the producer.
 */
struct weir_producer *pop3_top_lines(struct weir_producer *child, uint64_t lines, bool *cut);

extern const struct weir_protocol pop3_protocol;

/* Tells the log. */
void pop3_log(const struct pop3_session *session, enum weir_pop3_event_kind kind, int error);

#endif
