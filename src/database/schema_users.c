/* Users, aliases, and what is counted of them. */
#include "schema.h"

/*
 * A user's columns are the fields of a line of a users file (weir/users.h), an alias's those of a
 * line of an aliases file (weir/mail_routes.h). weir_guard has the wrong passwords that a front end
 * has counted for a network: how many, when that was, and when none of them counts any more.
 */
static const char *const schema_users_1[] = {
        "CREATE TABLE IF NOT EXISTS weir_user (name text COLLATE \"C\" PRIMARY KEY, hash text NOT NULL,"
        " attributes text NOT NULL DEFAULT '')",
        "CREATE TABLE IF NOT EXISTS weir_alias (address text COLLATE \"C\" PRIMARY KEY, targets text NOT NULL)",
        "CREATE TABLE IF NOT EXISTS weir_guard (network text NOT NULL, owner text NOT NULL,"
        " wrong int NOT NULL, changed timestamptz NOT NULL, expires timestamptz NOT NULL,"
        " PRIMARY KEY (network, owner))",
        NULL,
};

static const char *const *const schema_users_steps[] = {schema_users_1};

const struct schema_part schema_users = {
        .name = "users", .steps = schema_users_steps, .version = 1, .oldest = 1, .least = 1};
