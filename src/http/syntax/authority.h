/* host[:port], as in Host and in the request-target (RFC 3986 3.2.2, RFC 9110 7.2). */
#ifndef WEIR_HTTP_AUTHORITY_H
#define WEIR_HTTP_AUTHORITY_H

#include <weir/span.h>

/*
 * Parses an authority. The host is a registered name, an IPv4 address or an IPv6 address in
 * brackets, and is never empty. User information is refused (RFC 9110 4.2.4), and so are IPvFuture
 * and zones. *ret_host includes the brackets. *ret_port is -1 if there is no port or an empty one,
 * else at most 65535. Returns 0 or WEIR_E_SYNTAX.
 */
int http_authority_parse(struct weir_span authority, struct weir_span *ret_host, int *ret_port);

#endif
