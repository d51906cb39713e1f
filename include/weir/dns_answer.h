/*
 * From a query to a reply, without a socket: what the server of weir/dns_server.h does for each
 * datagram and each message on a connection, and DNS over HTTPS for each request.
 *
 *   message ──▶ read, TSIG, EDNS ──▶ zones ──▶ reply, straight into the caller's memory
 *                                      └─ none of ours ──▶ cache ──▶ reply
 *                                                            └─ asked for ──▶ reply, later
 *
 * Answered as RFC 1034 4.3.2 and its successors have it: data, referrals with glue, wildcards, CNAME
 * and DNAME chains within the zones of the set, SOA for what is not there, proofs of a signed zone
 * to who wants them (DO). ANY gets one RRset (RFC 8482). A chain that leaves our zones ends there, but
 * for those who may have names looked up.
 *
 * What is no zone of ours is refused, or looked up for those who may ask for that (RD): from a cache,
 * or by upstream servers. Nothing is validated: what the upstreams say is passed on, with the proofs
 * to who wants them; CD goes upstream with the question. RA is set for who may ask. Never passed on:
 * localhost and the names of its addresses, which are answered here; invalid, test and onion, which do
 * not exist (RFC 6761, RFC 7686); resolver.arpa (RFC 9462 6.4); ANY.
 *
 * For the same clients the end of a chain that leaves our zones is looked up and put behind our part:
 * all of it, or TC. The rcode is that of the end. AA tells of the first name (RFC 1035 4.1.1), so it is
 * set; AD is not. A lookup that fails makes all of it SERVFAIL, as does a zone of ours that is absent.
 * Where the chain outside comes back into our zones, it is given as the upstreams have it, and not
 * searched again.
 *
 * Of one network no more queries may wait than a part of the whole (weir_dns_lookup_for). A datagram
 * that comes again while it waits is answered once.
 *
 * A responder belongs to one thread; it takes no memory per query, but for TSIG and for those that
 * wait.
 */
#ifndef WEIR_DNS_ANSWER_H
#define WEIR_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/dns_lookup.h>
#include <weir/dns_tsig.h>
#include <weir/dns_zone.h>
#include <weir/span.h>

struct weir_datagram_local;
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

/* Whose questions are looked up. All 0: nobody's. */
struct weir_dns_recursion {
	struct weir_dns_lookups *lookups; /* of the same loop; outlives the responder */
	/* Copied; the rest are refused. None: loopback, link-local and private addresses. */
	const struct weir_network *networks;
	size_t network_count;
	/*
	 * The upstreams and the way to them are trusted: their AD is passed on to who understands it
	 * (RFC 6840 5.8). It comes with DO only, since it is asked for by that.
	 */
	bool trust_ad;
	/*
	 * The upstreams know the names of private addresses. Otherwise their reverse zones are empty here,
	 * and nobody is asked for them (RFC 6303).
	 */
	bool forward_private;
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
	struct weir_dns_recursion recursion;

	/*
	 * Told of a NOTIFY (RFC 1996) for this zone, signed right or not at all (`tsig` is NULL);
	 * answers with the rcode of the reply. NULL: it is refused.
	 */
	unsigned (*notified)(void *context, const struct weir_dns_name *zone,
	        const struct weir_address *peer, const struct weir_dns_tsig *tsig);
	void *context;
};

/* 0; WEIR_E_LIMIT: an option is too long; -ENOMEM; an errno of getrandom. */
WEIR_API int weir_dns_responder_create(
        const struct weir_dns_responder_options *options, struct weir_dns_responder **ret);
/* What waits is cancelled. NULL is allowed. */
WEIR_API void weir_dns_responder_destroy(struct weir_dns_responder *responder);

/*
 * The secrets of cookies (RFC 9018): the first makes them, those of the second are still good. Random
 * at first: responders behind one address, as those of several loops, want the same ones. To roll them: a new one as the second everywhere, then as the first, the old one second.
 */
WEIR_API void weir_dns_responder_set_secrets(struct weir_dns_responder *responder,
        const uint8_t (*secrets)[WEIR_DNS_COOKIE_SECRET_SIZE], unsigned count);

WEIR_API void weir_dns_responder_set_keys(
        struct weir_dns_responder *responder, struct weir_dns_keys *keys);

/* Other networks; the lookups must be the same. 0 or -ENOMEM: those of before are in force. */
WEIR_API int weir_dns_responder_set_recursion(
        struct weir_dns_responder *responder, const struct weir_dns_recursion *recursion);

struct weir_dns_request {
	struct weir_span message;
	const struct weir_address *peer;
	enum weir_dns_over over;
	int64_t now_s; /* since 1970 */
	/* Kept for a late reply, if it is UDP and there is one; else NULL. */
	const struct weir_datagram_local *local;
};

/* What became of it. */
struct weir_dns_outcome {
	unsigned rcode;
	uint16_t type;  /* that was asked for; 0 if that is not known */
	bool truncated; /* TC */
	bool proven;    /* the address is the client's: a valid cookie, TSIG, or not UDP */
	bool crowded;   /* too many of the client's network wait: failed, or by UDP: no reply */
	bool repeated;  /* by UDP: the same query of the same client waits; no reply but that one */
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
 * nothing is to be sent. What would have to be asked for fails; see below.
 */
WEIR_API size_t weir_dns_respond(struct weir_dns_responder *responder,
        const struct weir_dns_zones *zones, const struct weir_dns_request *request, void *reply,
        size_t room, struct weir_dns_outcome *ret);

/* -- later ------------------------------------------------------------------------------------- */

struct weir_dns_waiting;

/* A late reply; empty: nothing is to be sent. All of it is valid during the call. */
typedef void weir_dns_deferred(void *context, struct weir_span reply,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome);

/*
 * As weir_dns_respond, or, when it gives 0 and *ret_waiting is not NULL: the reply comes later. Then
 * `late` is called once, never from within; the handle is valid until it returns, or until it is
 * cancelled. Message, peer and zones are kept that long; a message of more than
 * WEIR_DNS_UDP_QUERY_MAX bytes is not: it fails. For any carrier.
 */
WEIR_API size_t weir_dns_respond_or_wait(struct weir_dns_responder *responder,
        struct weir_dns_zones *zones, const struct weir_dns_request *request, void *reply,
        size_t room, struct weir_dns_outcome *ret, weir_dns_deferred *late, void *context,
        struct weir_dns_waiting **ret_waiting);

/* `late` will not be called. Not from within it. */
WEIR_API void weir_dns_waiting_cancel(struct weir_dns_waiting *waiting);

#endif
