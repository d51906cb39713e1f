/* The arguments of PORT and EPRT (RFC 959 4.1.2, RFC 2428 2), and the replies of PASV and EPSV. */
#ifndef WEIR_FTP_PORT_H
#define WEIR_FTP_PORT_H

#include <weir/address.h>
#include <weir/span.h>

/* "127,0,0,1,4,1": 0 or WEIR_E_SYNTAX. */
int ftp_port_parse(struct weir_span text, struct weir_address *ret);

/* "|1|127.0.0.1|1025|": 0, WEIR_E_SYNTAX, or -EAFNOSUPPORT for another network protocol. */
int ftp_eprt_parse(struct weir_span text, struct weir_address *ret);

/* "127,0,0,1,4,1" of an IPv4 address. */
#define WEIR_FTP_PORT_TEXT_MAX 24
void ftp_port_format(const struct weir_address *address, char text[WEIR_FTP_PORT_TEXT_MAX]);

/* An IPv4 address that was mapped into IPv6 as what it is; others as they are. */
struct weir_address ftp_unmapped(const struct weir_address *address);

/* The same host, whatever the ports and whether mapped. */
bool ftp_same_host(const struct weir_address *a, const struct weir_address *b);

void ftp_set_port(struct weir_address *address, uint16_t port);

#endif
