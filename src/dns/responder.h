/* A responder, from inside; and the parts of a reply. */
#ifndef WEIR_DNS_RESPONDER_H
#define WEIR_DNS_RESPONDER_H

#include <weir/dns_answer.h>
#include <weir/dns_message.h>

#include "answer.h"
#include "cookie.h"

struct weir_dns_responder {
	struct dns_hasher *hasher;
	struct weir_dns_keys *keys;
	struct dns_cookie_secrets secrets;
	int (*notified)(void *context, const struct weir_dns_name *zone,
	        const struct weir_address *peer, const struct weir_dns_tsig *tsig);
	void *context;
	uint16_t udp_size;
	uint8_t nsid_size;
	uint8_t version_size; /* the rdata of a TXT record; 0: refused */
	uint8_t identity_size;
	uint8_t nsid[WEIR_DNS_NSID_MAX];
	uint8_t version[1 + WEIR_DNS_CHAOS_MAX];
	uint8_t identity[1 + WEIR_DNS_CHAOS_MAX];
};

/* A reply in the making. */
struct dns_exchange {
	struct weir_dns_responder *responder;
	const struct weir_dns_zones *zones;
	const struct weir_dns_request *request;
	struct weir_dns_outcome *outcome;
	struct weir_dns_query query;
	struct weir_dns_writer writer;
	struct dns_answer answer;
	size_t room; /* for the whole; the writer's limit leaves out what comes at the end */
	unsigned rcode;
	int extended_error; /* of RFC 8914; -1: none */
	bool nsid, padding; /* were asked for */
	bool cookie;
	uint8_t cookie_data[DNS_COOKIE_SIZE];
};

/* Reads the options. 0, or the rcode of the refusal. */
unsigned weir_dns_exchange_options(struct dns_exchange *exchange);

/* What OPT and TSIG will take at the end. */
size_t weir_dns_exchange_reserve(const struct dns_exchange *exchange);

/* Puts OPT. */
void weir_dns_exchange_put_opt(struct dns_exchange *exchange);

/* A query of class CHAOS; the rcode. */
unsigned weir_dns_exchange_chaos(struct dns_exchange *exchange);

#endif
