/* Sockets for data connections. */
#ifndef WEIR_FTP_SOCKET_H
#define WEIR_FTP_SOCKET_H

#include <weir/address.h>
#include <weir/ftp.h>

/* A socket bound to `local`. 0 or an errno. */
int ftp_socket(const struct weir_address *local, int *ret);

/*
 * One that listens on `address`, and a port of the range, which is put there. 0 or an errno:
 * -EADDRINUSE, none is free.
 */
int ftp_listen(const struct weir_ftp_rules *rules, struct weir_address *address, int *ret);

#endif
