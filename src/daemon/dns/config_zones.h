/* The zones of a configuration: read, or taken over from the one before. */
#ifndef DAEMON_CONFIG_ZONES_H
#define DAEMON_CONFIG_ZONES_H

#include "config_dns.h"

/* As config_dns_load, of by_name and the zones of ours. */
int config_zones_load(struct config_dns *dns, const struct config_dns *previous,
        config_dns_report *report, void *context);

/* Gives up by_name, and what each zone holds. */
void config_zones_release(struct config_dns *dns);

/* A set of all of them, each with its policy; `version` says what there is of it. 0 or a negative
 * errno. */
int config_zones_set(const struct config_dns *dns,
        struct weir_dns_zone *(*version)(void *context, const struct config_zone *zone),
        void *context, struct weir_dns_zones **ret);

/* By its name, of those that are loaded; NULL: none has it. */
struct config_zone *config_zones_find(
        const struct config_dns *dns, const struct weir_dns_name *name);

#endif
