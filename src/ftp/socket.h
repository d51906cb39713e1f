/* Sockets for data connections. */
#ifndef WEIR_FTP_SOCKET_H
#define WEIR_FTP_SOCKET_H

#include <weir/address.h>

/* A socket bound to `local`. 0 or an errno. */
int ftp_socket(const struct weir_address *local, int *ret);

/*
 * A socket that listens at `address`. Of port 0 the system chooses one, which is put there. 0 or an
 * errno: -EADDRINUSE, another socket has the port.
 */
int ftp_listen(struct weir_address *address, int *ret);

#endif
