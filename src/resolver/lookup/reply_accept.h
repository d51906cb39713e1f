/*
 * Accepting a reply: the records that belong to the question are read and written anew. So only
 * well-formed data is cached and passed on, whatever an upstream sends.
 */
#ifndef WEIR_DNS_ACCEPT_H
#define WEIR_DNS_ACCEPT_H

#include <weir/dns_lookup.h>

struct dns_ttl_bounds {
	uint32_t min_s, max_s, negative_max_s;
};

/* Of `message`, `body` bytes are header and question; the records of two sections follow. */
struct dns_accepted {
	uint8_t *message;
	size_t body;
	size_t size;
	uint32_t ttl_s; /* 0: not to be remembered */
	uint16_t answers;
	uint16_t authorities;
	struct weir_dns_lookup_info info; /* `kind` is not set */
};

/* The second word of the header for these facts. */
uint16_t dns_found_flags(const struct weir_dns_lookup_info *info);

/*
 * Accepts a reply to `question`, asked with `flags`. `message` has room for WEIR_DNS_MESSAGE_MAX
 * bytes. An rcode that is no answer becomes SERVFAIL, without records. Returns 0, or WEIR_E_SYNTAX
 * if the reply is malformed, or does not reply to the question.
 */
int dns_accept(struct weir_span reply, const struct weir_dns_question *question, unsigned flags,
        const struct dns_ttl_bounds *bounds, uint8_t *message, struct dns_accepted *ret);

/* A failure in the form of an accepted reply. */
void dns_accept_failure(const struct weir_dns_question *question, int extended_error,
        uint8_t *message, struct dns_accepted *ret);

#endif
