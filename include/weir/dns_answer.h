/*
 * From a query to a reply, without a socket: what the server of weir/dns_server.h does for each
 * datagram and each message on a connection, and DNS over HTTPS for each request.
 *
 *   message ──▶ read, TSIG, EDNS ──▶ zones ──▶ reply, straight into the caller's memory
 *
 * Answered as RFC 1034 4.3.2 and its successors have it: data, referrals with glue, wildcards, CNAME
 * and DNAME chains within the zones of the set, SOA for what is not there, proofs of a signed zone
 * to who wants them (DO). ANY gets one RRset (RFC 8482). What is no zone of ours is refused.
 *
 * A responder belongs to one thread; it takes no memory per query, but for TSIG.
 */
#ifndef WEIR_DNS_ANSWER_H
#define WEIR_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/dns_tsig.h>
#include <weir/dns_zone.h>
#include <weir/span.h>

struct weir_dns_responder;

enum weir_dns_over {
	WEIR_DNS_OVER_UDP,
	WEIR_DNS_OVER_TCP,
	WEIR_DNS_OVER_TLS, /* or HTTPS: replies are padded if the query was (RFC 8467) */
};

enum {
	WEIR_DNS_COOKIE_SECRET_SIZE = 16,
	WEIR_DNS_NSID_MAX = 128,
	WEIR_DNS_CHAOS_MAX = 255,
};

struct weir_dns_responder_options {
	struct weir_span nsid; /* copied, at most WEIR_DNS_NSID_MAX bytes (RFC 5001); empty: none */
	/*
	 * Copied; what TXT records of class CHAOS tell: version.bind and version.server;
	 * hostname.bind and id.server (RFC 4892). NULL: refused.
	 */
	const char *version;
	const char *identity;
	uint16_t udp_size;          /* 0: WEIR_DNS_UDP_SIZE; at least 512 */
	struct weir_dns_keys *keys; /* held; NULL: no key is known */

	/*
	 * Told of a NOTIFY (RFC 1996) for this zone; answers with the rcode of the reply, or a
	 * negative number for none. Signed right or not at all. NULL: it is refused.
	 */
	int (*notified)(void *context, const struct weir_dns_name *zone,
	        const struct weir_address *peer, const struct weir_dns_tsig *tsig);
	void *context;
};

/* 0; WEIR_E_LIMIT: an option is too long; -ENOMEM; an errno of getrandom. */
WEIR_API int weir_dns_responder_create(
        const struct weir_dns_responder_options *options, struct weir_dns_responder **ret);
WEIR_API void weir_dns_responder_destroy(struct weir_dns_responder *responder);

/*
 * The secrets of cookies (RFC 9018): the first makes them, those of the second are still good. Random
 * at first: responders behind one address, as those of several loops, want the same ones. To roll them: a new one as the second everywhere, then as the first, the old one second.
 */
WEIR_API void weir_dns_responder_set_secrets(struct weir_dns_responder *responder,
        const uint8_t (*secrets)[WEIR_DNS_COOKIE_SECRET_SIZE], unsigned count);

WEIR_API void weir_dns_responder_set_keys(
        struct weir_dns_responder *responder, struct weir_dns_keys *keys);

struct weir_dns_request {
	struct weir_span message;
	const struct weir_address *peer;
	enum weir_dns_over over;
	int64_t now_s; /* since 1970 */
};

/* What became of it. */
struct weir_dns_outcome {
	unsigned rcode;
	uint16_t type;  /* that was asked for; 0 if that is not known */
	bool truncated; /* TC */
	bool proven;    /* the address is the client's: a valid cookie, TSIG, or not UDP */
	/* Alike for replies that are alike: for limiting their rate. */
	uint32_t kind;
	/*
	 * A transfer is asked for and allowed: `size` is 0, and the caller is to send it. The zone
	 * is valid as long as the set is held. NULL: no transfer.
	 */
	const struct weir_dns_zone_entry *transfer;
	struct weir_dns_tsig tsig; /* of the query, if `is_signed` */
	bool is_signed;
};

/*
 * Writes the reply; `room` is at least 512 bytes (and 65535 where it is not UDP). Its size, or 0:
 * nothing is to be sent.
 */
WEIR_API size_t weir_dns_respond(struct weir_dns_responder *responder,
        const struct weir_dns_zones *zones, const struct weir_dns_request *request, void *reply,
        size_t room, struct weir_dns_outcome *ret);

#endif
