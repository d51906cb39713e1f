/*
 * Counters in two rows (a count-min sketch). A network has a counter in each row, of which the
 * smaller one is the better estimate. It is never too small, and too large only if other networks
 * share both counters. So no memory is allocated for a client. The hash is keyed, because clients
 * choose their addresses.
 */
#include <weir/address.h>
#include <weir/network.h>

#include "lookup_state.h"

/* The bits of the address that count: all, or 56 of IPv6. */
static void lookup_clients_network_of(const struct weir_address *client, uint8_t ret[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	weir_address_bytes(client, ret);
	if (memcmp(ret, mapped, sizeof mapped) != 0)
		memset(ret + 7, 0, 9);
}

bool dns_client_enter(struct weir_dns_lookup *lookup, const struct weir_address *client)
{
	struct weir_dns_lookups *lookups = lookup->lookups;
	struct dns_clients *clients = &lookups->clients;
	unsigned most = lookups->asks_max / WEIR_DNS_CLIENT_PART;
	uint8_t network[16];
	bool few = false;
	if (!client)
		return true;
	lookup_clients_network_of(client, network);
	uint64_t hash = siphash_13(&clients->key, network, sizeof network);
	for (unsigned i = 0; i < DNS_CLIENT_ROWS; i++, hash >>= 32) {
		lookup->counted[i] = &clients->counts[i][hash % DNS_CLIENT_COUNTERS];
		few |= *lookup->counted[i] < (most ? most : 1);
	}
	for (unsigned i = 0; i < DNS_CLIENT_ROWS; i++)
		++*lookup->counted[i];
	return few;
}

void dns_client_leave(struct weir_dns_lookup *lookup)
{
	for (unsigned i = 0; i < DNS_CLIENT_ROWS; i++)
		if (lookup->counted[i])
			--*lookup->counted[i];
}
