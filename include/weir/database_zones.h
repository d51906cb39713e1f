/*
 * Zones and keys of TSIG in a database that several machines share (weir/database.h). A zone is
 * the text of its records, which the layer of DNS reads and writes (weir/dns_zone.h).
 *
 *   put:         a new version ─▶ its records, in several calls ─▶ one statement: it is current
 *   front ends:  list ─▶ the versions that are new ─▶ read each
 *
 * Versions are immutable. Nobody sees one before it is complete. The versions before stay for
 * WEIR_DATABASE_ZONE_VERSION_S, and WEIR_DATABASE_ZONE_VERSIONS of them at most.
 *
 * A put, a removal and a change of the keys increment the version of the snapshot "zones".
 *
 * Each function starts a call on the loop's thread. It returns 0, or an error of
 * weir_postgres_call_start: then no callback comes. Names of zones and keys are absolute and in
 * lower case, such as "example.org.".
 */
#ifndef WEIR_DATABASE_ZONES_H
#define WEIR_DATABASE_ZONES_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/database.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* The version row of zones and keys of TSIG in weir_snapshot. */
#define WEIR_DATABASE_ZONES_SNAPSHOT "zones"

/* -- zones ------------------------------------------------------------------------------------- */

/* A version of a zone. Texts are valid during the callback. */
struct weir_database_zone {
	struct weir_span name;
	struct weir_span version; /* its id, of WEIR_DATABASE_ID_SIZE - 1 characters */
	uint32_t serial;
	uint64_t records;
	int64_t made_s; /* seconds since 1970, by the database's clock */
	bool current;
};

/* A record, as the fields of a line of a zone file; the class is IN. */
struct weir_database_zone_record {
	struct weir_span owner; /* absolute */
	struct weir_span ttl;   /* seconds */
	struct weir_span type;
	struct weir_span data;
};

struct weir_database_zone_events {
	void (*zone)(void *context, const struct weir_database_zone *zone);
	void (*record)(void *context, const struct weir_database_zone_record *record);
	/* It begins anew: what was reported is void. */
	void (*again)(void *context);
	/* The last call. */
	weir_database_done_fn *done;
};

/*
 * Reports the current version of each zone or, if `name` is not NULL, the complete versions of this
 * zone, the newest first. `record` is not used.
 */
WEIR_API int weir_database_zones_list(struct weir_database *database, struct weir_loop *loop,
        const char *name, const struct weir_database_zone_events *events, void *context,
        struct weir_database_call **ret);

/*
 * Reports the records of a version in their order, with back-pressure on the server. A version that
 * was removed has none. `zone` is not used.
 */
WEIR_API int weir_database_zone_read(struct weir_database *database, struct weir_loop *loop,
        const char *version, const struct weir_database_zone_events *events, void *context,
        struct weir_database_call **ret);

/* A version that is to be stored. */
struct weir_database_zone_put {
	const char *name;
	uint32_t serial;
	/* The id of the version that it replaces; NULL: there is no such zone yet. */
	const char *replaces;
	/*
	 * Stores the next record, whose texts must stay valid up to the next call. Returns false
	 * behind the last one.
	 */
	bool (*next)(void *context, struct weir_database_zone_record *ret);
};

/*
 * Stores a version and makes it the current one; `put` is copied. It ends with -EBUSY if the
 * current version is another one than `replaces`: nothing has changed then. `context` is also that
 * of `next`.
 */
WEIR_API int weir_database_zone_put(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_zone_put *put, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret);

/* Removes a zone with all its versions. It ends with -ENOENT if there is none. */
WEIR_API int weir_database_zone_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret);

/* -- keys of TSIG ------------------------------------------------------------------------------ */

/*
 * A key, valid during the callback. `error` is 0, or why the secret cannot be read: -ENOKEY and
 * -EBADMSG if it is encrypted, and there is no key for it (weir_database_set_seal), or another one.
 */
typedef void weir_database_tsig_fn(void *context, struct weir_span name, struct weir_span algorithm,
        struct weir_span secret, int error);

/* Appends the secret of a row of weir_tsig_key. Returns as weir_database_unseal. Any thread. */
WEIR_API int weir_database_tsig_secret(const struct weir_database *database, struct weir_span name,
        struct weir_span text, struct weir_buffer *secret);

/* Reports all keys, in the order of their names. `again` as above. */
WEIR_API int weir_database_tsig_list(struct weir_database *database, struct weir_loop *loop,
        weir_database_tsig_fn *key, void (*again)(void *context), weir_database_done_fn *done,
        void *context, struct weir_database_call **ret);

/* Stores a key, in place of the one that has the name. */
WEIR_API int weir_database_tsig_put(struct weir_database *database, struct weir_loop *loop,
        const char *name, const char *algorithm, struct weir_span secret,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret);

/* Removes a key. It ends with -ENOENT if there is none. */
WEIR_API int weir_database_tsig_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret);

WEIR_C_END

#endif
