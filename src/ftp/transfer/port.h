/*
 * Addresses of data connections: the arguments of PORT and EPRT (RFC 959 4.1.2, RFC 2428 2), the
 * replies of PASV and EPSV, and sockets that are bound to them.
 */
#ifndef WEIR_FTP_PORT_H
#define WEIR_FTP_PORT_H

#include <weir/address.h>
#include <weir/span.h>

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
