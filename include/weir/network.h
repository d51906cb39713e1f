/*
 * Networks: which addresses belong to one (CIDR, RFC 4632, RFC 4291 2.3).
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

/* IPv4 is kept as mapped into IPv6 (RFC 4291 2.5.5.2): 96 more bits of prefix. */
struct weir_network {
	uint8_t address[16];
	uint8_t bits; /* 0 to 128 */
};

/*
 * Without a prefix's length it is a single address. 0 or WEIR_E_SYNTAX: also for bits set beyond the
 * prefix, since nobody can tell which of the two was meant.
 */
WEIR_API int weir_network_parse(struct weir_span text, struct weir_network *ret);

/* Whether the address belongs to one of them. An IPv4 address mapped into IPv6 is IPv4. */
WEIR_API bool weir_networks_contain(
        const struct weir_network *networks, size_t count, const struct weir_address *address);

/* The address as 16 bytes, IPv4 mapped into IPv6. */
WEIR_API void weir_address_bytes(const struct weir_address *address, uint8_t ret[16]);

#endif
