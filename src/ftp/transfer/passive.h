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
#ifndef WEIR_FTP_PASSIVE_H
#define WEIR_FTP_PASSIVE_H

#include "session.h"

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

#endif
