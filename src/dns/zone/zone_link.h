/* The last steps of making an image: its names and proofs are linked to each other. */
#ifndef WEIR_DNS_ZONE_LINK_H
#define WEIR_DNS_ZONE_LINK_H

#include "zone_image.h"

/*
 * Finds the first usable NSEC3PARAM record, which selects the chain. Returns false if there is
 * none.
 */
bool dns_zone_choose_chain(struct weir_dns_zone *zone);

/*
 * Whether an NSEC3 record belongs to the selected chain; then *ret_hash is the hash in its owner.
 */
bool dns_zone_in_chain(const struct weir_dns_zone *zone, const struct dns_rrset *rrset,
        const uint8_t *owner, uint8_t ret_hash[DNS_HASH_SIZE]);

/* Links occluded names and proofs; sorts the hashed names. Returns 0 or -ENOMEM. */
int dns_zone_link(struct weir_dns_zone *zone);

#endif
