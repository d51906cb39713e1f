/* A responder, from inside; and the parts of a reply. */
#ifndef WEIR_DNS_RESPONDER_H
#define WEIR_DNS_RESPONDER_H

#include <weir/dns_answer.h>
#include <weir/dns_message.h>
#include <weir/list.h>

#include "answer.h"
#include "cookie.h"

enum {
	DNS_NETWORKS_DEFAULT = 8,
	DNS_WAITING_BUCKETS = 512
};

/* What lookups need. */
struct dns_later {
	struct siphash_key key;
	struct weir_list
	        waiting[DNS_WAITING_BUCKETS]; /* queries, by the keyed hash of the message */
	uint8_t reply[WEIR_DNS_MESSAGE_MAX];  /* a late one */
	uint8_t cached[WEIR_DNS_MESSAGE_MAX]; /* what is put behind a part of our own */
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
	struct dns_later *later; /* NULL without lookups */
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
	bool asks;          /* there is no reply yet: `asked` has to be asked for */
	const struct weir_dns_question *asked; /* that of the query, or `target` */
	struct weir_dns_question target;       /* where a chain has left our zones */
	/* What a lookup came to: `found` NULL: there was none yet. An empty message: it failed. */
	const struct weir_dns_found *found;
	struct weir_span message;
	bool cookie;
	uint8_t cookie_data[DNS_COOKIE_SIZE];
};

/* Reads the options. 0, or the rcode of the refusal. */
unsigned dns_exchange_options(struct dns_exchange *exchange);

/* What OPT and TSIG will take at the end. */
size_t dns_exchange_reserve(const struct dns_exchange *exchange);

/* Puts OPT. */
void dns_exchange_put_opt(struct dns_exchange *exchange);

/* A query of class CHAOS; the rcode. */
unsigned dns_exchange_chaos(struct dns_exchange *exchange);

/* -- responder_forward.c ----------------------------------------------------------------------- */

/* Whether the client may have names looked up. */
bool dns_exchange_recursive(const struct dns_exchange *exchange);

/* A query for a name of no zone; the rcode. May set `asks`. */
unsigned dns_exchange_forward(struct dns_exchange *exchange);

/* What is asked upstream: flags of weir_dns_ask. */
unsigned dns_exchange_ask_flags(const struct dns_exchange *exchange);

/* -- responder_chase.c ------------------------------------------------------------------------- */

/* A chain that has left our zones (answer.left), for who may have names looked up; as above. */
unsigned dns_exchange_chase(struct dns_exchange *exchange);

/* -- responder_special.c ----------------------------------------------------------------------- */

/* A question that is answered here and passed on to nobody; false: it is another one. */
bool dns_exchange_special(struct dns_exchange *exchange, const struct weir_dns_question *question,
        unsigned *ret_rcode);

/* -- waiting.c --------------------------------------------------------------------------------- */

/* 0; -ENOMEM; an errno of getrandom. */
int dns_later_create(struct dns_later **ret);

/* What waits is cancelled. NULL is allowed. */
void dns_later_destroy(struct dns_later *later);

/* -- responder.c ------------------------------------------------------------------------------- */

/* The whole; everything that is given is set, and `found` and `message`. */
size_t dns_exchange_run(struct dns_exchange *exchange, void *reply, size_t room);

/*
 * Whether the aliases in the answer section of a message, which begins at `at`, lead from `first` into a
 * zone of ours. Then the second puts those up to there, and what our zone has. The rcode.
 */
bool dns_exchange_comes_back(struct dns_exchange *exchange, struct weir_span message, size_t at,
        const struct weir_dns_name *first);
unsigned dns_exchange_come_back(struct dns_exchange *exchange, struct weir_span message, size_t at,
        const struct weir_dns_name *first);

#endif
