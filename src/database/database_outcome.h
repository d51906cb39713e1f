/* The end of a call as an error of the stores' interfaces. */
#ifndef DATABASE_OUTCOME_H
#define DATABASE_OUTCOME_H

#include <stdbool.h>

#include <weir/postgres.h>

/*
 * Returns 0 if the call is committed, or a negative errno:
 *   -ENOSPC     the server's disk is full
 *   -ENOMEM     the server has no memory
 *   -EAGAIN     too many connections, or transactions that disturb each other
 *   -ENOENT     a text is not UTF-8, so that no row has it
 *   -EROFS      the server accepts no changes
 *   -EACCES     the role may not do this
 *   -ETIMEDOUT  no result or no connection in time
 *   -ENOTCONN, -ECONNRESET, or another errno of the call
 *   -EIO        any other SQLSTATE
 */
int database_outcome(const struct weir_postgres_end *end);

/*
 * Whether the call was refused because a row is there, by the primary key of a table whose name
 * begins so. For rows with an id of our own this means that an earlier attempt has been committed.
 */
bool database_outcome_is_repeated(const struct weir_postgres_end *end, const char *tables);

#endif
