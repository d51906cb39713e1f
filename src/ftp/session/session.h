/*
 * FTP from the inside: a server, its sessions, and what a session has under way.
 *
 *   session.c           the control connection: lines, telnet, their order, its end
 *   verbs.c             the table of verbs; verb_*.c carry them out
 *   reply.c             replies, complete and deferred ones; jobs, whose reply comes later
 *   data_connection.c   the data connection
 *   passive.c           the ports on which it is awaited
 *   transfer.c          a transfer; verb_transfer.c sends, receive.c receives
 *
 * A session does one thing at a time. The control connection is not read while a job is under way,
 * or while a line waits for the end of a transfer.
 */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include <sys/types.h>

#include <weir/channel.h>
#include <weir/ftp.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/span.h>
#include <weir/tree.h>
#include <weir/upload.h>

struct ftp_data;
struct ftp_job;
struct ftp_transfer;

struct weir_ftp_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_tree *tree;
	bool attached; /* the tree, to the loop */
	bool implicit;
	struct weir_ftp_rules rules; /* texts are ours */
	char *banner;                /* the whole 220 reply */
	struct weir_bounds data_bounds;
	unsigned sessions;
	struct weir_list
	        passive; /* the listeners that sessions of this server wait on: passive.c */
	struct weir_guard *guard; /* NULL: a wrong password causes no delay */
	struct ftp_cells *cells;
	weir_ftp_log_fn *log;
	void *context;
};

struct ftp_user {
	unsigned rights; /* enum weir_ftp_rights, before the server's rules are applied */
	uint64_t rate;   /* 0: the server's */
	bool anonymous;
	const char *home; /* "" or "/a/b", in text */
	char text[];      /* name, NUL, home, NUL */
};

/* A line that is carried out when the transfer has ended. */
struct ftp_line {
	size_t size;
	char bytes[]; /* ended by NUL */
};

/* Its size matters: an idle client costs a session and a channel. */
struct ftp_session {
	struct weir_channel *channel;
	struct weir_ftp_server *server;
	struct ftp_user *user; /* NULL: not logged in */
	char *name;            /* from USER, until PASS */
	char *directory;       /* "/a/b"; NULL: "/" */
	char *rename_from;     /* from RNFR, in the tree; until the next command */
	struct ftp_job *job;
	struct ftp_line *held;
	struct ftp_data *data;         /* set up, and not used by a transfer yet */
	struct ftp_transfer *transfer; /* under way */
	uint64_t restart;              /* from REST, until the next transfer */
	uint8_t failures;              /* wrong passwords */
	uint8_t facts;                 /* enum ftp_fact */
	bool ascii : 1;                /* TYPE A */
	bool pbsz_received : 1;
	bool protect : 1;       /* PROT P */
	bool extended_only : 1; /* EPSV ALL */
	bool counted : 1;       /* in the server's sessions */
	bool ended : 1;         /* the peer has closed its side */
	bool home_lost : 1;     /* the user's home cannot be opened, which has been logged */
};

/* -- session.c --------------------------------------------------------------------------------- */

extern const struct weir_protocol ftp_protocol;

/*
 * Pauses or resumes the control connection, carries out the held line if that is possible now,
 * closes if the peer has closed its side. To be called after any change of job, held line or
 * transfer.
 */
void ftp_session_go_on(struct ftp_session *session);

/* Forgets the user and all parameters, as REIN and AUTH do. */
void ftp_session_reset(struct ftp_session *session);

/* The rights of the user after the rules of the server: enum weir_ftp_rights. */
unsigned ftp_session_rights(const struct ftp_session *session);

/* The server's tree, attached to its loop. */
struct weir_tree *ftp_tree(struct weir_ftp_server *server);

void ftp_log_login(struct ftp_session *session, const char *name, int error, unsigned code);
void ftp_log_change(
        struct ftp_session *session, const char *verb, const char *path, int error, unsigned code);

/* The user's root was looked up: logs whether that has begun or ceased to be an error. */
void ftp_log_home(struct ftp_session *session, int error);

/* Malformed input; the reason is for the log. */
void ftp_report_malformed(
        const struct ftp_session *session, const char *why, struct weir_span input);

/* -- session.c: a line ------------------------------------------------------------------------- */

/* Telnet commands are removed from a line, then it is split into verb and argument. */
struct ftp_command {
	char verb[8];         /* in upper case; "" if it is too long to be known */
	const char *argument; /* in the line, ended by NUL; "" if there is none */
};

/* Refusals of telnet options, ready to be sent. */
struct ftp_telnet_answer {
	size_t size;
	unsigned char bytes[3 * WEIR_FTP_TELNET_ANSWERS_MAX];
};

/*
 * Copies `line`, which has no LF, without telnet commands and without a CR at the end. Adds a
 * NUL. `to` has room for line.size + 1 bytes. Returns the size, or WEIR_E_SYNTAX for a NUL that
 * does not follow a CR.
 */
ssize_t ftp_telnet_strip(struct weir_span line, char *to, struct ftp_telnet_answer *answer);

/* Splits a line that ftp_telnet_strip has returned. */
struct ftp_command ftp_command_parse(const char *line);

/* -- reply.c: replies -------------------------------------------------------------------------- */

/*
 * Replies of the control connection. A transfer has a deferred reply: it is in the queue from 150
 * to 226, and each text that is added leaves at once. Replies behind it wait for its end.
 */
struct ftp_deferred;

/* Replies with a literal, with a format, or with a copy of a text. CRLF is added. */
#define FTP_REPLY(session, text) weir_channel_push_static((session)->channel, text "\r\n")
#define FTP_REPLY_FORMAT(session, format, ...)                                                     \
	weir_channel_push((session)->channel, weir_produce_format(format "\r\n", __VA_ARGS__))
void ftp_reply_text(struct ftp_session *session, const char *text);

/* The text may have NULs: a CR in a pathname is CR NUL. */
void ftp_reply_span(struct ftp_session *session, struct weir_span text);

/* The reply for an error of the store, without CRLF: "550 Permission denied." */
const char *ftp_error_text(int error);

/* The three digits of a reply. */
unsigned ftp_code(const char *reply);

/* Returns a copy from malloc, or NULL. */
char *ftp_copy(const char *text);

/* -- deferred replies -------------------------------------------------------------------------- */

/*
 * Puts a deferred reply last in the queue. `*owner` is set to it, and to NULL when the channel
 * closes before its end. Returns 0 or -ENOMEM (the channel is aborted then).
 */
int ftp_deferred_open(struct weir_channel *channel, struct ftp_deferred **owner);

/* Adds text, its CRLF included. Returns 0 or -ENOMEM (the channel is aborted then). */
int ftp_deferred_add(struct ftp_deferred *deferred, struct weir_span text);

/* Whether all text that was added has left. */
bool ftp_deferred_is_empty(const struct ftp_deferred *deferred);

/* Nothing more is added. Sets *owner to NULL. */
void ftp_deferred_end(struct ftp_deferred *deferred);

/* -- reply.c: jobs ----------------------------------------------------------------------------- */

/*
 * A job: a command that cannot be answered at once. The control connection waits for it.
 *
 * Life cycle: ftp_job_begin, then ftp_job_end; or cancel() if the session ends before. Embedded
 * first in the state of a command.
 */
struct ftp_job {
	struct ftp_session *session;
	void (*cancel)(struct ftp_job *job); /* after which no callback may come */
};

/* Makes a job whose further fields are 0. Without memory it replies 451 and returns NULL. */
void *ftp_job_begin(struct ftp_session *session, size_t size, void (*cancel)(struct ftp_job *job));

/* Frees the job; the session goes on. */
void ftp_job_end(struct ftp_job *job);

/* Cancels and frees the job, at the end of the session. NULL is allowed. */
void ftp_job_drop(struct ftp_job *job);

/* -- lookups ----------------------------------------------------------------------------------- */

/*
 * Looks up a pathname and calls found() once, now or in a later turn. `path` is as the user sees
 * it. `path` and `file` are valid during the call. After an error it sends the reply and does not
 * call found().
 */
void ftp_look_up(struct ftp_session *session, const char *name,
        void (*found)(struct ftp_session *session, const char *path, struct weir_file *file));

/* -- changes ----------------------------------------------------------------------------------- */

/* A change of the tree, and the reply when it has been made. */
struct ftp_change {
	struct ftp_job job;
	struct weir_change change;
	const char *verb;
	char *path; /* for the log */
	struct weir_span reply;
};

/* Makes a change and copies the arguments. Without memory it replies 451 and returns NULL. */
struct ftp_change *ftp_change_begin(
        struct ftp_session *session, const char *verb, const char *path, struct weir_span reply);

/* The `done` of weir_tree_remove and similar functions: replies, and ends the job. */
void ftp_change_done(struct weir_change *change, int error);

#endif
