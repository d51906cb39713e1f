/*
 * Cookies (RFC 7873) prove that the client has received a reply at this address before. They are
 * made as RFC 9018 demands, so that servers with the same secret accept each other's cookies.
 */
#ifndef WEIR_DNS_COOKIE_H
#define WEIR_DNS_COOKIE_H

#include <weir/address.h>
#include <weir/span.h>

#include "siphash.h"

enum {
	DNS_COOKIE_CLIENT = 8,
	DNS_COOKIE_SERVER = 16,
	DNS_COOKIE_SIZE = DNS_COOKIE_CLIENT + DNS_COOKIE_SERVER,
};

/* The first makes cookies; those of the others are good, too. */
struct dns_cookie_secrets {
	unsigned count;
	struct siphash_key keys[2];
};

enum dns_cookie {
	DNS_COOKIE_MALFORMED,
	DNS_COOKIE_CLIENT_ONLY, /* or one that is not, or no longer, ours */
	DNS_COOKIE_VALID,
};

/* Looks at the option's data; *ret is the one to answer with, unless it is malformed. */
enum dns_cookie dns_cookie_check(const struct dns_cookie_secrets *secrets, struct weir_span option,
        const struct weir_address *peer, int64_t now_s, uint8_t ret[DNS_COOKIE_SIZE]);

#endif
