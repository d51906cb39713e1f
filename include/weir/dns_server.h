/*
 * DNS servers: authoritative for a set of zones, and looking up what is in none of them for those who
 * may ask for that; by UDP and TCP (RFC 1035 4.2, RFC 7766), or by TLS (RFC 7858).
 *
 *   UDP ──▶ a batch of queries ──▶ responder ──▶ rate limit ──▶ a batch of replies
 *   TCP ──▶ length, query ───────▶ responder ──▶ reply queue
 *                                     ├─ AXFR ──▶ producer ──▶ reply queue
 *                                     └─ asked for ──▶ a datagram of its own, or the reply queue:
 *                                                      in the order in which the answers come
 *
 * Each worker has a server of its own on its loop; the zones are shared. What is answered and how, and
 * whose questions are looked up (responder.recursion): weir/dns_answer.h.
 */
#ifndef WEIR_DNS_SERVER_H
#define WEIR_DNS_SERVER_H

#include <weir/dns_answer.h>
#include <weir/peers.h>
#include <weir/server.h>

struct weir_dns_server;
struct weir_tls;

/* -- what is told for the log ------------------------------------------------------------------ */

enum weir_dns_event_kind {
	WEIR_DNS_TRANSFERRED,      /* a zone was sent to its end */
	WEIR_DNS_TRANSFER_FAILED,  /* … or not */
	WEIR_DNS_TRANSFER_REFUSED, /* who asked may not, or too many do */
	WEIR_DNS_NOTIFIED,         /* the peer knows that the zone has changed */
	WEIR_DNS_NOTIFY_FAILED,    /* it did not answer, or not well */
	/* Of secondaries (weir/dns_secondary.h); without a peer where it is about none. */
	WEIR_DNS_RESTORED,     /* a version that was kept has been read */
	WEIR_DNS_FETCHED,      /* a new version has come from the peer */
	WEIR_DNS_FETCH_FAILED, /* a check or a transfer failed with it */
	WEIR_DNS_EXPIRED,      /* no primary has confirmed the zone for too long */
	WEIR_DNS_KEEP_FAILED,  /* the file of a version could not be written, or read */
};

/* Valid during the call. */
struct weir_dns_event {
	enum weir_dns_event_kind kind;
	const struct weir_address *peer; /* or NULL */
	const struct weir_dns_name *zone;
	uint32_t serial; /* 0 of a transfer that was refused: the zone is what was asked for */
	uint64_t bytes;  /* of a transfer */
	const char *why; /* of a failure of secondaries; else NULL */
	unsigned rcode;  /* … that the peer has told; or 0 */
};

typedef void weir_dns_log(void *context, const struct weir_dns_event *event);

/* -- servers ----------------------------------------------------------------------------------- */

struct weir_dns_options {
	struct weir_address address;  /* port 0: any, the same for UDP and TCP */
	struct weir_dns_zones *zones; /* held; not NULL, but may be empty */
	struct weir_tls *tls;         /* held; then TLS alone, and no UDP. NULL: UDP and TCP */
	struct weir_bounds bounds;    /* of TCP; 0: WEIR_DNS_IDLE_MS, WEIR_DNS_REPLIES_MAX */
	struct weir_peers *peers;     /* held; connections of an address; NULL: not counted */
	bool shared;                  /* SO_REUSEPORT: one server on each of several loops */

	/* See weir/dns_answer.h; `keys` is held, the texts are copied. */
	struct weir_dns_responder_options responder;

	/*
	 * Rate limiting of replies by UDP: so many of a kind a second to a network (of 24 bits, or
	 * 56 of IPv6); those beyond are dropped, but every rrl_slip-th is sent truncated. 0: no
	 * limit. A valid cookie is never limited, nor are the networks.
	 */
	unsigned rrl_rate;
	unsigned rrl_slip;                    /* 0: WEIR_DNS_RRL_SLIP; 1: all are sent truncated */
	const struct weir_network *unlimited; /* copied */
	size_t unlimited_count;

	unsigned transfers_max; /* at a time; 0: WEIR_DNS_TRANSFERS_MAX */
	/*
	 * This server, of those that share the zones, sends NOTIFY when zones are set. None of them
	 * is to where a notifier of its own does, when all of them have the zones.
	 */
	bool notifies;

	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	weir_dns_log *log;
	void *context; /* for these three, each of which may be NULL */
};

/* 0 or a negative errno. */
WEIR_API int weir_dns_create(struct weir_loop *loop, const struct weir_dns_options *options,
        struct weir_dns_server **ret);

/*
 * From the next query on; held by the server. Transfers under way go on with the zone they began
 * with. Where it is for this server to notify: of each zone that has another serial than before.
 */
WEIR_API void weir_dns_set_zones(struct weir_dns_server *server, struct weir_dns_zones *zones);

/* For handshakes from here on. Not NULL, and only where there was TLS before. */
WEIR_API void weir_dns_set_tls(struct weir_dns_server *server, struct weir_tls *tls);

/* For its keys and cookies' secrets; and DNS over HTTPS on the same loop. */
WEIR_API struct weir_dns_responder *weir_dns_responder(struct weir_dns_server *server);

/* The listener of TCP or TLS: for its address, and for draining. */
WEIR_API struct weir_server *weir_dns_listener(struct weir_dns_server *server);

/*
 * No more queries by UDP are taken, once those are answered that have come: to be called where the
 * listener is drained.
 */
WEIR_API void weir_dns_stop_datagrams(struct weir_dns_server *server);

/* Plain numbers, written by the loop's thread. */
struct weir_dns_counters {
	uint64_t queries;
	uint64_t replies;
	uint64_t rcodes[24];
	uint64_t truncated;
	uint64_t dropped; /* by the rate limit */
	uint64_t slipped;
	uint64_t crowded;  /* not looked up, since too many of their network wait */
	uint64_t repeated; /* not answered, since the same query waits */
	uint64_t transfers;
};

WEIR_API const struct weir_dns_counters *weir_dns_counters(const struct weir_dns_server *server);

/* Closes all connections. NULL is allowed. Not from a callback of the server. */
WEIR_API void weir_dns_destroy(struct weir_dns_server *server);

/* -- notices ----------------------------------------------------------------------------------- */

/*
 * Sends NOTIFY (RFC 1996) by itself, for the zones of servers on several loops: who is told asks at
 * once, and must not find a server that has the old zone still.
 */
struct weir_dns_notifier;

/* `log` may be NULL. 0 or -ENOMEM. */
WEIR_API int weir_dns_notifier_create(
        struct weir_loop *loop, weir_dns_log *log, void *context, struct weir_dns_notifier **ret);

/* Tells of every zone in `now` that was not in `before` with the same serial, to whom its policy says. */
WEIR_API void weir_dns_notifier_notify(struct weir_dns_notifier *notifier,
        const struct weir_dns_zones *before, const struct weir_dns_zones *now);

/* Nobody is told any more. NULL is allowed. */
WEIR_API void weir_dns_notifier_destroy(struct weir_dns_notifier *notifier);

#endif
