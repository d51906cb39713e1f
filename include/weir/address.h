/*
 * Addresses of sockets: read from and written as text.
 *
 *   127.0.0.1:8080    [::1]:8080    :8080 (any address of both families)
 */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include <weir/api.h>
#include <weir/span.h>

/* An IPv4 or IPv6 address and port: 28 bytes, since every channel keeps its peer's. */
struct weir_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

/* Room for the longest text below, its NUL included. */
#define WEIR_ADDRESS_TEXT_MAX 64

/* 0 or WEIR_E_SYNTAX. Names are not looked up. */
WEIR_API int weir_address_parse(struct weir_span text, struct weir_address *ret);

/* "127.0.0.1:8080"; the host alone without its port. Both return the length. An IPv4 address mapped
 * into IPv6 is written as IPv4. */
WEIR_API size_t weir_address_format(const struct weir_address *, char text[WEIR_ADDRESS_TEXT_MAX]);
WEIR_API size_t weir_address_host(const struct weir_address *, char text[WEIR_ADDRESS_TEXT_MAX]);

WEIR_API socklen_t weir_address_size(const struct weir_address *address);
WEIR_API uint16_t weir_address_port(const struct weir_address *address);

#endif
