/*
 * DNS over HTTPS (RFC 8484): a handler at /dns-query. It is part of the daemon, since the layers of
 * HTTP and DNS do not depend on each other.
 */
#ifndef DAEMON_DOH_H
#define DAEMON_DOH_H

#include "config.h"

struct service_options;
struct weir_http_handler;

/* Holds the configuration. `clear` allows requests without TLS. Returns NULL without memory. */
struct weir_http_handler *doh_create(struct config *config, bool clear);

/* See sites_join; before it, queries are not answered. */
int doh_join(struct weir_http_handler *handler, const struct service_options *options);

/* Call when all workers have the configuration. */
void doh_renew(struct weir_http_handler *handler);

#endif
