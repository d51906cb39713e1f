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

/*
 * Looks at the schema, and blocks, for store_start_ms at most. Stores whether the database has
 * replied. Returns 0; -EPROTO if a part that the configuration has there cannot be used, which was
 * reported; or another negative errno, likewise. Without a database there is nothing to look at.
 */
int store_schema_check(const struct config *config, bool *ret_replied);

/* Reports changes from now on. Stores NULL without a database. Returns 0 or -ENOMEM. */
int store_schema_follow(struct weir_loop *loop, struct config *config, struct store_schema **ret);

/* NULL is allowed. */
void store_schema_destroy(struct store_schema *schema);

#endif
