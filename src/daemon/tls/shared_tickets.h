/*
 * The keys of session tickets, where front ends share them in the database: a session that began on
 * one of them is resumed on any. For the main thread.
 */
#ifndef DAEMON_SHARED_TICKETS_H
#define DAEMON_SHARED_TICKETS_H

#include <stdbool.h>

#include <weir/database_snapshot.h>

#include "config.h"

struct shared_tickets;
struct weir_loop;

/*
 * Follows the secrets; stores NULL if the configuration has the keys in files, where each process
 * makes its own. Returns 0 or a negative errno, which was reported.
 */
int shared_tickets_create(
        struct weir_loop *loop, const struct config *config, struct shared_tickets **ret);

/* Has the certificates of a configuration, which is held, use the keys. NULL is allowed. */
void shared_tickets_use(struct shared_tickets *tickets, struct config *config);

/* Returns false if nothing is followed. NULL is allowed. */
bool shared_tickets_info(
        const struct shared_tickets *tickets, struct weir_database_snapshot_info *ret);

/* Call it before the loop leaves the database. NULL is allowed. */
void shared_tickets_destroy(struct shared_tickets *tickets);

#endif
