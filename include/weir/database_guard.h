/*
 * Wrong passwords, counted by all front ends together: each writes what its guard has counted, by
 * network, and reads what the others have, every few seconds.
 *
 * A login never waits for the database. While that is away, each front end counts for itself. Ages
 * are by the database's clock.
 */
#ifndef WEIR_DATABASE_GUARD_H
#define WEIR_DATABASE_GUARD_H

#include <weir/api.h>
#include <weir/database.h>
#include <weir/network.h>
#include <weir/sasl_guard.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_database_guard;

/*
 * Begins to exchange counts, every `every_ms` less a random part of up to a half. The guard and the
 * database outlive it. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_database_guard_create(struct weir_database *database, struct weir_loop *loop,
        struct weir_guard *guard, uint32_t every_ms, struct weir_database_guard **ret);

/*
 * Calls weir_guard_clear, and removes the rows of the networks that it has cleared, or all rows
 * with NULL: they are not learnt again. The other front ends retain their own counts. Returns as
 * weir_guard_clear.
 */
WEIR_API size_t weir_database_guard_clear(
        struct weir_database_guard *shared, const struct weir_network *network);

/* Must be called before the loop leaves. NULL is allowed. */
WEIR_API void weir_database_guard_destroy(struct weir_database_guard *shared);

WEIR_C_END

#endif
