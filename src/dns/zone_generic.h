/* Records of zone files whose type is a number and whose data is told by its bytes (RFC 3597 5). */
#ifndef WEIR_DNS_ZONE_GENERIC_H
#define WEIR_DNS_ZONE_GENERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_generic {
	bool is; /* the record is such a one, of: */
	uint16_t type;
	size_t size;
};

/*
 * Takes the type and the data out of a record, a line that ends in NUL, in memory of `room` bytes:
 * what is left says "TYPE65534 \# 0". `data` has room for UINT16_MAX bytes. False: the data is not of
 * the size that it says.
 */
bool weir_dns_generic_take(char *text, size_t room, uint8_t *data, struct dns_generic *ret);

#endif
