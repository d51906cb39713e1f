/*
 * The responder: it makes a reply of a query, without a socket. The server of weir/dns_server.h
 * uses it for each datagram and each message on a connection, and DNS over HTTPS for each request.
 *
 *   message ──▶ read, TSIG, EDNS ──▶ zones ──▶ reply, straight into the caller's memory
 *                                      └─ none of ours ──▶ cache ──▶ reply
 *                                                            └─ asked for ──▶ reply, later
 *
 * Names of our zones are answered by the algorithm of RFC 1034 4.3.2 and its successors. The reply
 * has data, a referral with glue, or the SOA record if there is nothing. Wildcards are expanded,
 * and CNAME and DNAME chains are followed within the zones of the set. A client that sets DO gets
 * signatures and proofs. ANY gets one RRset (RFC 8482).
 *
 * A client may be allowed to have other names looked up (struct weir_dns_recursion); RA is set for
 * it. Its queries with RD are answered from a cache or by upstream servers. Other clients are
 * refused. Nothing is validated: replies of the upstreams are passed on, with the proofs if the
 * client sets DO, and CD goes upstream with the question. Some names are never passed on: localhost
 * and the names of its addresses are answered here; invalid, test and onion do not exist (RFC 6761,
 * RFC 7686); resolver.arpa (RFC 9462 6.4) and ANY are answered here.
 *
 * A chain of aliases that leaves our zones ends there. For clients that may have names looked up,
 * the rest of the chain is looked up and put behind our part: all of it, or TC is set. The rcode is
 * that of the end. AA is about the first name (RFC 1035 4.1.1), so it is set; AD is not. If a
 * lookup fails, or a zone of ours is unavailable, the whole reply is SERVFAIL. Where the chain
 * comes back into our zones, their data is used, and not that of the upstreams. The chain may leave
 * them again, and is looked up again then. A chain that goes round in a circle, or has more than
 * WEIR_DNS_CHAIN_MAX aliases of ours, is SERVFAIL.
 *
 * Queries of one network may fill only a part of the queue of pending queries
 * (weir_dns_lookup_for). A datagram that the client repeats while it is pending gets one reply.
 *
 * A responder belongs to one thread. It allocates memory for TSIG and for pending queries only.
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

WEIR_C_BEGIN

struct weir_datagram_local;
struct weir_dns_responder;

enum weir_dns_over {
	WEIR_DNS_OVER_UDP,
	WEIR_DNS_OVER_TCP,
	WEIR_DNS_OVER_TLS, /* or HTTPS: a reply is padded if the query was (RFC 8467) */
};

enum {
	WEIR_DNS_COOKIE_SECRET_SIZE = 16,
	WEIR_DNS_NSID_MAX = 128,
	WEIR_DNS_CHAOS_MAX = 255,
};

/* The clients whose questions are looked up. All 0: none. */
struct weir_dns_recursion {
	struct weir_dns_lookups *lookups; /* of the same loop; outlives the responder */
	/* Copied. Other clients are refused. None: loopback, link-local and private addresses. */
	const struct weir_network *networks;
	size_t network_count;
	/*
	 * The upstreams and the network between are trusted: their AD is passed on to clients that
	 * understand it (RFC 6840 5.8). Upstreams set it for questions with DO only.
	 */
	bool trust_ad;
	/*
	 * The upstreams know the names of private addresses. Otherwise the reverse zones of these
	 * addresses are empty here, and no upstream is asked (RFC 6303).
	 */
	bool forward_private;
};

/*
 * Called for each NOTIFY (RFC 1996) that has a good signature or none (`tsig` is NULL). Returns the
 * rcode of the reply. The arguments are valid during the call.
 */
typedef unsigned weir_dns_notified_fn(void *context, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig);

/* Begin with weir_dns_responder_options_init, or that of the options around this struct. */
struct weir_dns_responder_options {
	struct weir_span nsid; /* copied, at most WEIR_DNS_NSID_MAX bytes (RFC 5001); empty: none */
	/*
	 * Copied. The TXT records of class CHAOS: `version` of version.bind and version.server,
	 * `identity` of hostname.bind and id.server (RFC 4892). NULL: such queries are refused.
	 */
	const char *version;
	const char *identity;
	uint16_t udp_size;          /* the largest reply by UDP; at least 512; WEIR_DNS_UDP_SIZE */
	struct weir_dns_keys *keys; /* held; NULL: no key is known */
	struct weir_dns_recursion recursion;
	weir_dns_notified_fn *notified; /* NULL: every NOTIFY is refused */
	void *context;                  /* of `notified` */
};

/* Sets `udp_size` to its default, and everything else to 0, false or NULL. */
WEIR_API void weir_dns_responder_options_init(struct weir_dns_responder_options *options);

/*
 * Returns 0; -EINVAL if an option has a value that cannot work, for example because the struct was
 * not initialised; WEIR_E_LIMIT if an option is too long; -ENOMEM, or an errno of getrandom.
 */
WEIR_API int weir_dns_responder_create(
        const struct weir_dns_responder_options *options, struct weir_dns_responder **ret);

/* Cancels all pending queries. NULL is allowed. */
WEIR_API void weir_dns_responder_destroy(struct weir_dns_responder *responder);

/*
 * Sets the secrets of cookies (RFC 9018): new cookies are made with the first, and cookies made
 * with the second are still valid. A new responder has a random secret. Responders behind one
 * address, such as those of several loops, need the same secrets. To replace a secret, set the new
 * one as the second everywhere, then as the first with the old one as the second.
 */
WEIR_API void weir_dns_responder_set_secrets(struct weir_dns_responder *responder,
        const uint8_t (*secrets)[WEIR_DNS_COOKIE_SECRET_SIZE], unsigned count);

WEIR_API void weir_dns_responder_set_keys(
        struct weir_dns_responder *responder, struct weir_dns_keys *keys);

/*
 * Sets other networks; the lookups must be the same. Returns 0, or -ENOMEM: the previous networks
 * stay in effect.
 */
WEIR_API int weir_dns_responder_set_recursion(
        struct weir_dns_responder *responder, const struct weir_dns_recursion *recursion);

struct weir_dns_request {
	struct weir_span message;
	const struct weir_address *peer;
	enum weir_dns_over over;
	int64_t now_s; /* since 1970 */
	/* When the query came, by weir_loop_now_ms: the caller's, unchanged in a deferred reply. */
	int64_t begun_ms;
	/* UDP: copied for a deferred reply. Otherwise NULL. */
	const struct weir_datagram_local *local;
};

/* The outcome of a query. */
struct weir_dns_outcome {
	unsigned rcode;
	uint16_t type;          /* of the question; 0 if it is not known */
	bool truncated;         /* TC */
	bool address_validated; /* by a valid cookie, by TSIG, or by a connection */
	bool over_quota;        /* too many queries of the network are pending */
	bool duplicate;         /* the same datagram of the same client is pending */
	/* Equal for replies that are alike, so that their rate can be limited. */
	uint32_t kind;
	/*
	 * A transfer is asked for and allowed: the reply is empty, and the caller has to send the
	 * zone. The entry is valid as long as the set is held. NULL: no transfer.
	 */
	const struct weir_dns_zone_entry *transfer;
	struct weir_dns_tsig tsig; /* of the query, if `is_signed` */
	bool is_signed;
};

/*
 * Writes the reply; `room` is at least 512 bytes, and 65535 if the carrier is not UDP. Returns its
 * size, or 0 if nothing must be sent. A query that an upstream would have to answer fails; see
 * below.
 */
WEIR_API size_t weir_dns_respond(struct weir_dns_responder *responder,
        const struct weir_dns_zones *zones, const struct weir_dns_request *request, void *reply,
        size_t room, struct weir_dns_outcome *ret);

/* -- deferred replies -------------------------------------------------------------------------- */

struct weir_dns_waiting;

/* A deferred reply; empty: nothing must be sent. All arguments are valid during the call. */
typedef void weir_dns_deferred_fn(void *context, struct weir_span reply,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome);

/*
 * Like weir_dns_respond, but the query may become pending: then this returns 0, *ret_waiting is not
 * NULL, and `deferred` is called once, never from within this call. The handle is valid until that
 * callback returns, or until it is cancelled. Message, peer and zones are copied or held. A message
 * of more than WEIR_DNS_UDP_QUERY_MAX bytes cannot become pending, and fails.
 */
WEIR_API size_t weir_dns_respond_or_wait(struct weir_dns_responder *responder,
        struct weir_dns_zones *zones, const struct weir_dns_request *request, void *reply,
        size_t room, struct weir_dns_outcome *ret, weir_dns_deferred_fn *deferred, void *context,
        struct weir_dns_waiting **ret_waiting);

/* `deferred` will not be called. Must not be called from that callback. */
WEIR_API void weir_dns_waiting_cancel(struct weir_dns_waiting *waiting);

WEIR_C_END

#endif
