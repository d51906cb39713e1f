/*
 * What one worker needs to look up names that are in no zone of ours: the upstream servers, and the
 * cache, which goes on from one configuration to the next. Servers of DNS and DNS over HTTPS share it.
 *
 * For the worker's thread, but create and destroy, which are also for before and after it runs.
 */
#ifndef DAEMON_FORWARDING_H
#define DAEMON_FORWARDING_H

#include <weir/dns_answer.h>
#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/list.h>

#include "config.h"

struct weir_loop;

struct forwarding {
	struct weir_loop *loop;
	struct weir_dns_upstreams *upstreams; /* NULL before there are any, as the next */
	struct weir_dns_lookups *lookups;
	struct weir_dns_upstreams_options options; /* of these */
	struct weir_address addresses[WEIR_DNS_UPSTREAMS_MAX];
	struct weir_list waiting; /* of struct forwarding_wait */
};

/* Somebody who waits beside the servers of DNS, and has to hear that nothing will come. */
struct forwarding_wait {
	struct weir_list link;
	void (*end)(struct forwarding_wait *wait);
};

void forwarding_init(struct forwarding *forwarding, struct weir_loop *loop);

/*
 * What a responder is to be made with under this configuration; `workers` share the memory of the
 * cache. 0 or a negative errno.
 */
int forwarding_use(struct forwarding *forwarding, const struct config_dns *dns, unsigned workers,
        struct weir_dns_recursion *ret);

/* The upstreams of this configuration are asked from here on, if there are any; what fails is said. */
void forwarding_change(struct forwarding *forwarding, const struct config_dns *dns);

/* After the servers: ends all who wait. */
void forwarding_destroy(struct forwarding *forwarding);

#endif
