/* The state of a set of zones. */
#ifndef WEIR_DNS_ZONES_H
#define WEIR_DNS_ZONES_H

#include "zone_image.h"
#include "refcount.h"

struct weir_dns_zones {
	struct refcount references;
	unsigned labels_max; /* of the longest zone's name */
	uint32_t mask;
	uint32_t *table; /* numbers of entries, and 1; 0: free */
	struct weir_dns_zone_entry *entries;
	size_t count;
};

/* The zone to which the name without its first `skip` labels belongs, or NULL. */
const struct weir_dns_zone_entry *dns_zones_search(
        const struct weir_dns_zones *zones, const struct dns_key *key, unsigned skip);

#endif
