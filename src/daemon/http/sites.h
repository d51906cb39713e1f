/*
 * From a configuration to what serves it: the sites of one worker, each a chain of handlers with
 * trees of its own, since a tree belongs to one loop.
 */
#ifndef DAEMON_SITES_H
#define DAEMON_SITES_H

#include <weir/http.h>

#include "config.h"

/*
 * On any thread; blocks on the disk. Holds the configuration. The result has one hold, the
 * caller's; it is given to a server, or given back with weir_http_sites_release, on the loop's
 * thread (or any, before it served). NULL: it could not be, which was said.
 */
struct weir_http_sites *sites_create(struct config *config, unsigned tree_entries_max);

/* The configuration that they were made of; lives as long as they do. */
const struct config *sites_config(const struct weir_http_sites *sites);

struct service_options;

/*
 * On the loop that is to serve them, before they do, once or again: what they need of it. 0 or a
 * negative errno: what needs it fails to answer.
 */
int sites_join(struct weir_http_sites *sites, const struct service_options *options);

/* As service_type's renew. */
void sites_renew(struct weir_http_sites *sites);

#endif
