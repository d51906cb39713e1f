/*
 * The position of names in the rdata of types that senders may compress: those of RFC 1035, and
 * some older ones that receivers must decompress, but must not compress (RFC 3597 4).
 */
#ifndef WEIR_DNS_RDATA_H
#define WEIR_DNS_RDATA_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

struct dns_layout {
	uint8_t skip;  /* bytes before the first name */
	uint8_t names; /* one after the other; 0: nothing is compressed here */
	bool compress; /* a sender may compress them */
};

struct dns_layout dns_layout(uint16_t type);

/*
 * Whether uncompressed rdata is safe for the code of the DNS layers: its names end within it, and
 * it has the size that is relied on. Rdata of other types is not examined.
 */
bool dns_rdata_good(uint16_t type, struct weir_span data);

enum {
	DNS_EXPANDED_MAX =
	        6 + 2 * 255 + 20 /* bytes before the names, two names, the numbers of a SOA */
};

struct weir_dns_record;

/*
 * The rdata of a record of a message, without compression: in `buffer`, or in the message if its
 * type has no names. Returns 0, or WEIR_E_SYNTAX if it is not safe in the sense of dns_rdata_good.
 */
int dns_rdata_expand(struct weir_span message, const struct weir_dns_record *record,
        uint8_t buffer[DNS_EXPANDED_MAX], struct weir_span *ret);

#endif
