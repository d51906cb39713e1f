/*
 * Zones that a server is authoritative for. They are read from standard zone files (RFC 1035 5,
 * $TTL of RFC 2308) into an image that is never changed.
 *
 *   file ──lines─▶ records ──▶ one block: names in canonical order, a table to find them by hash,
 *                              RRsets in wire form with their signatures, the NSEC3 chain
 *
 * Zones and sets of zones are reference counted. Any thread may hold, read and release them. A
 * reload makes a new set, which holds the unchanged zones too, and replaces the old set by it.
 *
 * Owner names are stored in lower case, names in the data of records as they were written.
 */
#ifndef WEIR_DNS_ZONE_H
#define WEIR_DNS_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/dns.h>
#include <weir/dns_name.h>
#include <weir/limits.h>
#include <weir/network.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_dns_zone;
struct weir_dns_zones;

/* -- a zone ------------------------------------------------------------------------------------ */

/*
 * Reports a mistake. `path` is the file, which may be an included one. `line` is counted from 1; 0
 * means the zone as a whole. `text` describes the mistake.
 */
typedef void weir_dns_report_fn(void *context, const char *path, unsigned line, const char *text);

/*
 * Reads a zone file. This blocks: call it at the start, or on the work pool. `apex` is the zone's
 * name and the first origin. `report` (which may be NULL) is called for each mistake, up to
 * WEIR_DNS_MISTAKES_MAX. A value outside of its field's range or syntax is a mistake, and so is
 * data below a DNAME. $INCLUDE is relative to the including file's directory. BIND's $GENERATE is
 * understood.
 *
 * Returns 0, WEIR_E_SYNTAX if there was a mistake, WEIR_E_LIMIT if the zone is larger than the
 * limits, -ENOMEM, or another errno of reading the file.
 */
WEIR_API int weir_dns_zone_load(const char *path, const struct weir_dns_name *apex,
        weir_dns_report_fn *report, void *context, struct weir_dns_zone **ret);

/*
 * Reads a zone file that is in memory, as weir_dns_zone_load does; $INCLUDE is a mistake. `label`
 * is the `path` of reports.
 */
WEIR_API int weir_dns_zone_parse(struct weir_span text, const char *label,
        const struct weir_dns_name *apex, weir_dns_report_fn *report, void *context,
        struct weir_dns_zone **ret);

/*
 * Writes a zone as a zone file, which weir_dns_zone_load and other servers can read: a line for
 * each record, of an absolute owner, the TTL, "IN", the type and the data, with tabs between them.
 * The SOA record comes first.
 * Blocks. Returns 0, -ENOMEM, or -EIO: see errno of the stream.
 */
WEIR_API int weir_dns_zone_write(const struct weir_dns_zone *zone, FILE *stream);

/*
 * Gives `zone` a history for IXFR (RFC 1995): that of `before`, a zone of the same name that it
 * will replace, and the difference between the two. It is bounded by WEIR_DNS_HISTORY_STEPS_MAX,
 * WEIR_DNS_HISTORY_BYTES_MAX and the size of the zone. Nothing happens if the serial of `zone` is
 * not later. Call it before any other thread holds `zone`. It reads every record of both zones, so
 * large ones belong on the work pool. Returns 0, or -ENOMEM: the zone is usable, without a history.
 */
WEIR_API int weir_dns_zone_follow(struct weir_dns_zone *zone, const struct weir_dns_zone *before);

/* A TXT record of one text, of at most 255 bytes, with a TTL of a second. */
struct weir_dns_zone_text {
	struct weir_dns_name owner;
	struct weir_span text;
};

/*
 * Makes a zone with the records of `zone`, these texts, and this serial. It blocks as reading a
 * zone of the size does. Returns 0; -EINVAL if `zone` is signed or a placeholder; -EBADMSG if it
 * has such a record already; WEIR_E_SYNTAX if a text is not in the zone, or where a record may not
 * be; WEIR_E_LIMIT or -ENOMEM.
 */
WEIR_API int weir_dns_zone_extend(const struct weir_dns_zone *zone, uint32_t serial,
        const struct weir_dns_zone_text *texts, size_t count, struct weir_dns_zone **ret);

/* Whether two zones have the same records. Reads every record of both. */
WEIR_API bool weir_dns_zone_equal(const struct weir_dns_zone *a, const struct weir_dns_zone *b);

/*
 * Creates a placeholder for a zone that is not available. Queries for it are answered SERVFAIL with
 * the extended error `why` (not 0), and it is not transferred. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_dns_zone_create_placeholder(const struct weir_dns_name *apex,
        enum weir_dns_extended_error why, struct weir_dns_zone **ret);

WEIR_API struct weir_dns_zone *weir_dns_zone_hold(struct weir_dns_zone *zone);

/* The last release frees the zone. NULL is allowed. */
WEIR_API void weir_dns_zone_release(struct weir_dns_zone *zone);

/* Facts about a zone. */
struct weir_dns_zone_info {
	struct weir_dns_name name;
	uint32_t serial;
	int64_t made_s; /* when it was read or transferred, in seconds since 1970 */
	uint32_t names; /* including those without records */
	uint32_t records;
	size_t bytes;         /* of memory */
	unsigned steps;       /* of its history */
	size_t history_bytes; /* of memory, which versions of the zone share */
	uint16_t unavailable; /* 0, or the extended error of a placeholder: the rest is 0 then */
	bool is_signed;
	bool nsec3;
	bool includes; /* read from several files */
};

WEIR_API void weir_dns_zone_info(const struct weir_dns_zone *zone, struct weir_dns_zone_info *ret);

/* -- a set of zones ---------------------------------------------------------------------------- */

/*
 * Which peers may transfer a zone, and which are notified of changes. Copied by
 * weir_dns_zones_create.
 */
struct weir_dns_policy {
	/*
	 * Transfers are allowed to an address of these networks or with one of these TSIG keys. If
	 * `both` is set, the peer needs both. With neither networks nor keys, they are refused.
	 */
	const struct weir_network *networks;
	size_t network_count;
	const struct weir_dns_name *keys;
	size_t key_count;
	bool both;
	/* The addresses, with ports, that get a NOTIFY when the serial has changed. */
	const struct weir_address *notify;
	size_t notify_count;
};

struct weir_dns_zone_entry {
	struct weir_dns_zone *zone; /* held by the set */
	struct weir_dns_policy policy;
};

/*
 * Returns 0, WEIR_E_SYNTAX if two zones have the same name, WEIR_E_LIMIT if there are more than
 * WEIR_DNS_ZONES_MAX, or -ENOMEM.
 */
WEIR_API int weir_dns_zones_create(
        const struct weir_dns_zone_entry *entries, size_t count, struct weir_dns_zones **ret);

WEIR_API struct weir_dns_zones *weir_dns_zones_hold(struct weir_dns_zones *zones);
/* The last release frees the set. NULL is allowed. */
WEIR_API void weir_dns_zones_release(struct weir_dns_zones *zones);

WEIR_API size_t weir_dns_zones_count(const struct weir_dns_zones *zones);

/* The entry with this index, valid as long as the set is held. */
WEIR_API const struct weir_dns_zone_entry *weir_dns_zones_entry(
        const struct weir_dns_zones *zones, size_t at);

/* The zone of exactly this name, or NULL. */
WEIR_API const struct weir_dns_zone_entry *weir_dns_zones_find(
        const struct weir_dns_zones *zones, const struct weir_dns_name *name);

WEIR_C_END

#endif
