/*
 * DNS over HTTPS (RFC 8484): a handler at /dns-query. It stands here, above HTTP and DNS, which do not
 * know each other.
 */
#ifndef DAEMON_DOH_H
#define DAEMON_DOH_H

#include "config.h"

struct service_options;
struct weir_http_handler;

/* Holds the configuration. `clear`: also for requests without TLS. NULL without memory. */
struct weir_http_handler *doh_create(struct config *config, bool clear);

/* As sites_join; until then there is no answer. */
int doh_join(struct weir_http_handler *handler, const struct service_options *options);

/* All workers have its configuration. */
void doh_renew(struct weir_http_handler *handler);

#endif
