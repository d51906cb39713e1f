/*
 * DNS servers. A server is authoritative for a set of zones, and looks other names up for the
 * clients that may ask for them. It listens on UDP and TCP (RFC 1035 4.2, RFC 7766), or on TLS (RFC
 * 7858).
 *
 *   UDP ──▶ a batch of queries ──▶ responder ──▶ rate limit ──▶ a batch of replies
 *   TCP ──▶ length, query ───────▶ responder ──▶ reply queue
 *                                     ├─ AXFR ──▶ producer ──▶ reply queue
 *                                     └─ pending ──▶ a datagram of its own, or the reply queue: in
 *                                                    the order in which the answers come
 *
 * Each worker has a server of its own on its loop; the zones are shared. See weir/dns_answer.h for
 * the replies, and for the clients whose questions are looked up (responder.recursion).
 */
#ifndef WEIR_DNS_SERVER_H
#define WEIR_DNS_SERVER_H

#include <weir/api.h>
#include <weir/dns_answer.h>
#include <weir/server.h>

WEIR_C_BEGIN

struct weir_dns_server;
struct weir_tls;

/* -- events for the log ------------------------------------------------------------------------ */

enum weir_dns_event_kind {
	WEIR_DNS_TRANSFERRED,      /* a zone was sent completely */
	WEIR_DNS_TRANSFER_FAILED,  /* a transfer has ended early */
	WEIR_DNS_TRANSFER_REFUSED, /* the peer may not transfer, or too many do */
	WEIR_DNS_NOTIFIED,         /* the peer has acknowledged a NOTIFY */
	WEIR_DNS_NOTIFY_FAILED,    /* the peer did not acknowledge a NOTIFY */
	/* Of secondaries (weir/dns_secondary.h). */
	WEIR_DNS_RESTORED,     /* a saved version was read */
	WEIR_DNS_FETCHED,      /* a new version was received from the peer */
	WEIR_DNS_FETCH_FAILED, /* a check or a transfer failed */
	WEIR_DNS_EXPIRED,      /* no primary has confirmed the zone for too long */
	WEIR_DNS_KEEP_FAILED,  /* the file of a version could not be written or read */
};

/* Valid during the call. */
struct weir_dns_event {
	enum weir_dns_event_kind kind;
	const struct weir_address *peer; /* NULL if the event has none */
	const struct weir_dns_name *zone;
	uint32_t serial; /* 0 if a transfer was refused: `zone` is the name in the query then */
	uint64_t bytes;  /* of a transfer */
	const char *why; /* of a failure of secondaries; else NULL */
	unsigned rcode;  /* that the peer has sent, or 0 */
};

/* Logs an event. It must not destroy its caller. */
typedef void weir_dns_log_fn(void *context, const struct weir_dns_event *event);

/* -- servers ----------------------------------------------------------------------------------- */

/* Begin with weir_dns_options_init. */
struct weir_dns_options {
	/*
	 * Port 0 is any port, the same for UDP and TCP. With `tls` there is TLS alone, and no UDP.
	 * The bounds are for TCP and TLS; of these, idle_ms is WEIR_DNS_IDLE_MS and replies_max
	 * WEIR_DNS_REPLIES_MAX by default. request_max is that of the largest message in any case.
	 */
	struct weir_listener listener;
	struct weir_dns_zones *zones; /* held; not NULL, but may be empty */

	/* See weir/dns_answer.h; `keys` is held, the texts are copied. */
	struct weir_dns_responder_options responder;

	/*
	 * Limits the rate of replies by UDP: `rrl_rate` replies of a kind a second to a network (24
	 * bits, or 56 of IPv6). Of the replies beyond that, every rrl_slip-th is sent truncated and
	 * the others are dropped. Clients with a valid cookie, and those of the networks
	 * `unlimited`, are not limited.
	 */
	unsigned rrl_rate;                    /* 0, the default: no limit */
	unsigned rrl_slip;                    /* WEIR_DNS_RRL_SLIP; 0: all are dropped */
	const struct weir_network *unlimited; /* copied */
	size_t unlimited_count;

	unsigned transfers_max; /* at a time; WEIR_DNS_TRANSFERS_MAX; 0: all are refused */
	/*
	 * This server sends NOTIFY when zones are set; false by default. At most one of the servers
	 * that share the zones should; none if a notifier does (below).
	 */
	bool notifies;

	weir_dns_log_fn *log; /* may be NULL */
	void *context;        /* of `log` */
};

/* Sets every member to its default. The address and the zones have none. */
WEIR_API void weir_dns_options_init(struct weir_dns_options *options);

/*
 * Returns 0; -EINVAL if an option has a value that cannot work, for example because the struct was
 * not initialised; an error of weir_dns_responder_create, or a negative errno.
 */
WEIR_API int weir_dns_create(struct weir_loop *loop, const struct weir_dns_options *options,
        struct weir_dns_server **ret);

/*
 * Answers from these zones from the next query on; held. A transfer under way goes on with the zone
 * that it began with. A server with `notifies` sends NOTIFY for each zone whose serial has changed.
 */
WEIR_API void weir_dns_set_zones(struct weir_dns_server *server, struct weir_dns_zones *zones);

/* The responder: to set its keys and secrets, and for DNS over HTTPS on the same loop. */
WEIR_API struct weir_dns_responder *weir_dns_responder(struct weir_dns_server *server);

/* The listener of TCP or TLS: for its address, and for draining. */
WEIR_API struct weir_server *weir_dns_listener(struct weir_dns_server *server);

/* Answers the queries that have come by UDP, and takes no more. For a server that is drained. */
WEIR_API void weir_dns_stop_datagrams(struct weir_dns_server *server);

/* Plain numbers, written by the loop's thread. */
struct weir_dns_counters {
	uint64_t queries;
	uint64_t replies;
	uint64_t rcodes[24];
	uint64_t truncated;
	uint64_t dropped; /* by the rate limit */
	uint64_t slipped;
	uint64_t over_quota; /* not looked up: too many queries of the network are pending */
	uint64_t duplicate;  /* not answered: the same query is pending */
	uint64_t transfers;
};

WEIR_API const struct weir_dns_counters *weir_dns_counters(const struct weir_dns_server *server);

/* Closes all connections. NULL is allowed. Must not be called from a callback of the server. */
WEIR_API void weir_dns_destroy(struct weir_dns_server *server);

/* -- NOTIFY ------------------------------------------------------------------------------------ */

/*
 * Sends NOTIFY (RFC 1996) for servers on several loops. A secondary that is notified asks at once:
 * so call weir_dns_notifier_notify only when all servers have the new zones.
 */
struct weir_dns_notifier;

/* `log` may be NULL. Returns 0 or -ENOMEM. */
WEIR_API int weir_dns_notifier_create(struct weir_loop *loop, weir_dns_log_fn *log, void *context,
        struct weir_dns_notifier **ret);

/*
 * Sends NOTIFY, by its policy, for each zone in `now` that is not in `before` with the same serial.
 */
WEIR_API void weir_dns_notifier_notify(struct weir_dns_notifier *notifier,
        const struct weir_dns_zones *before, const struct weir_dns_zones *now);

/* Sends no more. NULL is allowed. */
WEIR_API void weir_dns_notifier_destroy(struct weir_dns_notifier *notifier);

WEIR_C_END

#endif
