/*
 * Secondaries: zones that come from other servers, their primaries, by transfer (AXFR, RFC 5936;
 * IXFR, RFC 1995), are kept on disk, and go on being good as long as a primary confirms them (the
 * timers of the SOA record, RFC 1034 4.3.5).
 *
 *   timers, NOTIFY ──▶ SOA query ──▶ IXFR, AXFR ──▶ work pool: image, difference ──▶ changed()
 *                       UDP, TCP        TCP                 └──▶ file
 *
 * One owner for a process, on one loop. It does not serve the zones: in changed() its user makes a
 * set of them (weir_dns_secondaries_zone) and of what else there is, and gives it to the servers,
 * which then notify further secondaries. What the set gets for a zone that has not come yet, or has
 * expired, stands in for it and is answered SERVFAIL, with the extended error Not Ready or Invalid
 * Data.
 *
 * Everything is for the loop's own thread, but weir_dns_secondaries_notified.
 */
#ifndef WEIR_DNS_SECONDARY_H
#define WEIR_DNS_SECONDARY_H

#include <weir/dns_server.h>

struct weir_dns_secondaries;

struct weir_dns_secondaries_options {
	/*
	 * Zones are other ones than before: new versions, or stand-ins. Called once for all that
	 * happened in a turn; may call everything here but destroy.
	 */
	void (*changed)(void *context);
	weir_dns_log *log; /* or NULL */
	void *context;
	unsigned fetches_max; /* at a time; 0: WEIR_DNS_FETCHES_MAX */
};

/* 0 or -ENOMEM. */
WEIR_API int weir_dns_secondaries_create(struct weir_loop *loop,
        const struct weir_dns_secondaries_options *options, struct weir_dns_secondaries **ret);

/* All copied. */
struct weir_dns_secondary_options {
	struct weir_dns_name name;
	const struct weir_address *primaries; /* asked in this order; at least one */
	size_t primary_count;                 /* at most WEIR_DNS_PRIMARIES_MAX */
	const struct weir_dns_tsig_key *key;  /* signs what is asked and answered; NULL: none */
	/*
	 * The file that the zone is kept in, as a zone file; replaced in one step by another beside
	 * it, of the same name and ".new". Its time of modification is when a primary last
	 * confirmed the zone. NULL: it is not kept, and has to come anew at each start.
	 */
	const char *path;
	/* Bounds of what the SOA record asks for; 0: WEIR_DNS_REFRESH_MIN_S and so on. */
	uint32_t refresh_min_s, refresh_max_s;
	uint32_t retry_min_s, retry_max_s;
	uint64_t bytes_max; /* of a transfer; 0: WEIR_DNS_FETCH_BYTES_MAX */
};

/*
 * These are the zones from here on: at the start, and again at each reload. A zone that was there
 * before goes on with the version it has, and is checked at once if its options have changed; one
 * that is no longer there is dropped (its file stays). A new one is first read from its file: before
 * this returns with `wait`, which blocks, else on the work pool; then its primaries are asked.
 *
 * 0; WEIR_E_LIMIT; WEIR_E_SYNTAX: a name twice, or no primary; -ENOMEM: all is as it was.
 */
WEIR_API int weir_dns_secondaries_set(struct weir_dns_secondaries *secondaries,
        const struct weir_dns_secondary_options *zones, size_t count, bool wait);

/*
 * What is to be served for the zone: its version, or a stand-in. Valid until the next call that may
 * change it (set, and turning the loop): to be put in a set, which holds it. NULL: there is no such
 * secondary.
 */
WEIR_API struct weir_dns_zone *weir_dns_secondaries_zone(
        const struct weir_dns_secondaries *secondaries, const struct weir_dns_name *name);

/*
 * A NOTIFY has come (RFC 1996), by a server on any thread: what `notified` of
 * weir/dns_answer.h may return. Heeded if it is signed by the zone's key or comes from the address of
 * a primary, whatever its port. An rcode: NOERROR, REFUSED, or NOTAUTH where the zone is no
 * secondary.
 */
WEIR_API unsigned weir_dns_secondaries_notified(struct weir_dns_secondaries *secondaries,
        const struct weir_dns_name *zone, const struct weir_address *peer,
        const struct weir_dns_tsig *tsig);

/*
 * Ends all that is under way; what is on the work pool ends by itself while the loop turns. NULL is
 * allowed. No other thread may notify any more. Not from a callback.
 */
WEIR_API void weir_dns_secondaries_destroy(struct weir_dns_secondaries *secondaries);

#endif
