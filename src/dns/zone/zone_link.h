/* The last steps of making an image: its names and proofs are linked to each other. */
#ifndef WEIR_DNS_ZONE_LINK_H
#define WEIR_DNS_ZONE_LINK_H

#include "zone_image.h"

/* The first NSEC3PARAM that can be served says which chain is used; false: there is none. */
bool dns_zone_choose_chain(struct weir_dns_zone *zone);

/* An NSEC3 record is of the chain that was chosen; then *ret_hash is what its owner says. */
bool dns_zone_in_chain(const struct weir_dns_zone *zone, const struct dns_rrset *rrset,
        const uint8_t *owner, uint8_t ret_hash[DNS_HASH_SIZE]);

/* Covers, and proofs; puts the hashed names in order. 0 or -ENOMEM. */
int dns_zone_link(struct weir_dns_zone *zone);

#endif
