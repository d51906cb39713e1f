/*
 * The image of a zone: one block of memory that is never changed after it was made.
 *
 *   [ struct weir_dns_zone ][ nodes ][ slots ][ hashed ][ data: names, RRsets ]
 *
 * A node is a name that owns records, or that is above such a name (an empty non-terminal). Nodes
 * are in canonical order, so that a number is an order, and a parent precedes its children.
 */
#ifndef WEIR_DNS_ZONE_IMAGE_H
#define WEIR_DNS_ZONE_IMAGE_H

#include <stdatomic.h>

#include <weir/dns.h>
#include <weir/dns_zone.h>

#include "name.h"
#include "refcount.h"

enum {
	DNS_HASH_SIZE = 20, /* bytes of SHA-1, the only hash of NSEC3 */
	DNS_SALT_MAX = 255,
	DNS_TYPE_SHIFT = 16
};

#define DNS_NONE UINT32_MAX

struct dns_node {
	uint32_t name;   /* in data: the wire form, in lower case */
	uint32_t rrsets; /* in data: the first of `count`, one behind the other */
	uint32_t parent; /* DNS_NONE for the apex */
	/*
	 * Why the name is occluded (not answered from): the highest zone cut at or above it, or a
	 * DNAME above it; or DNS_NONE.
	 */
	uint32_t occluder;
	uint32_t wildcard; /* the child "*", or DNS_NONE */
	/*
	 * NSEC: the node at or before it whose NSEC record covers what follows it. NSEC3: the place
	 * in `hashed` of the record that matches it, or DNS_NONE.
	 */
	uint32_t denial;
	uint16_t count;
	uint8_t name_size;
	bool dname; /* has one; and no NS, unless it is the apex */
};

/* Followed by `count` records and then `signatures`; each is a length (2 bytes) and rdata. */
struct dns_rrset {
	uint8_t fixed[8]; /* type, class and TTL as on the wire */
	uint16_t count;
	uint16_t signatures; /* RRSIG records that cover it, of the same TTL */
	uint32_t size;       /* bytes, this header and what aligns the next one included */
};

/* A slot of the table: open addressing, linear probing. */
struct dns_hash_slot {
	uint32_t hash;
	uint32_t node; /* its number and 1; 0: free */
};

struct dns_hashed {
	uint8_t hash[DNS_HASH_SIZE];
	uint32_t rrset; /* in data */
};

struct dns_history;

struct weir_dns_zone {
	struct refcount references;
	uint32_t serial;
	uint16_t unavailable; /* the extended error of a placeholder; 0: the zone is there */
	struct dns_history
	        *history;          /* of its own; set once, before others hold the zone, or NULL */
	struct weir_dns_name apex; /* in lower case */
	size_t size;
	int64_t made_s; /* since 1970 */
	uint32_t records;

	uint32_t node_count; /* the first is the apex */
	uint32_t mask;
	unsigned labels_max;   /* of its longest name */
	uint32_t chain_count;  /* of `hashed`: those of the selected chain, sorted */
	uint32_t hashed_count; /* all of `hashed`, which transfers send */
	bool is_signed;
	bool includes; /* read from several files */
	bool nsec;     /* denial by NSEC */
	bool nsec3;    /* by NSEC3, with these parameters */
	uint16_t iterations;
	uint8_t salt_size;
	uint8_t salt[DNS_SALT_MAX];

	struct dns_node *nodes;
	struct dns_hash_slot *slots;
	struct dns_hashed *hashed;
	uint8_t *data;
};

static inline const uint8_t *dns_node_name(
        const struct weir_dns_zone *zone, const struct dns_node *node)
{
	return zone->data + node->name;
}

static inline const struct dns_rrset *dns_rrset_at(const struct weir_dns_zone *zone, uint32_t at)
{
	return (const struct dns_rrset *)(const void *)(zone->data + at);
}

static inline const struct dns_rrset *dns_rrset_next(const struct dns_rrset *rrset)
{
	return (const struct dns_rrset *)(const void *)((const uint8_t *)rrset + rrset->size);
}

static inline uint16_t dns_rrset_type(const struct dns_rrset *rrset)
{
	return dns_get16(rrset->fixed);
}

static inline uint32_t dns_rrset_ttl(const struct dns_rrset *rrset)
{
	return dns_get32(rrset->fixed + 4);
}

/* The first record: its length and rdata; signatures follow behind the last. */
static inline const uint8_t *dns_rrset_records(const struct dns_rrset *rrset)
{
	return (const uint8_t *)(rrset + 1);
}

static inline const uint8_t *dns_record_next(const uint8_t *record)
{
	return record + 2 + dns_get16(record);
}

/* The RRset of this type that has records, not only signatures; or NULL. */
const struct dns_rrset *dns_node_rrset(
        const struct weir_dns_zone *zone, const struct dns_node *node, uint16_t type);

/* The node of the name without its first `skip` labels, or NULL. */
const struct dns_node *dns_zone_node(
        const struct weir_dns_zone *zone, const struct dns_key *key, unsigned skip);

/*
 * The node of the name, or of its closest encloser: the longest name above it that exists. The name
 * is in the zone. *ret_skip is the number of labels that the name has more.
 */
const struct dns_node *dns_zone_closest(
        const struct weir_dns_zone *zone, const struct dns_key *key, unsigned *ret_skip);

/* The last node before or at the name, in canonical order. */
const struct dns_node *dns_zone_before(const struct weir_dns_zone *zone, const uint8_t *wire);

/* The entry with the largest hash up to this one, in the ring; the chain is not empty. */
const struct dns_hashed *dns_zone_hashed_before(
        const struct weir_dns_zone *zone, const uint8_t hash[DNS_HASH_SIZE]);

/* A random number of this process, for all hashes of names. */
uint32_t dns_seed(void);

#endif
