/*
 * A transfer: what RETR, STOR, LIST and similar commands have under way.
 *
 *   start ─▶ 150 ─▶ data connection ready ─▶ bytes ─▶ data gone ─▶ finish: 226, or an error
 *
 * It belongs to its session until it finishes. If the session ends before, the transfer is
 * orphaned, and lives until its data connection is gone. Embedded first in the struct of each kind
 * of transfer.
 */
#ifndef WEIR_TRANSFER_H
#define WEIR_TRANSFER_H

#include <stdbool.h>

#include <weir/loop.h>
#include <weir/span.h>
#include <weir/upload.h>

#include "data_connection.h"
#include "session.h"

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

/* -- TYPE A (RFC 959 3.1.1.1): CRLF becomes LF, and CR NUL becomes CR -------------------------- */

/* All zero at first. */
struct ftp_ascii {
	bool after_cr; /* A CR has come and has not been written yet. */
};

/* Converts `bytes` and passes the result to `write`. Returns 0, or the first error of `write`. */
int ftp_ascii_convert(struct ftp_ascii *ascii, struct weir_span bytes,
        int (*write)(void *context, struct weir_span bytes), void *context);

/* The end of the text. */
int ftp_ascii_end(struct ftp_ascii *ascii, int (*write)(void *context, struct weir_span bytes),
        void *context);

/* -- inside of receive.c and receive_data.c ---------------------------------------------------- */

enum ftp_receiving_phase {
	FTP_RECEIVING_OPENING,  /* The upload is being opened. STOU may try several names. */
	FTP_RECEIVING_DATA,     /* Data comes through the channel. */
	FTP_RECEIVING_SPLICING, /* The work pool moves data from the socket into the file. */
	FTP_RECEIVING_STOPPING, /* It does so still, but the transfer has been broken off. */
	FTP_RECEIVING_SAVING, /* The upload is being committed: the file, or the part that came. */
	FTP_RECEIVING_ENDED,  /* The upload has ended. */
};

struct ftp_receiving {
	struct ftp_transfer transfer;
	enum ftp_receiving_phase phase;
	struct weir_upload *upload;
	struct weir_timer timer; /* the end of a pause for the rate */
	struct ftp_ascii ascii;
	bool text;           /* TYPE A */
	bool unique;         /* STOU: the name may change */
	bool keep_part;      /* of a transfer that broke off, for REST */
	bool upload_full;    /* the disk is slower than the peer */
	bool above_rate;     /* the peer is faster than the rate */
	uint8_t names_tried; /* by STOU */
	int error;           /* why the data ended; 0: as it should */
	int file_error;      /* of the store; it decides the reply */
	uint64_t bytes;      /* on the data connection */
	uint64_t rate;       /* bytes a second; 0: any */
	int64_t began_ms;    /* when the data connection was ready */
	struct weir_upload_options options;
	struct ftp_path *path; /* until the upload is open */
	size_t path_size;      /* without STOU's suffix: of the path that the client knows */
	size_t tree_size;      /* and of that in the tree */
};

static inline struct ftp_receiving *ftp_receiving_of(struct ftp_transfer *transfer)
{
	return (struct ftp_receiving *)transfer;
}

/* Enters a phase; nothing else does. */
void ftp_receiving_enter(struct ftp_receiving *receiving, enum ftp_receiving_phase phase);

/* The upload has ended: finishes the transfer, or frees it if its session has ended before. */
void ftp_receiving_end(struct ftp_receiving *receiving);

/* Commits the upload: the file, or the part that came. */
void ftp_receiving_save(struct ftp_receiving *receiving);

/* Whether a transfer that broke off leaves a part to be saved. */
bool ftp_receiving_has_part(const struct ftp_receiving *receiving);

/*
 * No more data will come. The part that came is saved or discarded; a splice under way ends first.
 */
void ftp_receiving_break_off(struct ftp_receiving *receiving, int error);

/* The file cannot be written: the data that comes further is of no use. */
void ftp_receiving_fail(struct ftp_receiving *receiving, int error);

/* -- receive_data.c ---------------------------------------------------------------------------- */

/* Pauses or resumes the data connection, as disk and rate require. */
void ftp_receiving_pause_or_resume(const struct ftp_receiving *receiving);

/* The functions of struct ftp_transfer_type for the data. */
void ftp_receiving_ready(struct ftp_transfer *transfer, struct weir_channel *channel);
void ftp_receiving_piece(struct ftp_transfer *transfer, struct weir_span bytes);
void ftp_receiving_arrived(struct ftp_transfer *transfer);
void ftp_receiving_eof(struct ftp_transfer *transfer, bool whole);

#endif
