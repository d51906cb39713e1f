/*
 * The data connection: set up by PASV or PORT, used by one transfer.
 *
 *   LISTENING ─▶ (the peer has connected) ─┐
 *   TARGET ──────────────────────────────  ├─▶ started ─▶ ready ─▶ gone
 *                                          ┘
 *
 * Before it is started it belongs to the session and goes when its time is over; afterwards it
 * belongs to itself, and its user is told of its end, exactly once.
 */
#ifndef WEIR_FTP_DATA_H
#define WEIR_FTP_DATA_H

#include "session.h"

struct ftp_data;

/* Who uses a data connection. */
struct ftp_data_user {
	const struct ftp_data_user_type *type;
	struct ftp_data *data; /* from the start to gone(); then NULL */
};

struct ftp_data_user_type {
	/* It stands, and is secure if it has to be: push, or await pieces. */
	void (*ready)(struct ftp_data_user *user, struct weir_channel *channel);
	void (*piece)(struct ftp_data_user *user, struct weir_span bytes);
	/* Who has tapped the channel (weir/channel.h) hears this instead. */
	void (*arrived)(struct ftp_data_user *user);
	/* The peer sends nothing more; `whole`: TLS says that nothing is missing. */
	void (*eof)(struct ftp_data_user *user, bool whole);
	/*
	 * The last call. 0: all that was pushed has left. -ENOTCONN: it could not be had at all;
	 * -ETIMEDOUT: nobody came, or nothing went on; -EPERM: the TLS session is not that of
	 * the control connection; -EIO: the producer failed; or what ended it.
	 */
	void (*gone)(struct ftp_data_user *user, int error);
};

/*
 * Listens on the control connection's local address; in the session's place for data then, instead
 * of what was there. *ret is where. 0, or an errno: -EADDRINUSE: no port of the range is free.
 */
int ftp_data_listen(struct ftp_session *session, struct weir_address *ret);

/*
 * Will connect to `target`. 0, -ENOMEM, or -EACCES: it is not the control connection's peer, or
 * its port is below 1024.
 */
int ftp_data_target(struct ftp_session *session, const struct weir_address *target);

/* Gives up what was set up and not started. */
void ftp_data_drop(struct ftp_session *session);

/*
 * Uses the session's data connection for `user`; gone() may come before this returns. With TLS if
 * the session's data is protected.
 */
void ftp_data_start(struct ftp_session *session, struct ftp_data_user *user);

/* Its TLS session is the control connection's (never, where that is not looked at). */
bool ftp_data_resumed(const struct ftp_data *data);

/* The channel that it has; NULL: none yet. */
struct weir_channel *ftp_data_channel(const struct ftp_data *data);

/* Ends it with a reset; gone() follows, now or later. */
void ftp_data_abort(struct ftp_data *data, int error);

#endif
