/* Literals by inet_pton, which is strict: no 127.1, no octal. */
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "literal.h"

enum {
	TEXT_MAX = INET6_ADDRSTRLEN + IF_NAMESIZE
};

static bool address_literal_parse_scope(const char *name, struct sockaddr_in6 *to)
{
	uint64_t number;
	to->sin6_scope_id = if_nametoindex(name);
	if (to->sin6_scope_id == 0 && weir_span_number(weir_span_of(name), 10, &number) == 0 &&
	        number <= UINT32_MAX)
		to->sin6_scope_id = (uint32_t)number;
	return to->sin6_scope_id != 0 && IN6_IS_ADDR_LINKLOCAL(&to->sin6_addr);
}

bool address_literal_parse(struct weir_span span, uint16_t port, struct weir_address *ret)
{
	struct weir_address address = {0};
	char text[TEXT_MAX];
	if (span.size >= sizeof text || memchr(span.data, 0, span.size))
		return false;
	memcpy(text, span.data, span.size);
	text[span.size] = 0;
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons(port);
		*ret = address;
		return true;
	}
	char *scope = strchr(text, '%');
	if (scope)
		*scope++ = 0;
	address = (struct weir_address){0};
	if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) != 1 ||
	        (scope && !address_literal_parse_scope(scope, &address.v6)))
		return false;
	address.v6.sin6_family = AF_INET6;
	address.v6.sin6_port = htons(port);
	*ret = address;
	return true;
}
