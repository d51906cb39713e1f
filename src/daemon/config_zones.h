/* The zones of a configuration: read, or taken over from the one before. */
#ifndef DAEMON_CONFIG_ZONES_H
#define DAEMON_CONFIG_ZONES_H

#include "config_dns.h"

/* As config_dns_load, of by_name and set. */
int config_zones_load(struct config_dns *dns, const struct config_dns *previous,
        config_dns_report *report, void *context);

/* Gives up by_name, set, and the zones that each of the configuration's holds. */
void config_zones_release(struct config_dns *dns);

/* By its name, of those that are loaded; NULL: none has it. */
struct config_zone *config_zones_find(
        const struct config_dns *dns, const struct weir_dns_name *name);

#endif
