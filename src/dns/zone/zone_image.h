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

#include <weir/buffer.h>
#include <weir/dns.h>
#include <weir/dns_zone.h>
#include <weir/span.h>

#include "dns_codec.h"
#include "refcount.h"

/* -- the image --------------------------------------------------------------------------------- */

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
	 * NSEC: the node at or before it whose NSEC record covers what follows it. NSEC3: the index
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

/* -- zone_link.c: the hash of NSEC3 (RFC 5155 5), and its form in names (RFC 4648 7) ----------- */

enum {
	DNS_BASE32_SIZE = 32 /* characters of DNS_HASH_SIZE bytes */
};

/* The objects of OpenSSL that hashing needs; for one thread. */
struct dns_hasher;

/* Returns NULL without memory. */
struct dns_hasher *dns_hasher_create(void);
void dns_hasher_destroy(struct dns_hasher *hasher);

/* Hashes a name in lower case with the salt and the iterations of the zone. */
void dns_hash(struct dns_hasher *hasher, const struct weir_dns_zone *zone, const uint8_t *wire,
        uint8_t ret[DNS_HASH_SIZE]);

void dns_base32_encode(const uint8_t hash[DNS_HASH_SIZE], uint8_t ret[DNS_BASE32_SIZE]);

/* Decodes the first label of a name in lower case. Returns false if that is no hash. */
bool dns_base32_decode(const uint8_t *wire, uint8_t ret[DNS_HASH_SIZE]);

/* -- zone_walk.c: the records one after the other ---------------------------------------------- */

/* A walk through the records of a zone serves transfers, differences and the saved file. */

/* A record. Valid until the next step of the same walk. */
struct zone_entry {
	const uint8_t *owner; /* in lower case */
	uint16_t type;
	uint32_t ttl;
	struct weir_span data; /* uncompressed */
};

/*
 * A position in a zone, which must stay held. Names come in canonical order, then the hashed ones;
 * the records of a name are in the order of the type that they have or cover.
 */
struct dns_walk {
	const struct weir_dns_zone *zone;
	bool in_hashed;
	uint32_t at;                   /* the node, or the index in hashed */
	unsigned rrsets;               /* of the node, still to come with this one */
	unsigned record;               /* of the RRset, and then its signatures */
	const struct dns_rrset *rrset; /* NULL: at the beginning of a node */
	const uint8_t *next;
	uint8_t owner[1 + DNS_BASE32_SIZE + WEIR_DNS_NAME_MAX]; /* of a hashed name */
};

void dns_walk_init(struct dns_walk *walk, const struct weir_dns_zone *zone);

/* Gives the current record, which stays the current one. Returns false at the end. */
bool dns_walk_peek(struct dns_walk *walk, struct zone_entry *ret);
/* Goes on to the next record. */
void dns_walk_step(struct dns_walk *walk);

/* The SOA record of a zone that is not a placeholder. */
void dns_zone_soa(const struct weir_dns_zone *zone, struct zone_entry *ret);

/* -- zone_history.c: earlier versions ---------------------------------------------------------- */

/*
 * Earlier versions of a zone: the differences between them, for IXFR (RFC 1995). Each step is
 * reference counted and shared by successive versions; a version's own list of steps never changes.
 */

/*
 * One step, in IXFR's order: the old SOA record, the removed records, the new SOA record, the added
 * records. Each record is owner, type, TTL, length and rdata, without compression.
 */
struct dns_delta {
	struct refcount references;
	uint32_t from, to; /* serial numbers */
	size_t size;
	uint8_t data[];
};

struct dns_history {
	size_t size; /* of all steps */
	unsigned count;
	struct dns_delta
	        *deltas[]; /* the last leads to the zone, each begins where the one before ends */
};

/* NULL is allowed. */
void dns_history_free(struct dns_history *history);

/* Finds the step at which a client with this serial begins. Returns false if there is none. */
bool dns_history_find(const struct weir_dns_zone *zone, uint32_t serial, unsigned *ret);

/* A position in the steps of a history, from one of them to the last. */
struct dns_steps {
	const struct dns_history *history; /* NULL: none */
	unsigned delta;
	size_t at;
};

bool dns_steps_peek(const struct dns_steps *steps, struct zone_entry *ret);
void dns_steps_step(struct dns_steps *steps);

/*
 * Makes a step from the difference of two zones. Returns 0, WEIR_E_LIMIT if it is larger than
 * `limit`, or -ENOMEM.
 */
int dns_zone_difference(const struct weir_dns_zone *from, const struct weir_dns_zone *to,
        size_t limit, struct weir_buffer *ret);

/* -- zone.c: a set of zones -------------------------------------------------------------------- */

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
