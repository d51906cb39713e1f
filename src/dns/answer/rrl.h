/*
 * Response rate limiting: a bound on the replies of a kind to a network in a second. So the server
 * cannot be used for a reflection attack on a forged address.
 */
#ifndef WEIR_DNS_RRL_H
#define WEIR_DNS_RRL_H

#include <weir/address.h>

struct dns_rrl;

enum dns_rrl_verdict {
	DNS_RRL_SEND,
	DNS_RRL_SLIP, /* truncated: an honest client asks again by TCP */
	DNS_RRL_DROP,
};

/* Returns NULL without memory, or without random bits. */
struct dns_rrl *dns_rrl_create(unsigned rate, unsigned slip);
void dns_rrl_destroy(struct dns_rrl *rrl);

enum dns_rrl_verdict dns_rrl_check(
        struct dns_rrl *rrl, const struct weir_address *peer, uint64_t kind, int64_t now_ms);

#endif
