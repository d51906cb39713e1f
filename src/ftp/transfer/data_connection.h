/*
 * The data connection: set up by PASV or PORT, used by one transfer.
 *
 *   PASV: waiting ─▶ the peer has connected ─┐
 *   PORT: target known ──────────────────────┴─▶ started ─▶ ready ─▶ gone
 *
 * Before ftp_data_start it belongs to the session, and ends after a time limit. From then on it
 * belongs to itself, and reports its end to its user exactly once.
 */
#ifndef WEIR_DATA_CONNECTION_H
#define WEIR_DATA_CONNECTION_H

#include <pthread.h>

#include <weir/address.h>
#include <weir/loop.h>
#include <weir/span.h>

#include "session.h"
#include "refcount.h"

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

/* -- passive ports ----------------------------------------------------------------------------- */

/*
 * Passive ports, which sessions of different peers share.
 *
 *   PASV ─▶ waiting ─┬─▶ its peer has connected: done(descriptor)
 *                    ├─▶ revoked, for another session of its peer: done(-ETIMEDOUT)
 *                    └─▶ cancelled
 *
 * A connection belongs to the session whose peer has its address. Of one address at most one
 * session waits on a port, so that there is never a choice. A session and the listener of its port
 * may belong to different loops: the loop that accepts the connection posts it to the session's.
 */

struct ftp_wait;

/* Whether two ranges have the same ports. */
bool ftp_passive_same_range(const struct weir_ftp_ports *a, const struct weir_ftp_ports *b);

/*
 * Waits for a connection from the host of `peer`, at the host of `*local`; the port is put there.
 * `done` is called once, in a later turn, unless the wait is cancelled before; the wait is freed
 * then. `fd` is the callee's connection from `from`, or the negative errno that ended the wait.
 *
 * Returns 0; -EADDRINUSE: sessions of this peer wait on every port of the range, or other programs
 * have them; -ENOMEM; or an errno of socket(2) and the like.
 */
int ftp_passive_wait(struct weir_ftp_server *server, const struct weir_address *peer,
        struct weir_address *local,
        void (*done)(void *context, int fd, const struct weir_address *from), void *context,
        struct ftp_wait **ret);

/* The transfer has begun: the wait is not revoked any more. NULL is allowed. */
void ftp_passive_use(struct ftp_wait *wait);

/* `done` is not called any more; the port is free at once. NULL is allowed. */
void ftp_passive_cancel(struct ftp_wait *wait);

/* -- inside of passive.c and passive_port.c ---------------------------------------------------- */

enum {
	FTP_PASSIVE_BUCKETS = 256
};

struct weir_ftp_ports {
	pthread_mutex_t lock;
	struct refcount references; /* by servers and their watches */
	uint16_t first;             /* 0: the system chooses a port */
	uint16_t last;
	struct weir_list buckets[FTP_PASSIVE_BUCKETS]; /* of listeners, by port */
};

struct passive_listener {
	struct weir_list link; /* in its bucket, while it listens */
	struct weir_address local;
	int fd;
	/* Under the lock; one while it listens, and one of each watch. */
	struct local_refcount references;
	struct weir_list waits; /* the oldest first */
};

/* One server's watch of a listener. Belongs to the thread of its loop. */
struct passive_watch {
	struct weir_watch watch; /* of a duplicate of the listener's descriptor */
	struct weir_list link;   /* in the server's */
	struct weir_loop *loop;
	struct weir_ftp_ports *ports;      /* held */
	struct passive_listener *listener; /* held */
	unsigned waits;                    /* of this server, until done() or cancellation */
};

struct ftp_wait {
	struct weir_task task; /* finishes the wait on its loop */
	struct weir_list link; /* in the listener's, while it is waiting */
	struct passive_watch *watch;
	struct weir_loop *loop;
	struct weir_address peer;
	int64_t since_ms;         /* when it began; INT64_MAX: not to be revoked */
	bool waiting;             /* in the listener's list */
	bool posted;              /* the task will free it */
	int fd;                   /* the result: a connection or an errno */
	struct weir_address from; /* of the connection */
	void (*done)(void *context, int fd, const struct weir_address *from); /* NULL: cancelled */
	void *context;
};

/* With the lock held, like the functions below. */
void ftp_passive_listener_release(struct passive_listener *listener);

/*
 * Removes a wait from its listener. The last one ends the listener, which frees the port at once.
 */
void ftp_passive_remove_wait(struct passive_listener *listener, struct ftp_wait *wait);

/* Finds the wait for this peer on a listener, or NULL. */
struct ftp_wait *ftp_passive_find_wait(
        const struct passive_listener *listener, const struct weir_address *peer);

/*
 * Adds the wait to a port of the range. The search begins at a random one, so that ports cannot
 * be guessed.
 */
int ftp_passive_choose(struct weir_ftp_ports *ports, struct weir_address *local,
        struct ftp_wait *wait, struct passive_listener **ret);

/* Sends the result of a wait to its loop: a descriptor or an errno. */
void ftp_passive_post(struct ftp_wait *wait, int fd);

/*
 * Ends the oldest wait for the same peer, so that a client which asks for ports and does not use
 * them gives the first one up. Returns false if there is none that is old enough.
 */
bool ftp_passive_revoke(struct weir_ftp_ports *ports, const struct weir_address *local,
        const struct ftp_wait *next);

/* -- addresses --------------------------------------------------------------------------------- */

/*
 * Addresses of data connections: the arguments of PORT and EPRT (RFC 959 4.1.2, RFC 2428 2), the
 * replies of PASV and EPSV, and sockets that are bound to them.
 */

/* "127,0,0,1,4,1". Returns 0 or WEIR_E_SYNTAX. */
int ftp_port_parse(struct weir_span text, struct weir_address *ret);

/*
 * "|1|127.0.0.1|1025|". Returns 0, WEIR_E_SYNTAX, or -EAFNOSUPPORT for another network protocol.
 */
int ftp_eprt_parse(struct weir_span text, struct weir_address *ret);

/* "127,0,0,1,4,1" of an IPv4 address. */
#define WEIR_FTP_PORT_TEXT_MAX 24
void ftp_port_format(const struct weir_address *address, char text[WEIR_FTP_PORT_TEXT_MAX]);

/* An IPv4-mapped IPv6 address as the IPv4 address; any other address unchanged. */
struct weir_address ftp_unmapped(const struct weir_address *address);

/* Whether two addresses have the same host, whatever their ports, and whether mapped or not. */
bool ftp_same_host(const struct weir_address *a, const struct weir_address *b);

void ftp_set_port(struct weir_address *address, uint16_t port);

/* Makes a socket that is bound to `local`. Returns 0 or an errno. */
int ftp_socket(const struct weir_address *local, int *ret);

/*
 * Makes a socket that listens at `address`. For port 0 the system chooses one, which is put there.
 * Returns 0 or an errno: -EADDRINUSE if another socket has the port.
 */
int ftp_listen(struct weir_address *address, int *ret);

#endif
