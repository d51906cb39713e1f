/*
 * Makes the image of a zone from records in any order: for zone files, and for transferred zones.
 */
#ifndef WEIR_DNS_ZONE_BUILDER_H
#define WEIR_DNS_ZONE_BUILDER_H

#include <weir/buffer.h>

#include "zone_image.h"

/* -- zone_builder.c, zone_make.c --------------------------------------------------------------- */

/* A name while the zone is being read. */
struct dns_raw_name {
	uint64_t rank;   /* the first bytes that count for the canonical order */
	uint32_t wire;   /* in `bytes` */
	uint32_t hash;   /* as in the table of the image */
	uint32_t parent; /* its number; DNS_NONE for the apex and for hashed names */
	uint32_t first;  /* record, and 1; 0: none */
	uint32_t last;   /* likewise, of the list of its records in the order of the input */
	uint8_t name_size;
	bool hashed; /* an owner of NSEC3 records only (RFC 5155 7.2.8) */
};

struct dns_raw_record {
	uint32_t next; /* and 1 */
	uint32_t ttl;
	uint32_t data; /* in `bytes` */
	uint32_t line; /* for mistakes */
	uint16_t size;
	uint16_t type;
};

struct dns_raw_slot {
	uint32_t hash;
	uint32_t name; /* its number, and 1; 0: free */
};

struct dns_builder {
	struct weir_dns_name apex;
	struct weir_buffer bytes;
	struct weir_buffer names;
	struct weir_buffer records;
	struct dns_raw_slot *table; /* of names, by their hash; at most half full */
	uint32_t mask;
	uint32_t labels_max;
	bool strict;     /* data below a DNAME is a mistake */
	bool dnames;     /* there are DNAME records */
	uint32_t recent; /* the name that came last: the next record mostly has the same */
};

/* Returns 0 or -ENOMEM. */
int dns_builder_init(struct dns_builder *builder, const struct weir_dns_name *apex);
void dns_builder_free(struct dns_builder *builder);

/*
 * Adds a record with uncompressed rdata. Returns 0, WEIR_E_SYNTAX if the owner is not in the zone,
 * -EBADMSG if the rdata is not valid for its type, WEIR_E_LIMIT or -ENOMEM.
 */
int dns_builder_add(struct dns_builder *builder, const struct weir_dns_name *owner, uint16_t type,
        uint32_t ttl, struct weir_span data, unsigned line);

/*
 * Makes the image. Returns 0, -ENOMEM, WEIR_E_LIMIT, or WEIR_E_SYNTAX if the records do not make a
 * zone: each reason is passed to `report(context, line, text)`.
 */
int dns_builder_finish(struct dns_builder *builder,
        void (*report)(void *context, unsigned line, const char *text), void *context,
        struct weir_dns_zone **ret);

static inline struct dns_raw_name *dns_builder_names(const struct dns_builder *builder)
{
	return (struct dns_raw_name *)(void *)builder->names.data;
}

static inline struct dns_raw_record *dns_builder_records(const struct dns_builder *builder)
{
	return (struct dns_raw_record *)(void *)builder->records.data;
}

static inline uint32_t dns_builder_count(const struct dns_builder *builder)
{
	return (uint32_t)(builder->names.size / sizeof(struct dns_raw_name));
}

static inline const uint8_t *dns_builder_bytes(const struct dns_builder *builder, uint32_t at)
{
	return (const uint8_t *)builder->bytes.data + at;
}

/* -- zone_link.c: the last steps, which link names and proofs to each other -------------------- */

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

/* -- zone_patch.c: IXFR ------------------------------------------------------------------------ */

/*
 * Changes that came by IXFR: they are combined, and applied to the zone that they are for. Several
 * changes of a record become one, so that the zone is walked through once.
 */

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
