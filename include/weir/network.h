/*
 * Networks of addresses (CIDR, RFC 4632, RFC 4291 2.3).
 *
 *   10.0.0.0/8    192.0.2.1    2001:db8::/32    ::1
 */
#ifndef WEIR_NETWORK_H
#define WEIR_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* IPv4 is mapped into IPv6 (RFC 4291 2.5.5.2), with 96 more bits of prefix. */
struct weir_network {
	uint8_t address[16];
	uint8_t bits; /* 0 to 128 */
};

/*
 * Reads a network; without the length of a prefix it is a single address. Returns 0, or
 * WEIR_E_SYNTAX, also if bits beyond the prefix are set: either the bits or the length are a
 * mistake then.
 */
WEIR_API int weir_network_parse(struct weir_span text, struct weir_network *ret);

/* Returns true if the address belongs to one of them. An IPv4 address mapped into IPv6 is IPv4. */
WEIR_API bool weir_networks_contain(
        const struct weir_network *networks, size_t count, const struct weir_address *address);

/* Returns true if the two have an address in common: one of them contains the other. */
WEIR_API bool weir_networks_overlap(
        const struct weir_network *one, const struct weir_network *other);

/*
 * The network of an address: the first `v4_bits` (up to 32) of an IPv4 address, mapped or not, and
 * the first `v6_bits` (up to 128) of another.
 */
WEIR_API void weir_network_of(const struct weir_address *address, unsigned v4_bits,
        unsigned v6_bits, struct weir_network *ret);

/* Room for the longest text of a network, its NUL included. */
#define WEIR_NETWORK_TEXT_MAX 64

/* Writes what weir_network_parse reads, and returns its length. */
WEIR_API size_t weir_network_format(
        const struct weir_network *network, char text[WEIR_NETWORK_TEXT_MAX]);

/* The address as 16 bytes, IPv4 mapped into IPv6. */
WEIR_API void weir_address_bytes(const struct weir_address *address, uint8_t ret[16]);

WEIR_C_END

#endif
