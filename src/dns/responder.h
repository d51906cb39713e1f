/* A responder, from inside; and the parts of a reply. */
#ifndef WEIR_DNS_RESPONDER_H
#define WEIR_DNS_RESPONDER_H

#include <weir/dns_answer.h>
#include <weir/dns_message.h>
#include <weir/list.h>

#include "answer.h"
#include "cookie.h"

enum {
	DNS_NETWORKS_DEFAULT = 8
};

struct weir_dns_responder {
	struct dns_hasher *hasher;
	struct weir_dns_keys *keys;
	struct dns_cookie_secrets secrets;
	unsigned (*notified)(void *context, const struct weir_dns_name *zone,
	        const struct weir_address *peer, const struct weir_dns_tsig *tsig);
	void *context;
	struct weir_dns_recursion
	        recursion; /* its networks are our own, or NULL: the default ones */
	struct weir_network networks[DNS_NETWORKS_DEFAULT];
	struct weir_list waiting;
	uint8_t *late; /* for late replies; NULL without lookups */
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
	bool recursive;     /* the client may have names looked up */
	bool forwarded;     /* … and this one was */
	bool authenticated; /* so says who answered */
	bool asks;          /* there is no reply yet: it has to be asked for */
	/* What a lookup came to: `found` NULL: there was none yet. An empty message: it failed. */
	const struct weir_dns_found *found;
	struct weir_span message;
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

/* -- responder_forward.c ----------------------------------------------------------------------- */

/* Whether the client may have names looked up. */
bool weir_dns_exchange_recursive(const struct dns_exchange *exchange);

/* A query for a name of no zone; the rcode. May set `asks`. */
unsigned weir_dns_exchange_forward(struct dns_exchange *exchange);

/* What is asked upstream: flags of weir_dns_ask. */
unsigned weir_dns_exchange_ask_flags(const struct dns_exchange *exchange);

/* -- responder_special.c ----------------------------------------------------------------------- */

/* A name that is answered here and passed on to nobody; false: it is another one. */
bool weir_dns_exchange_special(struct dns_exchange *exchange, unsigned *ret_rcode);

/* -- waiting.c --------------------------------------------------------------------------------- */

void weir_dns_waiting_cancel_all(struct weir_dns_responder *responder);

/* -- responder.c ------------------------------------------------------------------------------- */

/* The whole; everything that is given is set, and `found` and `message`. */
size_t weir_dns_exchange_run(struct dns_exchange *exchange, void *reply, size_t room);

#endif
