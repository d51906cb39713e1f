/* Certificates, and the secrets that front ends share. */
#include "schema.h"

/*
 * A secret of a purpose, such as session tickets, is in use from `begins` on (seconds since 1970,
 * by the database's clock) until the next one is. `secret` is a text of
 * weir_database_seal for the name `id`.
 */
static const char *const schema_keys_1[] = {
        "CREATE TABLE IF NOT EXISTS weir_secret (purpose text NOT NULL, begins bigint NOT NULL,"
        " id text NOT NULL, secret text NOT NULL, PRIMARY KEY (purpose, begins))",
        "CREATE TABLE IF NOT EXISTS weir_certificate (name text PRIMARY KEY, chain text NOT NULL,"
        " key text NOT NULL, stored timestamptz NOT NULL DEFAULT now())",
        NULL,
};

static const char *const *const schema_keys_steps[] = {schema_keys_1};

const struct schema_part schema_keys = {
        .name = "keys", .steps = schema_keys_steps, .version = 1, .oldest = 1};
