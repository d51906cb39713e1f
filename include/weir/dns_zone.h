/*
 * Zones: what a server is authoritative for, read from standard zone files (RFC 1035 5, and $TTL of
 * RFC 2308) into an image that is never changed.
 *
 *   file ──lines─▶ records ──▶ one block: names in canonical order, a table to find them by hash,
 *                              RRsets in wire form with their signatures, the NSEC3 chain
 *
 * Zones and sets of zones are counted; any thread may hold, look and release. A reload makes a new
 * set in which the unchanged zones are held once more, and puts it in the old one's place.
 *
 * Owners are kept in lower case; names in the data of records as they were written.
 */
#ifndef WEIR_DNS_ZONE_H
#define WEIR_DNS_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/dns.h>
#include <weir/dns_name.h>
#include <weir/limits.h>
#include <weir/network.h>
#include <weir/span.h>

struct weir_dns_zone;
struct weir_dns_zones;

/* -- a zone ------------------------------------------------------------------------------------ */

/*
 * Whom mistakes are told to: the file (one that was included may have another name than the one that
 * was asked for), the line, counted from 1 (0: the zone as a whole), what is wrong.
 */
typedef void weir_dns_report(void *context, const char *path, unsigned line, const char *text);

/*
 * Reads a zone; blocks: for the start, and for a reload on the work pool. `apex` is its name, and the
 * first origin. Every mistake is told to `report` (NULL: to nobody) up to WEIR_DNS_MISTAKES_MAX, and
 * any mistake fails the whole: WEIR_E_SYNTAX. WEIR_E_LIMIT: the zone is larger than the limits.
 * -ENOMEM, or another errno of reading the file. A mistake is also a value that is outside of its
 * field's range or has not its syntax, and data below a DNAME.
 *
 * $INCLUDE is followed (relative to the directory of the file it stands in), and
 * so is BIND's $GENERATE.
 */
WEIR_API int weir_dns_zone_load(const char *path, const struct weir_dns_name *apex,
        weir_dns_report *report, void *context, struct weir_dns_zone **ret);

/*
 * `zone` is to take the place of `before`, a zone of the same name: from the difference and the
 * history of `before` comes its own, for IXFR (RFC 1995), bounded by WEIR_DNS_HISTORY_STEPS_MAX,
 * WEIR_DNS_HISTORY_BYTES_MAX and the size of the zone. To be called before anybody else holds `zone`; takes as long as
 * looking at every record of both, so for the work pool if they are large. Nothing happens if its
 * serial is not later. 0 or -ENOMEM: the zone is good all the same, with no history.
 */
WEIR_API int weir_dns_zone_follow(struct weir_dns_zone *zone, const struct weir_dns_zone *before);

/* Whether two zones have the same records. Takes as long as looking at every record of both. */
WEIR_API bool weir_dns_zone_equal(const struct weir_dns_zone *a, const struct weir_dns_zone *b);

/*
 * What stands in a set for a zone that we should have and have not: all of it is answered SERVFAIL,
 * with this extended error (not 0), and it is not transferred. 0 or -ENOMEM.
 */
WEIR_API int weir_dns_zone_create_placeholder(const struct weir_dns_name *apex,
        enum weir_dns_extended_error why, struct weir_dns_zone **ret);

WEIR_API struct weir_dns_zone *weir_dns_zone_hold(struct weir_dns_zone *zone);

/* The last release frees. NULL is allowed. */
WEIR_API void weir_dns_zone_release(struct weir_dns_zone *zone);

/* What there is to tell about it. */
struct weir_dns_zone_info {
	struct weir_dns_name name;
	uint32_t serial;
	uint32_t names; /* also those without records */
	uint32_t records;
	size_t bytes;         /* of memory */
	unsigned steps;       /* of its history … */
	size_t history_bytes; /* … which versions of the zone share */
	uint16_t absence; /* the extended error of a stand-in, of which the rest says nothing; 0 */
	bool is_signed;
	bool nsec3;
	bool includes; /* read from several files */
};

WEIR_API void weir_dns_zone_info(const struct weir_dns_zone *zone, struct weir_dns_zone_info *ret);

/* -- a set of zones ---------------------------------------------------------------------------- */

/* Who may have a copy of a zone, and who is told of changes. All copied by weir_dns_zones_create. */
struct weir_dns_policy {
	/* Transfers: an address of these networks … */
	const struct weir_network *networks;
	size_t network_count;
	/* … or the name of a TSIG key of these. With neither, nobody. */
	const struct weir_dns_name *keys;
	size_t key_count;
	bool both; /* … and not or */
	/* NOTIFY goes to these when the serial has changed, port included. */
	const struct weir_address *notify;
	size_t notify_count;
};

struct weir_dns_zone_entry {
	struct weir_dns_zone *zone; /* held by the set */
	struct weir_dns_policy policy;
};

/* 0; WEIR_E_SYNTAX: two zones have the same name; WEIR_E_LIMIT: WEIR_DNS_ZONES_MAX; -ENOMEM. */
WEIR_API int weir_dns_zones_create(
        const struct weir_dns_zone_entry *entries, size_t count, struct weir_dns_zones **ret);

WEIR_API struct weir_dns_zones *weir_dns_zones_hold(struct weir_dns_zones *zones);
/* The last release frees. NULL is allowed. */
WEIR_API void weir_dns_zones_release(struct weir_dns_zones *zones);

WEIR_API size_t weir_dns_zones_count(const struct weir_dns_zones *zones);

/* The entry at this place, valid as long as the set is held. */
WEIR_API const struct weir_dns_zone_entry *weir_dns_zones_entry(
        const struct weir_dns_zones *zones, size_t at);

/* The zone of exactly this name, or NULL. */
WEIR_API const struct weir_dns_zone_entry *weir_dns_zones_find(
        const struct weir_dns_zones *zones, const struct weir_dns_name *name);

#endif
