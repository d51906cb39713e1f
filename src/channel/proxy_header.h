/*
 * The PROXY protocol, versions 1 and 2: what a proxy sends before the first byte of its client.
 *
 *   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CR LF
 *   CR LF CR LF NUL CR LF "QUIT" LF  version and command  family  length(2)  addresses  TLVs
 */
#ifndef CHANNEL_PROXY_HEADER_H
#define CHANNEL_PROXY_HEADER_H

#include <stdbool.h>
#include <sys/types.h>

#include <weir/address.h>
#include <weir/span.h>

struct proxy_header {
	/*
	 * The header has addresses that a TCP connection can have. False: LOCAL, UNKNOWN, UNSPEC,
	 * or Unix or datagram sockets; the connection keeps the address of its socket.
	 */
	bool known;
	struct weir_address source;
	struct weir_address destination;
};

/*
 * Reads the header at the beginning of `input`. Returns its size; 0 if its end is not in
 * `input`; WEIR_E_SYNTAX; or WEIR_E_LIMIT if it is larger than
 * WEIR_PROXY_HEADER_MAX. A version 2 header's TLVs must fill it, and a CRC-32C among them must be
 * right; other TLVs are ignored.
 */
ssize_t proxy_header_read(struct weir_span input, struct proxy_header *ret);

#endif
