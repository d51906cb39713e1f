/*
 * A POP3 session, for the files of this folder.
 *
 *   server.c    servers, and events for the log
 *   session.c   a session: lines, the table of verbs, timeouts; CAPA, LANG, UTF8, NOOP, STLS
 *   login.c     USER, PASS, APOP, AUTH, and the end of every login
 *   maildrop.c  STAT, LIST, UIDL, DELE, RSET, QUIT
 *   retrieve.c  RETR, TOP
 */
#ifndef WEIR_POP3_STATE_H
#define WEIR_POP3_STATE_H

#include <weir/channel.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/mail_store.h>
#include <weir/pop3.h>
#include <weir/sasl.h>
#include <weir/span.h>

/* -- a line (RFC 1939 3): a verb, a space, arguments ------------------------------------------- */

enum {
	POP3_ARGUMENTS_MAX = 2
};

struct pop3_command {
	struct weir_span verb;
	struct weir_span
	        rest; /* all behind the verb and its space; data is NULL if there is no space */
	struct weir_span arguments[POP3_ARGUMENTS_MAX];
	unsigned count; /* of arguments; may be larger than ARGUMENTS_MAX */
};

/*
 * Parses a line without its CRLF. Returns 0, or WEIR_E_SYNTAX if there is a control character or no
 * verb.
 */
int pop3_command_parse(struct weir_span line, struct pop3_command *ret);

/*
 * Parses a number of 1 to 20 digits. Returns 0, WEIR_E_SYNTAX, or WEIR_E_LIMIT if it needs more
 * than 64 bits.
 */
int pop3_number(struct weir_span argument, uint64_t *ret);

/* -- the server and its sessions --------------------------------------------------------------- */

struct weir_pop3_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_mail_store *store;
	struct weir_users *users;
	struct weir_guard *guard;
	bool auth_in_clear;
	uint32_t login_ms;
	unsigned failures_max;
	struct pop3_cells *cells;
	weir_pop3_log_fn *log;
	void *context;
};

/* RFC 1939 3. The UPDATE state is the reply to QUIT. */
enum pop3_state {
	POP3_AUTHORIZATION = 1,
	POP3_TRANSACTION = 2,
};

struct pop3_login;

struct pop3_session {
	struct weir_channel *channel;
	struct weir_pop3_server *server;
	enum pop3_state state;
	char *user; /* the name of USER, then the user of the login; from malloc, or NULL */
	struct weir_timer timer;       /* until the login */
	struct pop3_login *login;      /* PASS under way, or NULL */
	struct weir_sasl *sasl;        /* AUTH under way, or NULL */
	struct weir_mail_store *store; /* the store of drop and call */
	struct weir_mail_call call;    /* the opening of the maildrop, or QUIT's removal */
	struct weir_maildrop *drop;    /* in TRANSACTION */
	uint8_t *marks;                /* a bit for each message; NULL: none is deleted */
	size_t marked;
	uint64_t marked_octets;
	uint64_t retrieved;
	uint64_t sent;
	uint64_t removed;
	unsigned failures;
	uint8_t mistakes;
	const char *mechanism; /* "PASS" or "AUTH" */
	bool utf8;             /* UTF8 was given */
	uint32_t login_ms;     /* when the maildrop was opened, on the clock of the loop */
	struct update *update; /* the reply to QUIT while it works */
	int error;             /* of QUIT's removal */
};

/*
 * -- replies -------------------------------------------------------------------------------------
 */

/* Replies with a static line, with its CRLF. */
void pop3_reply(struct pop3_session *session, const char *line);
/* Replies with a formatted line. */
void pop3_reply_format(struct pop3_session *session, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/*
 * -- verbs ---------------------------------------------------------------------------------------
 */

struct pop3_verb {
	const char *name;
	unsigned states; /* in which it is allowed: enum pop3_state */
	uint8_t least;   /* arguments */
	uint8_t most;
	bool raw; /* the rest of the line is one argument, with its spaces */
	void (*run)(struct pop3_session *session, const struct pop3_command *command);
};

void pop3_apop(struct pop3_session *session, const struct pop3_command *command);
void pop3_auth(struct pop3_session *session, const struct pop3_command *command);
void pop3_dele(struct pop3_session *session, const struct pop3_command *command);
void pop3_list(struct pop3_session *session, const struct pop3_command *command);
void pop3_pass(struct pop3_session *session, const struct pop3_command *command);
void pop3_quit(struct pop3_session *session, const struct pop3_command *command);
void pop3_retr(struct pop3_session *session, const struct pop3_command *command);
void pop3_rset(struct pop3_session *session, const struct pop3_command *command);
void pop3_stat(struct pop3_session *session, const struct pop3_command *command);
void pop3_top(struct pop3_session *session, const struct pop3_command *command);
void pop3_uidl(struct pop3_session *session, const struct pop3_command *command);
void pop3_user(struct pop3_session *session, const struct pop3_command *command);

/* -- login ------------------------------------------------------------------------------------ */

/* Whether passwords may be sent in clear text. */
bool pop3_clear_allowed(const struct pop3_session *session);
void pop3_pass_stop(struct pop3_session *session);
/* Takes the next line of an exchange. */
void pop3_auth_line(struct pop3_session *session, struct weir_span line);
void pop3_auth_stop(struct pop3_session *session);

/*
 * -- messages
 * --------------------------------------------------------------------------------------
 */

/* Finds the message of an argument, from 0 on. If there is none, replies and returns false. */
bool pop3_message(struct pop3_session *session, struct weir_span argument, size_t *ret_index);

/*
 * Returns a transformer that passes the header of a message, the empty line, and `lines` lines of
 * the body. It sets `cut` if it ends before the message, behind a line end. `cut` must outlive the
 * producer.
 */
struct weir_producer *pop3_top_lines(struct weir_producer *child, uint64_t lines, bool *cut);

extern const struct weir_protocol pop3_protocol;

/* Logs an event. */
void pop3_log(const struct pop3_session *session, enum weir_pop3_event_kind kind, int error);

#endif
