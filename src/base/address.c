/* Socket addresses and networks: their text, and which address belongs to which network. */
#include <arpa/inet.h>
#include <stdio.h>

#include <weir/address.h>
#include <weir/error.h>
#include <weir/network.h>

#include "helper.h"

int address_parse_host(struct weir_span host, int family, uint16_t port, struct weir_address *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct weir_address address = {0};
	if (host.size >= sizeof text || (host.size && memchr(host.data, 0, host.size)))
		return WEIR_E_SYNTAX;
	text_copy_span(text, sizeof text, host);
	address.any.sa_family = (sa_family_t)family;
	if (family == AF_INET6)
		address.v6.sin6_port = htons(port);
	else
		address.v4.sin_port = htons(port);
	if (inet_pton(family, text,
	            family == AF_INET6 ? (void *)&address.v6.sin6_addr : &address.v4.sin_addr) != 1)
		return WEIR_E_SYNTAX;
	*ret = address;
	return 0;
}

int weir_address_parse(struct weir_span text, struct weir_address *ret)
{
	struct weir_span host;
	uint64_t port;
	bool bracketed = text.size && text.data[0] == '[';
	if (bracketed) {
		text = weir_span_skip(text, 1);
		if (!weir_span_cut(&text, ']', &host) || text.size == 0 || text.data[0] != ':')
			return WEIR_E_SYNTAX;
		text = weir_span_skip(text, 1);
	} else if (!weir_span_cut(&text, ':', &host)) {
		return WEIR_E_SYNTAX;
	}
	if (weir_span_number(text, 10, &port) < 0 || port > UINT16_MAX)
		return WEIR_E_SYNTAX;
	bool any = host.size == 0 && !bracketed;
	return address_parse_host(any ? WEIR_SPAN("::") : host,
	        any || bracketed ? AF_INET6 : AF_INET, (uint16_t)port, ret);
}

/* What inet_ntop writes, which composes it by printf: every request and log line needs one. */
static size_t address_put_v4(const uint8_t *bytes, char *to)
{
	char *at = to;
	for (int i = 0; i < 4; i++) {
		unsigned value = bytes[i];
		if (value >= 100)
			*at++ = (char)('0' + value / 100);
		if (value >= 10)
			*at++ = (char)('0' + value / 10 % 10);
		*at++ = (char)('0' + value % 10);
		*at++ = '.';
	}
	*--at = 0;
	return (size_t)(at - to);
}

size_t weir_address_host(const struct weir_address *address, char text[WEIR_ADDRESS_TEXT_MAX])
{
	const void *host = &address->v4.sin_addr;
	int family = address->any.sa_family;
	if (family == AF_INET6) {
		host = &address->v6.sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
			host = &address->v6.sin6_addr.s6_addr[12];
			family = AF_INET;
		}
	}
	if (family == AF_INET)
		return address_put_v4(host, text);
	if (family != AF_INET6 || !inet_ntop(family, host, text, WEIR_ADDRESS_TEXT_MAX))
		memcpy(text, "-", 2);
	return strlen(text);
}

size_t weir_address_format(const struct weir_address *address, char text[WEIR_ADDRESS_TEXT_MAX])
{
	char host[WEIR_ADDRESS_TEXT_MAX];
	weir_address_host(address, host);
	int size = snprintf(text, WEIR_ADDRESS_TEXT_MAX, strchr(host, ':') ? "[%s]:%u" : "%s:%u",
	        host, weir_address_port(address));
	return size < 0 ? 0 : (size_t)size;
}

socklen_t weir_address_size(const struct weir_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

uint16_t weir_address_port(const struct weir_address *address)
{
	return ntohs(
	        address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

/* -- networks ---------------------------------------------------------------------------------- */

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

bool weir_address_equal(const struct weir_address *one, const struct weir_address *other)
{
	uint8_t bytes[16], others[16];
	weir_address_bytes(one, bytes);
	weir_address_bytes(other, others);
	return weir_address_port(one) == weir_address_port(other) &&
	       memcmp(bytes, others, sizeof bytes) == 0;
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

bool weir_networks_overlap(const struct weir_network *one, const struct weir_network *other)
{
	unsigned bits = one->bits < other->bits ? one->bits : other->bits;
	return network_shares_prefix(one->address, other->address, bits);
}

static bool network_is_v4(const struct weir_network *network)
{
	return network->bits >= 96 && memcmp(network->address, mapped, sizeof mapped) == 0;
}

void weir_network_of(const struct weir_address *address, unsigned v4_bits, unsigned v6_bits,
        struct weir_network *ret)
{
	weir_address_bytes(address, ret->address);
	ret->bits = 128;
	ret->bits = (uint8_t)(network_is_v4(ret) ? 96 + v4_bits : v6_bits);
	unsigned whole = ret->bits / 8;
	if (ret->bits % 8)
		ret->address[whole++] &= (uint8_t)(0xff00 >> ret->bits % 8);
	memset(ret->address + whole, 0, sizeof ret->address - whole);
}

size_t weir_network_format(const struct weir_network *network, char text[WEIR_NETWORK_TEXT_MAX])
{
	bool v4 = network_is_v4(network);
	inet_ntop(v4 ? AF_INET : AF_INET6, network->address + (v4 ? sizeof mapped : 0), text,
	        WEIR_NETWORK_TEXT_MAX);
	size_t size = strlen(text);
	if (network->bits < 128)
		size += (size_t)snprintf(text + size, WEIR_NETWORK_TEXT_MAX - size, "/%u",
		        network->bits - (v4 ? 96u : 0u));
	return size;
}
