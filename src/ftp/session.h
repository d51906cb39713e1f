/*
 * FTP from the inside: one server, its sessions, and what a session has under way.
 *
 *   session.c     the control connection: lines, their order, its end
 *   verbs.c       the table of verbs; verb_*.c carry them out
 *   job.c         a command that waits for the disk, or for time
 *   data.c        the data connection
 *   transfer.c    a transfer; send.c and receive.c are its two kinds
 *   late.c        the reply of a transfer, which grows while it runs
 *
 * A session does one thing at a time. While a job is under way, or a line is held until a transfer
 * ends, the control connection is not read.
 */
#ifndef WEIR_FTP_SESSION_H
#define WEIR_FTP_SESSION_H

#include <weir/channel.h>
#include <weir/ftp.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/sources.h>
#include <weir/tree.h>

struct ftp_data;
struct ftp_transfer;

struct weir_ftp_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_tree *tree;
	bool attached; /* the tree, to the loop */
	bool implicit;
	struct weir_ftp_rules rules; /* no 0 left where that is a default; texts are ours */
	char *banner;                /* the whole 220 */
	struct weir_bounds data_bounds;
	unsigned sessions;
	struct weir_list passive; /* data that listens and is not used yet, the oldest in front */
	struct weir_peers *peers; /* NULL: not counted */
	struct weir_guard *guard; /* NULL: wrong passwords cost no time */
	void (*log)(void *context, const struct weir_ftp_event *event);
	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	void *context;
};

struct ftp_user {
	unsigned rights; /* enum weir_ftp_rights, the server's rules not yet applied */
	uint64_t rate;   /* 0: the server's */
	bool anonymous;
	const char *home; /* "" or "/a/b", in text */
	char text[];      /* name, NUL, home, NUL */
};

/* A line to be carried out when the transfer has ended. */
struct ftp_line {
	size_t size;
	char bytes[]; /* ended by NUL */
};

/* Size matters: this and the channel are what an idle client costs. */
struct ftp_session {
	struct weir_channel *channel;
	struct weir_ftp_server *server;
	struct ftp_user *user; /* NULL: not logged in */
	char *name;            /* said by USER, until PASS */
	char *directory;       /* "/a/b"; NULL: "/" */
	char *rename_from;     /* RNFR's, in the tree; until the next command */
	struct ftp_job *job;
	struct ftp_line *held;
	struct ftp_data *data;         /* set up and not used yet */
	struct ftp_transfer *transfer; /* under way */
	uint64_t restart;              /* REST's, until the next transfer */
	uint8_t failures;              /* wrong passwords */
	uint8_t facts;                 /* enum ftp_fact */
	bool ascii : 1;                /* TYPE A */
	bool buffer_said : 1;          /* PBSZ */
	bool protect : 1;              /* PROT P */
	bool extended_only : 1;        /* EPSV ALL */
	bool counted : 1;              /* in the server's sessions */
	bool ended : 1;                /* the peer says nothing more */
};

/* -- session.c --------------------------------------------------------------------------------- */

extern const struct weir_protocol ftp_protocol;

/* Reads on or does not, carries out what was held, closes if the peer has ended. After any change of job, held or transfer. */
void ftp_session_go_on(struct ftp_session *session);

/* Forgets who it is and what he has set, as REIN and AUTH do. */
void ftp_session_reset(struct ftp_session *session);

/* What the user may do here and now: enum weir_ftp_rights. */
unsigned ftp_session_rights(const struct ftp_session *session);

/* -- reply.c ----------------------------------------------------------------------------------- */

/* A reply, to which CRLF is added: a literal that is lent, a format, a text that is copied. */
#define FTP_SAY(session, text) weir_channel_push_static((session)->channel, text "\r\n")
#define FTP_FORMAT(session, format, ...)                                                           \
	weir_channel_push((session)->channel, weir_produce_format(format "\r\n", __VA_ARGS__))
void ftp_say(struct ftp_session *session, const char *text);
void ftp_say_span(struct ftp_session *session, struct weir_span text);

/* A copy from malloc; NULL without memory. */
char *ftp_copy(const char *text);

/* The reply for an error of the store, without CRLF: "550 Permission denied." */
const char *ftp_error_text(int error);

unsigned ftp_code(const char *reply);

/* -- place.c ----------------------------------------------------------------------------------- */

struct ftp_place {
	char path[WEIR_PATH_MAX]; /* as the user sees it: "/a/b" */
	char tree[WEIR_PATH_MAX]; /* in the tree, without leading slash */
};

/* What a pathname means. 0, -ENAMETOOLONG, or -ENOENT for what is hidden. */
int ftp_place_find(const struct ftp_session *session, const char *name, struct ftp_place *ret);

struct weir_tree *ftp_tree(struct weir_ftp_server *server);

/* -- log.c ------------------------------------------------------------------------------------- */

void ftp_log_login(struct ftp_session *session, const char *name, int error, unsigned code);
void ftp_log_logout(struct ftp_session *session, int error);
void ftp_log_change(
        struct ftp_session *session, const char *verb, const char *path, int error, unsigned code);

/* -- user.c ------------------------------------------------------------------------------------ */

/* Who logs in as `name`: rights, home and rate from the users file. NULL without memory. */
struct ftp_user *ftp_user_find(const struct weir_ftp_rules *rules, const char *name);
struct ftp_user *ftp_user_anonymous(const struct weir_ftp_rules *rules, const char *name);

#endif
