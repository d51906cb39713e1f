/* Networks as 128 bits and a prefix: IPv4 is mapped into IPv6, so that there is one comparison. */
#include <arpa/inet.h>

#include <weir/error.h>
#include <weir/network.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

void weir_address_bytes(const struct weir_address *address, uint8_t ret[16])
{
	if (address->any.sa_family == AF_INET6) {
		memcpy(ret, &address->v6.sin6_addr, 16);
		return;
	}
	memcpy(ret, mapped, sizeof mapped);
	memcpy(ret + sizeof mapped, &address->v4.sin_addr, 4);
}

/* The first `bits` bits are alike. */
static bool network_shares_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

int weir_network_parse(struct weir_span text, struct weir_network *ret)
{
	struct weir_network network = {0};
	struct weir_span host;
	char copy[INET6_ADDRSTRLEN];
	bool has_bits = weir_span_cut(&text, '/', &host);
	if (host.size == 0 || host.size >= sizeof copy || memchr(host.data, 0, host.size))
		return WEIR_E_SYNTAX;
	memcpy(copy, host.data, host.size);
	copy[host.size] = 0;
	uint64_t bits, most = 128;
	if (inet_pton(AF_INET, copy, network.address + sizeof mapped) == 1) {
		memcpy(network.address, mapped, sizeof mapped);
		most = 32;
	} else if (inet_pton(AF_INET6, copy, network.address) != 1) {
		return WEIR_E_SYNTAX;
	}
	bits = most;
	if (has_bits && (weir_span_number(text, 10, &bits) < 0 || bits > most))
		return WEIR_E_SYNTAX;
	network.bits = (uint8_t)(bits + 128 - most);
	for (unsigned bit = network.bits; bit < 128; bit++)
		if (network.address[bit / 8] & (0x80 >> bit % 8))
			return WEIR_E_SYNTAX;
	*ret = network;
	return 0;
}

bool weir_networks_contain(
        const struct weir_network *networks, size_t count, const struct weir_address *address)
{
	uint8_t bytes[16];
	weir_address_bytes(address, bytes);
	for (size_t i = 0; i < count; i++)
		if (network_shares_prefix(networks[i].address, bytes, networks[i].bits))
			return true;
	return false;
}
