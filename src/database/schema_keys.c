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

/*
 * For certificates that are obtained by ACME. A file is one of the directory of a front end;
 * `content` is a text of weir_database_seal for its path. The only lease is "order".
 */
static const char *const schema_keys_2[] = {
        "CREATE TABLE IF NOT EXISTS weir_acme_file (path text PRIMARY KEY, content text NOT NULL,"
        " changed timestamptz NOT NULL DEFAULT now())",
        "CREATE TABLE IF NOT EXISTS weir_acme_lease (name text PRIMARY KEY, owner text NOT NULL,"
        " ends timestamptz NOT NULL)",
        NULL,
};

static const char *const *const schema_keys_steps[] = {schema_keys_1, schema_keys_2};

const struct schema_part schema_keys = {
        .name = "keys", .steps = schema_keys_steps, .version = 2, .oldest = 1, .least = 1};
