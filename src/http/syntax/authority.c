/*
 * Authorities, checked byte by byte: an accepted one may be compared, logged and looked up without
 * further checks. Left out: names are neither decoded nor resolved.
 */
#include <arpa/inet.h>

#include <weir/error.h>

#include "authority.h"
#include "syntax.h"

/* Returns the size of "[address]" at the front, or 0. */
static size_t http_authority_bracketed(struct weir_span text)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	const char *end = memchr(text.data, ']', text.size);
	size_t size = end ? (size_t)(end - text.data) - 1 : 0;
	if (size == 0 || size >= sizeof address || memchr(text.data, 0, size + 1))
		return 0;
	memcpy(address, text.data + 1, size);
	address[size] = 0;
	return inet_pton(AF_INET6, address, &ignored) == 1 ? size + 2 : 0;
}

/* Returns the size of the registered name at the front, or 0. An IPv4 address is one, too. */
static size_t http_authority_registered(struct weir_span text)
{
	size_t size = 0;
	for (;;) {
		size += http_run(weir_span_skip(text, size), WEIR_HTTP_HCHAR);
		if (size == text.size || text.data[size] != '%')
			return size;
		if (text.size - size < 3 || !http_is(text.data[size + 1], WEIR_HTTP_XDIGIT) ||
		        !http_is(text.data[size + 2], WEIR_HTTP_XDIGIT))
			return 0;
		size += 3;
	}
}

static int http_authority_parse_port(struct weir_span text, int *ret)
{
	unsigned port = 0;
	if (text.size > 5)
		return WEIR_E_SYNTAX;
	for (size_t i = 0; i < text.size; i++) {
		unsigned digit = (uint8_t)text.data[i] - (unsigned)'0';
		if (digit > 9)
			return WEIR_E_SYNTAX;
		port = port * 10 + digit;
	}
	if (port > UINT16_MAX)
		return WEIR_E_SYNTAX;
	*ret = text.size ? (int)port : -1;
	return 0;
}

int http_authority_parse(struct weir_span authority, struct weir_span *ret_host, int *ret_port)
{
	int port = -1;
	if (authority.size == 0)
		return WEIR_E_SYNTAX;
	size_t size = authority.data[0] == '[' ? http_authority_bracketed(authority)
	                                       : http_authority_registered(authority);
	if (size == 0)
		return WEIR_E_SYNTAX;
	if (size < authority.size) {
		if (authority.data[size] != ':')
			return WEIR_E_SYNTAX;
		if (http_authority_parse_port(weir_span_skip(authority, size + 1), &port) < 0)
			return WEIR_E_SYNTAX;
	}
	*ret_host = weir_span(authority.data, size);
	*ret_port = port;
	return 0;
}
