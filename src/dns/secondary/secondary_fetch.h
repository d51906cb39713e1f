/* One question to a primary, and its reply: by TCP (a fetch), or by UDP (a check). */
#ifndef WEIR_DNS_SECONDARY_FETCH_H
#define WEIR_DNS_SECONDARY_FETCH_H

#include <weir/address.h>
#include <weir/dns_tsig.h>

#include "zone_image.h"

struct weir_loop;
struct dns_fetch;

/* Valid during the call. */
struct dns_fetched {
	int error;       /* 0, or what dns_incoming_message may answer, or of the connection */
	const char *why; /* a text about the error, or empty */
	unsigned rcode;  /* that the primary has sent, or 0 */
	bool connected;  /* the primary has answered something */
	bool current;    /* to IXFR: the primary has nothing later */
	uint32_t serial; /* that it has */
	uint64_t bytes;  /* received */
	struct weir_dns_zone *zone; /* valid during the callback; NULL: not asked for, or current */
};

struct dns_fetch_options {
	struct weir_address peer;
	const struct weir_dns_name *apex;    /* copied */
	uint16_t type;                       /* SOA, IXFR or AXFR */
	struct weir_dns_zone *before;        /* held; NULL with AXFR if there is none */
	bool any_version;                    /* AXFR may bring an older one */
	const struct weir_dns_tsig_key *key; /* copied; or NULL */
	uint64_t bytes_max;
	void (*done)(void *context, const struct dns_fetched *fetched);
	void *context;
};

/* Returns 0 or a negative errno. `done` is called once, from the loop. */
int dns_fetch_begin(
        struct weir_loop *loop, const struct dns_fetch_options *options, struct dns_fetch **ret);

/* `done` is not called any more. NULL is allowed. */
void dns_fetch_abort(struct dns_fetch *fetch);

/* -- by UDP ------------------------------------------------------------------------------------ */

struct dns_check;

/*
 * Asks for the SOA record, WEIR_DNS_CHECK_TRIES times. `done` gets -ETIMEDOUT if there was no
 * reply, -EMSGSIZE if the reply was truncated.
 */
int dns_check_begin(
        struct weir_loop *loop, const struct dns_fetch_options *options, struct dns_check **ret);
void dns_check_abort(struct dns_check *check);

#endif
