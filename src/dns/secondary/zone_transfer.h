/* Zone transfers: out to secondaries (RFC 5936, RFC 1995), and in from a primary. */
#ifndef WEIR_DNS_ZONE_TRANSFER_H
#define WEIR_DNS_ZONE_TRANSFER_H

#include <weir/dns_answer.h>
#include <weir/dns_message.h>
#include <weir/producer.h>

#include "tsig.h"
#include "zone_builder.h"

/* -- zone_transfer.c: out ---------------------------------------------------------------------- */

/*
 * Creates the producer of the messages, each behind its length. It holds the zone, and `keys` if
 * the outcome is signed. `query` is the query's message. Returns NULL without memory.
 */
struct weir_producer *dns_transfer(const struct weir_dns_outcome *outcome,
        struct weir_dns_keys *keys, struct weir_span query, struct weir_loop *loop);

/*
 * Puts the answer to an IXFR in a single message, as by UDP (RFC 1995 2): the steps if they fit,
 * else the SOA record alone. Returns false if not even that fits.
 */
bool dns_transfer_put(const struct weir_dns_zone *zone, const struct weir_dns_query *query,
        struct weir_span message, struct weir_dns_writer *writer);

/* -- incoming.c: in ---------------------------------------------------------------------------- */

/*
 * The replies of a primary, message by message: to a query for the SOA record, to IXFR (RFC 1995)
 * and to AXFR (RFC 5936). Every record is checked before it is used.
 *
 *   bytes ──▶ messages ──▶ TSIG ──▶ records ──▶ builder, or patch ──▶ zone
 *
 * There are no sockets and no loop here: one thread at a time feeds it.
 */

enum incoming_state {
	INCOMING_FIRST,    /* nothing yet: the SOA record of their version has to come */
	INCOMING_SECOND,   /* the next record decides whether this is the whole zone, or steps */
	INCOMING_ALL,      /* all records of the zone */
	INCOMING_REMOVING, /* a step: what goes */
	INCOMING_ADDING,   /* the added records of a step */
	INCOMING_ENDED,
};

struct dns_incoming {
	/* given */
	struct weir_dns_name apex; /* in lower case */
	uint16_t type;             /* that was asked for: SOA, IXFR or AXFR */
	uint16_t id;
	const struct weir_dns_zone *before; /* our version, for IXFR; must stay held; or NULL */
	uint64_t bytes_max;
	bool is_signed; /* `answers` has begun with the request */
	struct dns_tsig_answers answers;

	/* the result */
	enum incoming_state state;
	uint32_t serial; /* of their version, from INCOMING_SECOND on */
	bool current;    /* ended by the SOA record alone: they have nothing that we have not */
	bool truncated;  /* TC: to be asked again by TCP */
	unsigned rcode;
	const char *why; /* what is wrong; static, or in `text` */
	char text[200];

	/* on the way */
	uint64_t bytes;
	uint64_t steps_end; /* dns_name_steps, when the message at hand has had its share of work */
	unsigned messages;
	uint32_t from, to; /* of the step */
	bool has_builder;
	struct dns_builder builder;
	struct dns_patch patch;
	struct weir_buffer partial; /* of a message that has not come whole */
};

/* `before` is NULL, or the version that is known; more of what is given is set by the caller. */
void dns_incoming_init(struct dns_incoming *incoming, const struct weir_dns_name *apex,
        uint16_t type, const struct weir_dns_zone *before);
void dns_incoming_free(struct dns_incoming *incoming);

enum {
	INCOMING_REQUEST_MAX = 2048
};

/*
 * The request, signed if there is a key; with our SOA record for IXFR. `id` must be set. Its size,
 * or 0: no memory.
 */
size_t dns_incoming_request(struct dns_incoming *incoming, const struct weir_dns_tsig_key *key,
        uint8_t request[INCOMING_REQUEST_MAX], int64_t now_s);

/*
 * Reads one message. Returns:
 *
 *   0               see `state`
 *   -EPROTO         it violates the protocol; see `why`
 *   -EACCES         the signature is missing or wrong
 *   -ECONNREFUSED   the primary refuses; see `rcode`
 *   -ENOMSG         it is no reply to this request (a stray datagram)
 *   WEIR_E_LIMIT, -ENOMEM
 */
int dns_incoming_message(struct dns_incoming *incoming, struct weir_span message, int64_t now_s);

/*
 * Reads the next bytes of a connection: messages behind their lengths. Returns the errors of
 * dns_incoming_message.
 */
int dns_incoming_feed(struct dns_incoming *incoming, struct weir_span bytes, int64_t now_s);

/*
 * Makes the zone, when all of it has come (ended, and not current). Returns 0, -EPROTO if the
 * records do not make a zone (see `why`), WEIR_E_LIMIT or -ENOMEM.
 */
int dns_incoming_finish(struct dns_incoming *incoming, struct weir_dns_zone **ret);

#endif
