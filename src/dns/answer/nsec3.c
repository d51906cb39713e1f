/*
 * SHA-1 by OpenSSL. The algorithm is fetched once and the context used again and again, so that a
 * hash costs its rounds and no memory.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "nsec3.h"

struct dns_hasher {
	EVP_MD *type;
	EVP_MD_CTX *context;
};

struct dns_hasher *dns_hasher_create(void)
{
	struct dns_hasher *hasher = calloc(1, sizeof *hasher);
	if (!hasher)
		return NULL;
	hasher->type = EVP_MD_fetch(NULL, "SHA1", NULL);
	hasher->context = EVP_MD_CTX_new();
	if (hasher->type && hasher->context &&
	        EVP_DigestInit_ex2(hasher->context, hasher->type, NULL))
		return hasher;
	dns_hasher_destroy(hasher);
	return NULL;
}

void dns_hasher_destroy(struct dns_hasher *hasher)
{
	if (!hasher)
		return;
	EVP_MD_CTX_free(hasher->context);
	EVP_MD_free(hasher->type);
	free(hasher);
}

static void nsec3_hash_once(struct dns_hasher *hasher, const struct weir_dns_zone *zone,
        const uint8_t *data, size_t size, uint8_t ret[DNS_HASH_SIZE])
{
	EVP_DigestInit_ex2(hasher->context, NULL, NULL);
	EVP_DigestUpdate(hasher->context, data, size);
	EVP_DigestUpdate(hasher->context, zone->salt, zone->salt_size);
	EVP_DigestFinal_ex(hasher->context, ret, NULL);
}

void dns_hash(struct dns_hasher *hasher, const struct weir_dns_zone *zone, const uint8_t *wire,
        uint8_t ret[DNS_HASH_SIZE])
{
	nsec3_hash_once(hasher, zone, wire, dns_wire_size(wire), ret);
	for (unsigned i = 0; i < zone->iterations; i++)
		nsec3_hash_once(hasher, zone, ret, DNS_HASH_SIZE, ret);
}

static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

void dns_base32_encode(const uint8_t hash[DNS_HASH_SIZE], uint8_t ret[DNS_BASE32_SIZE])
{
	for (unsigned group = 0; group < DNS_HASH_SIZE / 5; group++) {
		uint64_t bits = 0;
		for (unsigned i = 0; i < 5; i++)
			bits = bits << 8 | hash[group * 5 + i];
		for (unsigned i = 8; i-- > 0; bits >>= 5)
			ret[group * 8 + i] = (uint8_t)digits[bits & 31];
	}
}

bool dns_base32_decode(const uint8_t *wire, uint8_t ret[DNS_HASH_SIZE])
{
	if (wire[0] != DNS_BASE32_SIZE)
		return false;
	for (unsigned group = 0; group < DNS_HASH_SIZE / 5; group++) {
		uint64_t bits = 0;
		for (unsigned i = 0; i < 8; i++) {
			uint8_t character = wire[1 + group * 8 + i];
			const char *found = character ? strchr(digits, character) : NULL;
			if (!found)
				return false;
			bits = bits << 5 | (uint64_t)(found - digits);
		}
		for (unsigned i = 5; i-- > 0; bits >>= 8)
			ret[group * 5 + i] = (uint8_t)bits;
	}
	return true;
}
