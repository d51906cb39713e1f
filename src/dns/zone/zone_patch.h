/*
 * Changes that came by IXFR, put together and applied to the zone that they are for. What several
 * steps do to a record becomes one change, so that the zone is walked through once.
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
 * A record goes or comes; the rdata is uncompressed. 0; -EBADMSG: it goes twice, or comes twice;
 * WEIR_E_LIMIT; -ENOMEM.
 */
int dns_patch_add(struct dns_patch *patch, bool removed, const struct weir_dns_name *owner,
        uint16_t type, uint32_t ttl, struct weir_span data);

/*
 * Gives the builder what the zone has then. 0; -EBADMSG: something goes that the zone has not, or
 * comes that it has; or an error of dns_builder_add. To be called once.
 */
int dns_patch_apply(
        struct dns_patch *patch, const struct weir_dns_zone *zone, struct dns_builder *builder);

#endif
