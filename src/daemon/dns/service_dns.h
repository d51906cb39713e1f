/* DNS in the daemon: its service, the state that its servers share, lookups, DNS over HTTPS. */
#ifndef DAEMON_SERVICE_DNS_H
#define DAEMON_SERVICE_DNS_H

#include <weir/dns_answer.h>
#include <weir/dns_server.h>
#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/list.h>

#include "config.h"
#include "service.h"

struct dns_shared;
struct dns_stored;
struct service_options;
struct weir_dns_cache;
struct weir_dns_cache_counters;
struct weir_http_handler;
struct weir_log;
struct weir_loop;

extern const struct service_type service_dns;

/* -- the whole process ------------------------------------------------------------------------- */

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

/*
 * `renew` must have all servers serve dns_shared_zones. Returns 0 or a negative errno, which was
 * reported.
 */
int dns_shared_create(struct weir_loop *loop, void (*renew)(void *context), void *context,
        struct dns_shared **ret);

/*
 * Serves the zones of this configuration, which is held. With `starting` nothing is served yet, so
 * it may block on the disk and sends no NOTIFY; call dns_shared_notify when all addresses are open.
 * Returns 0, or a negative errno, which was reported: the previous zones stay in effect.
 */
int dns_shared_update(struct dns_shared *shared, struct config *config, bool starting);

/*
 * Notifies of the zones that have changed since the last call; the first time of all zones, since
 * they may have changed while the server did not run.
 */
void dns_shared_notify(struct dns_shared *shared);

/* The zones and keys of the database (dns_stored.h); NULL: there are none. NULL is allowed. */
struct dns_stored *dns_shared_stored(struct dns_shared *shared);

void dns_shared_reopen_log(struct dns_shared *shared);

/* Any thread: returns the set of zones, with a reference for the caller. */
struct weir_dns_zones *dns_shared_zones(struct dns_shared *shared);

/*
 * Any thread: returns the cache that the lookups of all workers share, with a reference for the
 * caller. The first call creates it with the settings of `dns`. Returns 0, -ENOMEM or an errno of
 * getrandom.
 */
int dns_shared_cache(
        struct dns_shared *shared, const struct config_dns *dns, struct weir_dns_cache **ret);

/* Any thread: returns the cache, with a reference for the caller; or NULL if there is none yet. */
struct weir_dns_cache *dns_shared_cache_in_use(struct dns_shared *shared);

/* Any thread. Returns false if there is no cache yet. */
bool dns_shared_cache_counters(struct dns_shared *shared, struct weir_dns_cache_counters *ret);

/* Any thread: the function `notified` of weir/dns_answer.h; its context is the shared state. */
unsigned dns_shared_notified(void *shared, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig);

/* Call after all servers are closed. It runs the loop, to close a log. NULL is allowed. */
void dns_shared_destroy(struct dns_shared *shared);

/* -- lookups ----------------------------------------------------------------------------------- */

/*
 * Looks up names that are in no zone, for one worker: the upstream servers, and the lookups, which
 * outlive a reload. The worker's servers of DNS and DNS over HTTPS share them. All workers share
 * the cache (dns_shared_cache).
 *
 * Functions are for the worker's thread; init and destroy may also run before and after it.
 */

struct forwarding {
	struct weir_loop *loop;
	struct weir_dns_upstreams *upstreams; /* NULL before there are any, like `lookups` */
	struct weir_dns_lookups *lookups;
	struct weir_dns_upstreams_options options; /* of these */
	struct weir_address addresses[WEIR_DNS_UPSTREAMS_MAX];
	struct weir_list waiting; /* of struct forwarding_wait */
};

/* A query outside the servers of DNS that waits for an answer, and must be ended with them. */
struct forwarding_wait {
	struct weir_list link;
	void (*end)(struct forwarding_wait *wait);
};

void forwarding_init(struct forwarding *forwarding, struct weir_loop *loop);

/* Sets the options of a responder for this configuration. Returns 0 or a negative errno. */
int forwarding_use(struct forwarding *forwarding, struct dns_shared *shared,
        const struct config_dns *dns, struct weir_dns_recursion *ret);

/* Uses the upstreams of this configuration from now on, if it has any. Reports a failure. */
void forwarding_change(struct forwarding *forwarding, const struct config_dns *dns);

/* Call after the servers are closed. It ends all queries that wait. */
void forwarding_destroy(struct forwarding *forwarding);

/* -- DNS over HTTPS ---------------------------------------------------------------------------- */

/*
 * DNS over HTTPS (RFC 8484): a handler at /dns-query. It is part of the daemon, since the layers of
 * HTTP and DNS do not depend on each other.
 */

/* Holds the configuration. `clear` allows requests without TLS. Returns NULL without memory. */
struct weir_http_handler *doh_create(struct config *config, bool clear);

/* See sites_join; before it, queries are not answered. */
int doh_join(struct weir_http_handler *handler, const struct service_options *options);

/* Call when all workers have the configuration. */
void doh_renew(struct weir_http_handler *handler);

/* -- log --------------------------------------------------------------------------------------- */

/*
 * The DNS log: a line for each event (see log_file.h), and the counters of a server when it ends.
 *
 *   2026-11-22T10:00:00Z dns transferred peer=192.0.2.7 zone="example.org." serial=7 bytes=1234
 *
 * `name` is the type of the listener. NULL is allowed as a log.
 */
void dns_shared_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_event *event);

#endif
