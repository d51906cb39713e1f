/*
 * Socket addresses, and their text.
 *
 *   127.0.0.1:8080    [::1]:8080    :8080 (any address of both families)
 */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* An IPv4 or IPv6 address and port. It has 28 bytes only, since every channel has one. */
struct weir_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

/* Room for the longest text below, its NUL included. */
#define WEIR_ADDRESS_TEXT_MAX 64

/* Reads an address. Names are not looked up. Returns 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_address_parse(struct weir_span text, struct weir_address *ret);

/*
 * Write "127.0.0.1:8080", or the host alone, and return the length. An IPv4 address that is mapped
 * into IPv6 is written as IPv4.
 */
WEIR_API size_t weir_address_format(const struct weir_address *, char text[WEIR_ADDRESS_TEXT_MAX]);
WEIR_API size_t weir_address_host(const struct weir_address *, char text[WEIR_ADDRESS_TEXT_MAX]);

WEIR_API socklen_t weir_address_size(const struct weir_address *address);
/* Returns true if host and port are equal. An IPv4 address equals its form mapped into IPv6. */
WEIR_API bool weir_address_equal(const struct weir_address *one, const struct weir_address *other);

WEIR_API uint16_t weir_address_port(const struct weir_address *address);

WEIR_C_END

#endif
