/*
 * Counters in two rows. A network has one in each, and the smaller of them says best how many lookups
 * it has: never too few, and too many only where others have a share in both (a count-min sketch). So
 * there is no memory to take for a client. The hash is keyed, since clients choose their addresses.
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
