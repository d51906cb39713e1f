/* The hash of NSEC3 (RFC 5155 5), and its form in names (RFC 4648 7). */
#ifndef WEIR_DNS_NSEC3_H
#define WEIR_DNS_NSEC3_H

#include "zone_image.h"

enum {
	DNS_BASE32_SIZE = 32 /* characters of DNS_HASH_SIZE bytes */
};

/* The objects of OpenSSL that hashing needs; for one thread. */
struct dns_hasher;

/* Returns NULL without memory. */
struct dns_hasher *dns_hasher_create(void);
void dns_hasher_destroy(struct dns_hasher *hasher);

/* Of a name in lower case. */
void dns_hash(struct dns_hasher *hasher, const struct weir_dns_zone *zone, const uint8_t *wire,
        uint8_t ret[DNS_HASH_SIZE]);

void dns_base32_encode(const uint8_t hash[DNS_HASH_SIZE], uint8_t ret[DNS_BASE32_SIZE]);

/* Decodes the first label of a name in lower case. Returns false if that is no hash. */
bool dns_base32_decode(const uint8_t *wire, uint8_t ret[DNS_HASH_SIZE]);

#endif
