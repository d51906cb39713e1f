/*
 * Changes that came by IXFR: they are combined, and applied to the zone that they are for. Several
 * changes of a record become one, so that the zone is walked through once.
 */
#ifndef WEIR_DNS_ZONE_PATCH_H
#define WEIR_DNS_ZONE_PATCH_H

#include "zone_builder.h"

/* All zero is a patch that changes nothing. */
struct dns_patch {
	struct weir_buffer bytes;
	struct weir_buffer changes;
	uint32_t *table; /* numbers of changes, and 1 */
	uint32_t mask;
};

void dns_patch_free(struct dns_patch *patch);

/*
 * Adds a change: a record with uncompressed rdata is removed or added. Returns 0, -EBADMSG if it is
 * removed or added twice, WEIR_E_LIMIT or -ENOMEM.
 */
int dns_patch_add(struct dns_patch *patch, bool removed, const struct weir_dns_name *owner,
        uint16_t type, uint32_t ttl, struct weir_span data);

/*
 * Applies the changes to the zone, and passes the result to the builder. Returns 0, an error of
 * dns_builder_add, or
 * -EBADMSG if a removed record is missing in the zone or an added one is present. Call it once.
 */
int dns_patch_apply(
        struct dns_patch *patch, const struct weir_dns_zone *zone, struct dns_builder *builder);

#endif
