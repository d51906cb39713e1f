/*
 * Telling secondaries of changes (NOTIFY), of which a process has one, on the main thread's loop: so
 * that nobody is told before all workers have the zones.
 *
 * All functions are for the main thread.
 */
#ifndef DAEMON_DNS_NOTICES_H
#define DAEMON_DNS_NOTICES_H

#include "config.h"

struct dns_notices;
struct weir_loop;

/* 0 or a negative errno, which was said. */
int dns_notices_create(struct weir_loop *loop, struct dns_notices **ret);

/*
 * What is served from now on; at the start all zones are told of, since they may have changed while
 * nothing was served.
 */
void dns_notices_update(struct dns_notices *notices, struct config *config);

void dns_notices_reopen_log(struct dns_notices *notices);

/* Turns the loop, since it closes a log. NULL is allowed. */
void dns_notices_destroy(struct dns_notices *notices);

#endif
