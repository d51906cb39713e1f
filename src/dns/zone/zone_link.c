/*
 * Facts that are derived from the records once, when the image is made: which names are occluded,
 * and which record proves that there is nothing behind a name. For NSEC3 that takes hashes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "zone_builder.h"

/* -- the hash of NSEC3 (RFC 5155 5) ------------------------------------------------------------ */

/*
 * SHA-1 by OpenSSL. The algorithm is fetched once and the context used again and again, so that a
 * hash costs its rounds and no memory.
 */

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

static void zone_link_hash_once(struct dns_hasher *hasher, const struct weir_dns_zone *zone,
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
	zone_link_hash_once(hasher, zone, wire, dns_wire_size(wire), ret);
	for (unsigned i = 0; i < zone->iterations; i++)
		zone_link_hash_once(hasher, zone, ret, DNS_HASH_SIZE, ret);
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

/* -- links ------------------------------------------------------------------------------------- */

/* Names below a zone cut or a DNAME are occluded. */
static void zone_link_occlude_node(struct weir_dns_zone *zone, uint32_t number)
{
	struct dns_node *node = &zone->nodes[number];
	const struct dns_node *parent =
	        node->parent == DNS_NONE ? NULL : &zone->nodes[node->parent];
	bool cut = parent && dns_node_rrset(zone, node, WEIR_DNS_NS);
	node->dname = !cut && dns_node_rrset(zone, node, WEIR_DNS_DNAME);
	if (parent && parent->occluder != DNS_NONE)
		node->occluder = parent->occluder;
	else if (parent && parent->dname)
		node->occluder = node->parent;
	else if (cut)
		node->occluder = number;
}

static bool zone_link_is_authoritative(const struct dns_node *node, uint32_t number)
{
	return node->occluder == DNS_NONE || node->occluder == number;
}

static void zone_link_nsec(struct weir_dns_zone *zone)
{
	uint32_t last = 0;
	zone->nsec = dns_node_rrset(zone, zone->nodes, WEIR_DNS_NSEC);
	for (uint32_t i = 0; zone->nsec && i < zone->node_count; i++) {
		if (zone_link_is_authoritative(&zone->nodes[i], i) &&
		        dns_node_rrset(zone, &zone->nodes[i], WEIR_DNS_NSEC))
			last = i;
		zone->nodes[i].denial = last;
	}
}

/* Finds the matching NSEC3 records once. Only hashes that depend on a query are made later. */
static int zone_link_nsec3(struct weir_dns_zone *zone)
{
	struct dns_hasher *hasher = dns_hasher_create();
	if (!hasher)
		return -ENOMEM;
	for (uint32_t i = 0; i < zone->node_count; i++) {
		uint8_t hash[DNS_HASH_SIZE];
		if (!zone_link_is_authoritative(&zone->nodes[i], i))
			continue;
		dns_hash(hasher, zone, dns_node_name(zone, &zone->nodes[i]), hash);
		const struct dns_hashed *entry = dns_zone_hashed_before(zone, hash);
		if (memcmp(entry->hash, hash, sizeof hash) == 0)
			zone->nodes[i].denial = (uint32_t)(entry - zone->hashed);
	}
	dns_hasher_destroy(hasher);
	/*
	 * A chain in which the zone's own name is not, is not complete: it is on its way in or out.
	 */
	zone->nsec3 = zone->nodes[0].denial != DNS_NONE;
	return 0;
}

static int zone_link_compare_hashed(const void *left, const void *right)
{
	const struct dns_hashed *a = left, *b = right;
	return memcmp(a->hash, b->hash, DNS_HASH_SIZE);
}

/* The first usable NSEC3PARAM record selects the chain (RFC 5155 4). */
bool dns_zone_choose_chain(struct weir_dns_zone *zone)
{
	const struct dns_rrset *param = dns_node_rrset(zone, zone->nodes, WEIR_DNS_NSEC3PARAM);
	if (!param)
		return false;
	const uint8_t *at = dns_rrset_records(param);
	for (unsigned i = 0; i < param->count; i++, at = dns_record_next(at)) {
		unsigned size = dns_get16(at);
		const uint8_t *data = at + 2;
		if (size < 5 || data[0] != 1 || data[1] || data[4] != size - 5)
			continue;
		zone->iterations = dns_get16(data + 2);
		zone->salt_size = data[4];
		memcpy(zone->salt, data + 5, data[4]);
		return true;
	}
	return false;
}

/*
 * Whether a record belongs to the selected chain; then *ret_hash is the hash in its owner's first
 * label.
 */
bool dns_zone_in_chain(const struct weir_dns_zone *zone, const struct dns_rrset *rrset,
        const uint8_t *owner, uint8_t ret_hash[DNS_HASH_SIZE])
{
	const uint8_t *record = dns_rrset_records(rrset), *data = record + 2;
	return rrset->count && dns_get16(record) >= 5u + zone->salt_size && data[0] == 1 &&
	       dns_get16(data + 2) == zone->iterations && data[4] == zone->salt_size &&
	       memcmp(data + 5, zone->salt, zone->salt_size) == 0 &&
	       dns_base32_decode(owner, ret_hash);
}

int dns_zone_link(struct weir_dns_zone *zone)
{
	int error = 0;
	for (uint32_t i = 0; i < zone->node_count; i++)
		zone_link_occlude_node(zone, i);
	if (zone->hashed_count)
		qsort(zone->hashed + zone->chain_count, zone->hashed_count - zone->chain_count,
		        sizeof *zone->hashed, zone_link_compare_hashed);
	if (zone->chain_count) {
		qsort(zone->hashed, zone->chain_count, sizeof *zone->hashed,
		        zone_link_compare_hashed);
		error = zone_link_nsec3(zone);
	}
	if (error == 0 && !zone->nsec3)
		zone_link_nsec(zone);
	return error;
}
