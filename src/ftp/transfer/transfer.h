/*
 * A transfer: what RETR, STOR, LIST and similar commands have under way.
 *
 *   start ─▶ 150 ─▶ data connection ready ─▶ bytes ─▶ data gone ─▶ finish: 226, or an error
 *
 * It belongs to its session until it finishes. If the session ends before, the transfer is
 * orphaned, and lives until its data connection is gone. Embedded first in the struct of each kind
 * of transfer.
 */
#ifndef WEIR_FTP_TRANSFER_H
#define WEIR_FTP_TRANSFER_H

#include "data_connection.h"
#include "reply.h"

struct ftp_transfer;

struct ftp_transfer_type {
	/* The data connection is open. */
	void (*ready)(struct ftp_transfer *transfer, struct weir_channel *channel);
	void (*piece)(struct ftp_transfer *transfer, struct weir_span bytes);
	/* Replaces piece() once the channel's input is diverted (weir/channel.h). */
	void (*arrived)(struct ftp_transfer *transfer);
	void (*eof)(struct ftp_transfer *transfer, bool whole);
	/* The data connection is gone: finish, now or in a later turn. */
	void (*gone)(struct ftp_transfer *transfer, int error);
	/* ABOR: end what is under way, and finish. Not called once `committing` is set. */
	void (*stop)(struct ftp_transfer *transfer);
	/*
	 * The session ends, so there will be no reply. Returns false if something is still under
	 * way that will call ftp_transfer_destroy. NULL: nothing ever is.
	 */
	bool (*orphan)(struct ftp_transfer *transfer);
	/* Frees the transfer. */
	void (*destroy)(struct ftp_transfer *transfer);
	uint64_t (*bytes)(const struct ftp_transfer *transfer);
};

struct ftp_transfer {
	struct ftp_data_user user; /* of the data connection */
	const struct ftp_transfer_type *type;
	struct ftp_session *session;   /* NULL: orphaned */
	struct ftp_deferred *deferred; /* the reply; NULL before 150 */
	const char *verb;
	enum weir_ftp_event_kind kind;
	int64_t started_ms;
	bool busy;       /* an orphan with something under way beside the data connection */
	bool committing; /* All data has come and is being synced, so that ABOR comes too late. */
	bool aborted;    /* by ABOR, which gets a reply */
	bool secure;     /* TLS on the data connection */
	bool resumed;    /* with the control connection's TLS session */
	char *path;      /* as the user sees it; freed with the transfer */
};

/*
 * Makes the session's transfer, with all fields of its kind 0. Returns NULL after a reply: there is
 * no data connection, or it may not be used, or there is no memory.
 */
struct ftp_transfer *ftp_transfer_create(struct ftp_session *session, size_t size,
        const struct ftp_transfer_type *type, const char *verb, const char *path);

/*
 * Replies `opening` ("150 …", without CRLF), and starts the data connection. If that is gone
 * already, calls gone() without a reply.
 */
void ftp_transfer_start(struct ftp_transfer *transfer, struct weir_span opening);

/*
 * Replies `reply` (without CRLF), logs and destroys the transfer; the session goes on. The data
 * connection must be gone, or not have been started.
 */
void ftp_transfer_finish(struct ftp_transfer *transfer, struct weir_span reply, int error);

/* The reply for the end of a data connection: "226 …" for 0. */
const char *ftp_transfer_reply(int error);

/* Ends a transfer, for ABOR or after the end of the control connection's input. */
void ftp_transfer_abort(struct ftp_transfer *transfer);

/* The session ends. */
void ftp_transfer_orphan(struct ftp_transfer *transfer);

/* Frees an orphan. Its data connection must be gone. */
void ftp_transfer_destroy(struct ftp_transfer *transfer);

/* Replies to STAT during the transfer. */
void ftp_transfer_report(struct ftp_transfer *transfer);

/*
 * Whether 150 has been replied and the transfer can still be aborted. Then ABOR and STAT are
 * answered.
 */
bool ftp_transfer_is_abortable(const struct ftp_transfer *transfer);

/* -- the kinds --------------------------------------------------------------------------------- */

/*
 * Sends `producer`, then closes the data connection. Takes over the producer in any case; NULL
 * means no memory. `file`, if not NULL, is held until the end.
 */
void ftp_send(struct ftp_session *session, const char *verb, const char *path,
        struct weir_producer *producer, struct weir_file *file, const char *opening);

/* Options of receiving a file. */
struct ftp_receipt {
	const char *verb;
	bool append;
	bool unique; /* STOU: a new name */
	uint64_t offset;
};

/* Receives the file `name`. */
void ftp_receive(struct ftp_session *session, const struct ftp_receipt *receipt, const char *name);

/* The bound on the bytes a second of the session's transfers; 0: none. */
uint64_t ftp_rate(const struct ftp_session *session);

#endif
