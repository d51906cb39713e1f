/*
 * Response rate limiting: how many replies of a kind go to a network in a second, so that a server
 * is no use for flooding somebody whose address is forged.
 */
#ifndef WEIR_DNS_RRL_H
#define WEIR_DNS_RRL_H

#include <weir/address.h>

struct dns_rrl;

enum dns_rrl_verdict {
	DNS_RRL_SEND,
	DNS_RRL_SLIP, /* truncated: who is really there comes back by TCP */
	DNS_RRL_DROP,
};

/* NULL without memory, or without random bits. */
struct dns_rrl *dns_rrl_create(unsigned rate, unsigned slip);
void dns_rrl_destroy(struct dns_rrl *rrl);

enum dns_rrl_verdict dns_rrl_check(
        struct dns_rrl *rrl, const struct weir_address *peer, uint64_t kind, int64_t now_ms);

#endif
