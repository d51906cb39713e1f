/*
 * Looks up names that are in no zone, for one worker: the upstream servers, and the lookups, which
 * outlive a reload. The worker's servers of DNS and DNS over HTTPS share them. All workers share
 * the cache (dns_host.h).
 *
 * Functions are for the worker's thread; init and destroy may also run before and after it.
 */
#ifndef DAEMON_FORWARDING_H
#define DAEMON_FORWARDING_H

#include <weir/dns_answer.h>
#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/list.h>

#include "config.h"

struct dns_host;
struct weir_loop;

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
int forwarding_use(struct forwarding *forwarding, struct dns_host *host,
        const struct config_dns *dns, struct weir_dns_recursion *ret);

/* Uses the upstreams of this configuration from now on, if it has any. Reports a failure. */
void forwarding_change(struct forwarding *forwarding, const struct config_dns *dns);

/* Call after the servers are closed. It ends all queries that wait. */
void forwarding_destroy(struct forwarding *forwarding);

#endif
