/* The tables that all parts of the schema share: their versions, and those of the snapshots. */
#include "schema.h"

/*
 * weir_snapshot: a row for each kind of thing that front ends keep in memory. A writer of such
 * a thing increments the version in the same transaction.
 */
const char *const schema_first[] = {
        "CREATE TABLE IF NOT EXISTS weir_schema (part text PRIMARY KEY, version int NOT NULL,"
        " oldest int NOT NULL)",
        "CREATE TABLE IF NOT EXISTS weir_snapshot (name text PRIMARY KEY, version bigint NOT NULL)",
        NULL,
};

const struct schema_part *const schema_parts[SCHEMA_PARTS] = {
        &schema_users,
        &schema_mailboxes,
        &schema_queue,
        &schema_zones,
        &schema_keys,
};
