/* The zones of a configuration: read, or taken over from the one before. */
#ifndef DAEMON_CONFIG_ZONES_H
#define DAEMON_CONFIG_ZONES_H

#include "config_dns.h"

/*
 * Loads keys, secrets and zones; blocks. `previous` is the configuration in effect, or NULL. Returns 0
 * or a negative errno. Can be called again when zones have changed.
 */
int config_dns_load(struct config *config, const struct config *previous, config_dns_report *report,
        void *context);

/* Releases the zones, and `by_name`. */
void config_zones_release(struct config_dns *dns);

/* Releases everything, and erases the secrets. For config_on_release. */
void config_dns_release(struct config *config);

/* A set of all of them, each with its policy; `version` says what there is of it. 0 or a negative
 * errno. */
int config_zones_set(const struct config_dns *dns,
        struct weir_dns_zone *(*version)(void *context, const struct config_zone *zone),
        void *context, struct weir_dns_zones **ret);

/* By its name, of those that are loaded; NULL: none has it. */
struct config_zone *config_zones_find(
        const struct config_dns *dns, const struct weir_dns_name *name);

#endif
