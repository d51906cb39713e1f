/*
 * DNS of the whole process: the set of zones that is served, the secondaries
 * (weir/dns_secondary.h), and the notifications of changes (NOTIFY).
 *
 *   configuration ─┬▶ a set of zones ─▶ renew(): all workers take it ─▶ NOTIFY
 *   secondaries ───┘
 *
 * A server that is notified transfers the zone at once, so no NOTIFY is sent before all workers
 * serve the new version.
 *
 * Functions are for the main thread, on whose loop this runs, unless they are for any thread.
 */
#ifndef DAEMON_DNS_HOST_H
#define DAEMON_DNS_HOST_H

#include "config.h"

struct dns_host;
struct weir_dns_cache;
struct weir_dns_cache_counters;
struct weir_loop;

/* `renew` must have all servers take dns_host_zones. Returns 0 or a negative errno, which was
 * reported. */
int dns_host_create(
        struct weir_loop *loop, void (*renew)(void *context), void *context, struct dns_host **ret);

/*
 * Serves the zones of this configuration, which is held. With `starting` nothing is served yet, so
 * it may block on the disk and sends no NOTIFY; call dns_host_notify when all addresses are open.
 * Returns 0, or a negative errno, which was reported: the previous zones stay in effect.
 */
int dns_host_update(struct dns_host *host, struct config *config, bool starting);

/*
 * Notifies of the zones that have changed since the last call; the first time of all zones, since
 * they may have changed while the server did not run.
 */
void dns_host_notify(struct dns_host *host);

void dns_host_reopen_log(struct dns_host *host);

/* Any thread: returns the set of zones, with a reference for the caller. */
struct weir_dns_zones *dns_host_zones(struct dns_host *host);

/*
 * Any thread: returns the cache that the lookups of all workers share, with a reference for the
 * caller. The first call creates it with the settings of `dns`. Returns 0, -ENOMEM or an errno of
 * getrandom.
 */
int dns_host_cache(
        struct dns_host *host, const struct config_dns *dns, struct weir_dns_cache **ret);

/* Any thread. Returns the cache with a reference for the caller; NULL if there is none yet. */
struct weir_dns_cache *dns_host_cache_in_use(struct dns_host *host);

/* Any thread. Returns false if there is no cache yet. */
bool dns_host_cache_counters(struct dns_host *host, struct weir_dns_cache_counters *ret);

/* Any thread: the function `notified` of weir/dns_answer.h, with the host as its context. */
unsigned dns_host_notified(void *host, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig);

/* Call after all servers are closed. It runs the loop, to close a log. NULL is allowed. */
void dns_host_destroy(struct dns_host *host);

#endif
