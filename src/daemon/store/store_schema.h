/*
 * Whether this program can use the schema of the database: at the start, and while it serves, since
 * `weir store migrate` of another version may run beside it. For the main thread.
 */
#ifndef DAEMON_STORE_SCHEMA_H
#define DAEMON_STORE_SCHEMA_H

#include <stdbool.h>

#include "config.h"

struct store_schema;
struct weir_loop;

/* Reports changes from now on. Stores NULL without a database. Returns 0 or -ENOMEM. */
int store_schema_follow(
        struct weir_loop *loop, const struct config *config, struct store_schema **ret);

/* Whether the database has replied; and whether its reply was that a part cannot be used. */
bool store_schema_replied(const struct store_schema *schema);
bool store_schema_lacks(const struct store_schema *schema);

/* NULL is allowed. */
void store_schema_destroy(struct store_schema *schema);

#endif
