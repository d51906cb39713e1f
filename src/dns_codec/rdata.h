/*
 * Where names stand in the rdata of the types that may be compressed by their sender: those of RFC
 * 1035, and some that came before RFC 3597 forbade it (4), which are only to be read so.
 */
#ifndef WEIR_DNS_RDATA_H
#define WEIR_DNS_RDATA_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/span.h>

struct dns_layout {
	uint8_t skip;  /* bytes before the first name */
	uint8_t names; /* one after the other; 0: nothing is compressed here */
	bool compress; /* we may do it, too */
};

struct dns_layout dns_layout(uint16_t type);

/*
 * Uncompressed rdata is what the rest of this layer relies on: its names end within it, and what is
 * looked at has its size. Other types are not looked into.
 */
bool dns_rdata_good(uint16_t type, struct weir_span data);

enum {
	DNS_EXPANDED_MAX =
	        6 + 2 * 255 + 20 /* bytes: what stands before names, two of these, a SOA's rest */
};

struct weir_dns_record;

/*
 * The rdata of a record that was read from a message, without compression: in `buffer`, or where it is
 * if its type has no names. 0, or WEIR_E_SYNTAX: it is not good in the sense above.
 */
int dns_rdata_expand(struct weir_span message, const struct weir_dns_record *record,
        uint8_t buffer[DNS_EXPANDED_MAX], struct weir_span *ret);

#endif
