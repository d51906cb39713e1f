/*
 * DNS of the whole process: the zones that are answered from at the moment, those that come from
 * other servers (weir/dns_secondary.h), and who is told when they change (NOTIFY).
 *
 *   configuration ─┬▶ a set of zones ─▶ renew(): all workers take it ─▶ NOTIFY
 *   secondaries ───┘
 *
 * So nobody is told of a zone before all workers have it: who is told asks at once.
 *
 * Functions are for the main thread, whose loop it runs on, but where it says any.
 */
#ifndef DAEMON_DNS_HOST_H
#define DAEMON_DNS_HOST_H

#include "config.h"

struct dns_host;
struct weir_loop;

/* `renew` sees to it that all servers take dns_host_zones. 0 or a negative errno, which was said. */
int dns_host_create(
        struct weir_loop *loop, void (*renew)(void *context), void *context, struct dns_host **ret);

/*
 * Serves from the zones of this configuration, which is held. `starting`: nothing is served yet, so
 * that it may block on the disk, and nobody is told; dns_host_tell is due when all is open. 0 or a
 * negative errno, which was said: all is as it was.
 */
int dns_host_update(struct dns_host *host, struct config *config, bool starting);

/* Tells of what has changed since it was last done; at first of all zones, since they may have
 * changed while nothing was served. */
void dns_host_tell(struct dns_host *host);

void dns_host_reopen_log(struct dns_host *host);

/* Any thread: what is to be answered from, with a hold that is the caller's. */
struct weir_dns_zones *dns_host_zones(struct dns_host *host);

/* Any thread: as `notified` of weir/dns_answer.h, with the host as its context. */
unsigned dns_host_notified(void *host, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig);

/* After all servers. Turns the loop, since it closes a log. NULL is allowed. */
void dns_host_destroy(struct dns_host *host);

#endif
