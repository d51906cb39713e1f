/*
 * The data connection: set up by PASV or PORT, used by one transfer.
 *
 *   PASV: waiting ─▶ the peer has connected ─┐
 *   PORT: target known ──────────────────────┴─▶ started ─▶ ready ─▶ gone
 *
 * Before ftp_data_start it belongs to the session, and ends after a time limit. From then on it
 * belongs to itself, and reports its end to its user exactly once.
 */
#ifndef WEIR_FTP_DATA_H
#define WEIR_FTP_DATA_H

#include "session.h"

struct ftp_data;

/* The user of a data connection, embedded in a transfer. */
struct ftp_data_user {
	const struct ftp_data_user_type *type;
	struct ftp_data *data; /* from the start to gone(); then NULL */
};

struct ftp_data_user_type {
	/* It is open, and secure if required: push, or await pieces. */
	void (*ready)(struct ftp_data_user *user, struct weir_channel *channel);
	void (*piece)(struct ftp_data_user *user, struct weir_span bytes);
	/* Replaces piece() once the channel's input is diverted (weir/channel.h). */
	void (*arrived)(struct ftp_data_user *user);
	/* The peer has closed its side. `whole` is false if TLS did not confirm the end. */
	void (*eof)(struct ftp_data_user *user, bool whole);
	/*
	 * The last call. `error` is 0 if all that was pushed has left, or
	 *   -ENOTCONN   The connection could not be made.
	 *   -ETIMEDOUT  The peer did not connect, or nothing moved.
	 *   -EPERM      The TLS session is not that of the control connection.
	 *   -EIO        The producer failed.
	 * or what ended the channel.
	 */
	void (*gone)(struct ftp_data_user *user, int error);
};

/*
 * Listens at the local address of the control connection, instead of what the session had set up
 * before. Puts the address into *ret. Returns 0, -EADDRINUSE if no port of the range is free, or
 * another errno.
 */
int ftp_data_listen(struct ftp_session *session, struct weir_address *ret);

/*
 * Will connect to `target`. Returns 0, -ENOMEM, or -EACCES if that is not the peer of the control
 * connection, or its port is below 1024.
 */
int ftp_data_target(struct ftp_session *session, const struct weir_address *target);

/* Ends a data connection that was set up and not started. */
void ftp_data_drop(struct ftp_session *session);

/*
 * Starts the session's data connection for `user`, with TLS if the session's data is protected.
 * gone() may be called before this returns.
 */
void ftp_data_start(struct ftp_session *session, struct ftp_data_user *user);

/* Whether it has resumed the control connection's TLS session; false if that is not compared. */
bool ftp_data_resumed(const struct ftp_data *data);

/* Its channel, or NULL before there is one. */
struct weir_channel *ftp_data_channel(const struct ftp_data *data);

/* Ends it with a reset. gone() follows, now or in a later turn. */
void ftp_data_abort(struct ftp_data *data, int error);

#endif
