/* Zones of DNS, and the keys of TSIG. */
#include "schema.h"

/*
 * A version of a zone is a set of records, which never changes. weir_zone names the current one,
 * which is complete. Versions before are there for a while, to go back to. A record's columns are
 * the fields of a line of a zone file. A writer increments the snapshot "zones".
 */
static const char *const schema_zones_1[] = {
        "CREATE TABLE IF NOT EXISTS weir_zone (name text PRIMARY KEY, version uuid NOT NULL,"
        " serial bigint NOT NULL)",
        "CREATE TABLE IF NOT EXISTS weir_zone_version (version uuid PRIMARY KEY,"
        " name text NOT NULL, serial bigint NOT NULL, records bigint NOT NULL DEFAULT 0,"
        " complete boolean NOT NULL DEFAULT false, made timestamptz NOT NULL DEFAULT now())",
        "CREATE INDEX IF NOT EXISTS weir_zone_version_by_name ON weir_zone_version (name, made)",
        "CREATE TABLE IF NOT EXISTS weir_zone_record (version uuid NOT NULL, number bigint NOT NULL,"
        " owner text NOT NULL, ttl bigint NOT NULL, type text NOT NULL, data text NOT NULL,"
        " PRIMARY KEY (version, number))",
        "CREATE TABLE IF NOT EXISTS weir_tsig_key (name text PRIMARY KEY, algorithm text NOT NULL,"
        " secret text NOT NULL)",
        NULL,
};

static const char *const *const schema_zones_steps[] = {schema_zones_1};

const struct schema_part schema_zones = {
        .name = "zones", .steps = schema_zones_steps, .version = 1, .oldest = 1, .least = 1};
