/* Addresses as text, both ways, with inet_pton and inet_ntop; names are never looked up. */
#include <arpa/inet.h>
#include <stdio.h>

#include <weir/address.h>
#include <weir/error.h>

static int address_parse_host(
        struct weir_span host, bool bracketed, uint16_t port, struct weir_address *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct weir_address address = {0};
	if (host.size == 0 && !bracketed) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons(port);
		*ret = address;
		return 0;
	}
	if (host.size >= sizeof text || memchr(host.data, 0, host.size))
		return WEIR_E_SYNTAX;
	memcpy(text, host.data, host.size);
	text[host.size] = 0;
	if (bracketed) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons(port);
		if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1)
			return WEIR_E_SYNTAX;
	} else {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons(port);
		if (inet_pton(AF_INET, text, &address.v4.sin_addr) != 1)
			return WEIR_E_SYNTAX;
	}
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
	return address_parse_host(host, bracketed, (uint16_t)port, ret);
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
	if ((family != AF_INET && family != AF_INET6) ||
	        !inet_ntop(family, host, text, WEIR_ADDRESS_TEXT_MAX))
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
