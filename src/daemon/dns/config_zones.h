/*
 * The zones of a configuration. A reload loads the zones whose files have changed. If a changed
 * file has mistakes, its zone stays as it was; if the zone is new, the configuration is refused.
 */
#ifndef DAEMON_CONFIG_ZONES_H
#define DAEMON_CONFIG_ZONES_H

#include "config_dns.h"

/*
 * Loads keys, secrets and zones; blocks. `previous` is the configuration in effect, or NULL.
 * Returns 0 or a negative errno. Can be called again when zones have changed.
 */
int config_dns_load(struct config *config, const struct config *previous, config_dns_report *report,
        void *context);

/* Releases the zones, and `by_name`. */
void config_zones_release(struct config_dns *dns);

/* Releases everything, and erases the secrets. For config_on_release. */
void config_dns_release(struct config *config);

/*
 * Creates a set of all zones, each with its policy. `version` returns the version of a zone to
 * serve. Returns 0 or a negative errno.
 */
int config_zones_set(const struct config_dns *dns,
        struct weir_dns_zone *(*version)(void *context, const struct config_zone *zone),
        void *context, struct weir_dns_zones **ret);

/* Returns the loaded zone of this name, or NULL. */
struct config_zone *config_zones_find(
        const struct config_dns *dns, const struct weir_dns_name *name);

#endif
