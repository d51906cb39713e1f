/*
 * Makes the image of a zone from records in any order: for zone files, and for transferred zones.
 */
#ifndef WEIR_DNS_ZONE_BUILDER_H
#define WEIR_DNS_ZONE_BUILDER_H

#include <weir/buffer.h>

#include "zone_image.h"

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

#endif
