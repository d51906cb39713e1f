/*
 * FTP from the inside: a server, its sessions, and what a session has under way.
 *
 *   session.c           the control connection: lines, their order, its end
 *   verbs.c             the table of verbs; verb_*.c carry them out
 *   job.c               a command that waits for the disk, or for a delay
 *   reply.c             replies, complete ones and those that grow
 *   data_connection.c   the data connection
 *   passive.c           the ports on which it is awaited
 *   transfer.c          a transfer; verb_transfer.c sends, receive.c receives
 *
 * A session does one thing at a time. The control connection is not read while a job is under way,
 * or while a line waits for the end of a transfer.
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
struct ftp_job;
struct ftp_transfer;

struct weir_ftp_server {
	struct weir_loop *loop;
	struct weir_server *listener;
	struct weir_tree *tree;
	bool attached; /* the tree, to the loop */
	bool implicit;
	struct weir_ftp_rules
	        rules; /* A 0 that means a default has been replaced; texts are ours. */
	char *banner;  /* the whole 220 reply */
	struct weir_bounds data_bounds;
	unsigned sessions;
	struct weir_list
	        passive; /* the listeners that sessions of this server wait on: passive.c */
	struct weir_guard *guard; /* NULL: a wrong password causes no delay */
	struct ftp_cells *cells;
	void (*log)(void *context, const struct weir_ftp_event *event);
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
void ftp_log_logout(struct ftp_session *session, int error);
void ftp_log_change(
        struct ftp_session *session, const char *verb, const char *path, int error, unsigned code);

/* -- verb_access.c ----------------------------------------------------------------------------- */

/* The user of this name: rights, home and rate from the users file. NULL without memory. */
struct ftp_user *ftp_user_find(const struct weir_ftp_rules *rules, const char *name);
struct ftp_user *ftp_user_anonymous(const struct weir_ftp_rules *rules, const char *name);

#endif
