/*
 * Secondaries: zones that are transferred from other servers, their primaries (AXFR, RFC 5936;
 * IXFR, RFC 1995). They are saved on disk. A zone is valid as long as a primary confirms it, as the
 * timers of its SOA record demand (RFC 1034 4.3.5).
 *
 *   timers, NOTIFY ──▶ SOA query ──▶ IXFR, AXFR ──▶ work pool: image, difference ──▶ changed()
 *                       UDP, TCP        TCP                 └──▶ file
 *
 * A process has one struct weir_dns_secondaries, on one loop. It does not serve the zones. Its user
 * does so: in changed() it makes a set of them (weir_dns_secondaries_zone) and of its other zones,
 * and gives the set to the servers. For a zone that has not been transferred yet, or has expired,
 * the set gets a placeholder. Queries for that are answered SERVFAIL, with the extended error Not
 * Ready or Invalid Data.
 *
 * All functions but weir_dns_secondaries_notified belong to the loop's thread.
 */
#ifndef WEIR_DNS_SECONDARY_H
#define WEIR_DNS_SECONDARY_H

#include <weir/api.h>
#include <weir/dns_server.h>

WEIR_C_BEGIN

struct weir_dns_secondaries;

/*
 * Some zones have been replaced, by new versions or placeholders. Called once for all changes of a
 * turn. It may call every function here but destroy.
 */
typedef void weir_dns_changed_fn(void *context);

/* Begin with weir_dns_secondaries_options_init. */
struct weir_dns_secondaries_options {
	weir_dns_changed_fn *changed; /* not NULL */
	weir_dns_log_fn *log;         /* or NULL */
	void *context;                /* of these two */
	unsigned fetches_max;         /* transfers at a time; WEIR_DNS_FETCHES_MAX */
};

/* Sets every member to its default; `changed` has none. */
WEIR_API void weir_dns_secondaries_options_init(struct weir_dns_secondaries_options *options);

/*
 * Returns 0; -EINVAL if an option has a value that cannot work, for example because the struct was
 * not initialised; or -ENOMEM.
 */
WEIR_API int weir_dns_secondaries_create(struct weir_loop *loop,
        const struct weir_dns_secondaries_options *options, struct weir_dns_secondaries **ret);

/* Begin with weir_dns_secondary_options_init. All is copied. */
struct weir_dns_secondary_options {
	struct weir_dns_name name;
	const struct weir_address *primaries; /* asked in this order; at least one */
	size_t primary_count;                 /* at most WEIR_DNS_PRIMARIES_MAX */
	const struct weir_dns_tsig_key *key;  /* signs queries and replies; NULL: none */
	/*
	 * The zone file in which the zone is saved. A new version is written beside it, to a file
	 * with the suffix ".new", and renamed. The time of modification is when a primary last
	 * confirmed the zone. NULL: the zone is not saved, and must be transferred at each start.
	 */
	const char *path;
	/* Bounds of the timers of the SOA record. */
	uint32_t refresh_min_s; /* WEIR_DNS_REFRESH_MIN_S */
	uint32_t refresh_max_s; /* WEIR_DNS_REFRESH_MAX_S */
	uint32_t retry_min_s;   /* WEIR_DNS_RETRY_MIN_S */
	uint32_t retry_max_s;   /* WEIR_DNS_RETRY_MAX_S */
	uint64_t bytes_max;     /* of a transfer; WEIR_DNS_FETCH_BYTES_MAX */
};

/* Sets every member to its default. The name and the primaries have none. */
WEIR_API void weir_dns_secondary_options_init(struct weir_dns_secondary_options *options);

/*
 * Sets the zones, at the start and at each reload. A zone that is already known keeps its version,
 * and is checked at once if its options have changed. A zone that is missing in `zones` is dropped;
 * its file stays. A new zone is first read from its file: on the work pool, or before this returns
 * if `wait` is set, which blocks. Then its primaries are asked.
 *
 * Returns 0; WEIR_E_LIMIT if there are too many zones or primaries; WEIR_E_SYNTAX if a name occurs
 * twice or a zone has no primary; -EINVAL if an option has a value that cannot work, for example
 * because a struct was not initialised; or -ENOMEM. After an error nothing has changed.
 */
WEIR_API int weir_dns_secondaries_set(struct weir_dns_secondaries *secondaries,
        const struct weir_dns_secondary_options *zones, size_t count, bool wait);

/*
 * The zone to be served: the current version, or a placeholder. It is valid until the loop turns or
 * weir_dns_secondaries_set is called; a set of zones holds it. NULL: there is no such secondary.
 */
WEIR_API struct weir_dns_zone *weir_dns_secondaries_zone(
        const struct weir_dns_secondaries *secondaries, const struct weir_dns_name *name);

/*
 * Handles a NOTIFY (RFC 1996); any thread may call this. The zone is checked if the NOTIFY is
 * signed with its key, or comes from the address of a primary, whatever the port. Returns the rcode
 * for `notified` of weir/dns_answer.h: NOERROR, REFUSED, or NOTAUTH if the zone is no secondary.
 */
WEIR_API unsigned weir_dns_secondaries_notified(struct weir_dns_secondaries *secondaries,
        const struct weir_dns_name *zone, const struct weir_address *peer,
        const struct weir_dns_tsig *tsig);

/*
 * Cancels all checks and transfers. Work on the pool ends by itself while the loop turns. NULL is
 * allowed. No other thread may call weir_dns_secondaries_notified any more. Must not be called from
 * a callback.
 */
WEIR_API void weir_dns_secondaries_destroy(struct weir_dns_secondaries *secondaries);

WEIR_C_END

#endif
