/*
 * Who waits: how many lookups each client's network (an address, or 56 bits of IPv6) has, so that none
 * takes what is there for all.
 */
#ifndef WEIR_DNS_LOOKUP_CLIENTS_H
#define WEIR_DNS_LOOKUP_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "siphash.h"

struct weir_address;
struct weir_dns_lookup;

enum {
	DNS_CLIENT_ROWS = 2,
	DNS_CLIENT_COUNTERS = 1024 /* of a row */
};

struct dns_clients {
	struct siphash_key key;
	uint32_t counts[DNS_CLIENT_ROWS][DNS_CLIENT_COUNTERS];
};

/* Counts the lookup. False: the client's network has its part already. NULL: nobody's, not counted. */
bool dns_client_enter(struct weir_dns_lookup *lookup, const struct weir_address *client);
void dns_client_leave(struct weir_dns_lookup *lookup);

#endif
