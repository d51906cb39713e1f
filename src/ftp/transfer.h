/*
 * A transfer: what one of RETR, STOR, LIST and their kin has under way.
 *
 *   start ─▶ 150 ─▶ data connection ready ─▶ bytes ─▶ data gone ─▶ finish: 226, or what went wrong
 *
 * It belongs to the session until it finishes, or the session ends before: then it is orphaned, and
 * lives until its data connection is gone. Embedded first in struct ftp_sending and its like.
 */
#ifndef WEIR_FTP_TRANSFER_H
#define WEIR_FTP_TRANSFER_H

#include "data_connection.h"
#include "late.h"

struct ftp_transfer;

struct ftp_transfer_type {
	/* The data connection is for the transfer to use. */
	void (*ready)(struct ftp_transfer *transfer, struct weir_channel *channel);
	void (*piece)(struct ftp_transfer *transfer, struct weir_span bytes);
	/* Of a tapped channel (weir/channel.h), instead of piece. */
	void (*arrived)(struct ftp_transfer *transfer);
	void (*eof)(struct ftp_transfer *transfer, bool whole);
	/* The data connection is gone: finish, now or later. */
	void (*gone)(struct ftp_transfer *transfer, int error);
	/* ABOR: give up what is under way, and finish. Not called once `committing` is set. */
	void (*stop)(struct ftp_transfer *transfer);
	/*
	 * The session ends, nobody will be told. False: something is still under way, and
	 * ftp_transfer_destroy will be called. NULL: nothing ever is.
	 */
	bool (*orphan)(struct ftp_transfer *transfer);
	/* Frees it. */
	void (*destroy)(struct ftp_transfer *transfer);
	uint64_t (*bytes)(const struct ftp_transfer *transfer);
};

struct ftp_transfer {
	struct ftp_data_user user; /* of the data connection */
	const struct ftp_transfer_type *type;
	struct ftp_session *session; /* NULL: orphaned */
	struct ftp_late *late;       /* NULL before 150 */
	bool started;
	const char *verb;
	enum weir_ftp_event_kind kind;
	int64_t started_ms;
	bool busy;       /* an orphan with something under way beside the data connection */
	bool committing; /* all is here, the disk is awaited: too late to abort */
	bool aborted;    /* ABOR is to be answered */
	bool secure;
	bool resumed; /* its TLS session is the control connection's */
	char *path;   /* as the user sees it; freed with the transfer */
};

/*
 * A transfer of the session's, all zero but for what every transfer has. 0 bytes of it are known
 * to anybody yet. NULL, with the reply said: there is no data connection, or it may not be
 * used, or no memory.
 */
struct ftp_transfer *ftp_transfer_create(struct ftp_session *session, size_t size,
        const struct ftp_transfer_type *type, const char *verb, const char *path);

/*
 * Says `opening` ("150 …", without CRLF), and asks for the data connection. If that has gone
 * meanwhile, the transfer is told and nothing is said.
 */
void ftp_transfer_start(struct ftp_transfer *transfer, struct weir_span opening);

/*
 * The end: says `reply` (without CRLF), logs, destroys; the session goes on. The data connection
 * must be gone, or have never been started.
 */
void ftp_transfer_finish(struct ftp_transfer *transfer, struct weir_span reply, int error);

/* The reply for the end of a data connection: "226 …" for 0. */
const char *ftp_transfer_reply(int error);

/* ABOR, or the end of the control connection's input. */
void ftp_transfer_abort(struct ftp_transfer *transfer);

/* The session ends. */
void ftp_transfer_orphan(struct ftp_transfer *transfer);

/* Frees an orphan whose data connection is gone, too. */
void ftp_transfer_destroy(struct ftp_transfer *transfer);

/* STAT meanwhile. */
void ftp_transfer_tell(struct ftp_transfer *transfer);

/* Commands may be answered meanwhile: 150 has been said, and it can still be aborted. */
bool ftp_transfer_open(const struct ftp_transfer *transfer);

/* -- the kinds --------------------------------------------------------------------------------- */

/*
 * Sends `producer` (taken in any case; NULL: no memory), then closes the data connection. `file`, if
 * not NULL, is held until then.
 */
void ftp_send(struct ftp_session *session, const char *verb, const char *path,
        struct weir_producer *producer, struct weir_file *file, const char *opening);

/* How a file is received. */
struct ftp_receipt {
	const char *verb;
	bool append;
	bool unique; /* a new name, from `path` */
	uint64_t offset;
};

/* Receives the file `name`. */
void ftp_receive(struct ftp_session *session, const struct ftp_receipt *receipt, const char *name);

/* The bytes a second that the session's transfers are held to; 0: none. */
uint64_t ftp_rate(const struct ftp_session *session);

#endif
