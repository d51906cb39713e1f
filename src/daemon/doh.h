/*
 * DNS over HTTPS (RFC 8484): a handler at /dns-query. It stands here, above HTTP and DNS, which do not
 * know each other.
 */
#ifndef DAEMON_DOH_H
#define DAEMON_DOH_H

#include "config.h"

struct weir_http_handler;

/* Holds the configuration. `clear`: also for requests without TLS. 0 or a negative errno. */
int doh_create(struct config *config, bool clear, struct weir_http_handler **ret);

#endif
