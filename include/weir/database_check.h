/*
 * Checks of a database: its server, its replication, what slows it down, and what each part of the
 * schema has in it. They read, and change nothing.
 */
#ifndef WEIR_DATABASE_CHECK_H
#define WEIR_DATABASE_CHECK_H

#include <stdbool.h>

#include <weir/api.h>
#include <weir/database.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* One finding, valid during the call. */
struct weir_database_finding {
	const char *part; /* of the schema; NULL: the server */
	struct weir_span what;
	struct weir_span value;
	bool problem;
	bool missing; /* a table, column or index: weir_database_repair or _migrate makes it */
	bool sealed;  /* a secret that cannot be decrypted with the key of this database */
};

typedef void weir_database_finding_fn(void *context, const struct weir_database_finding *finding);

/*
 * Runs all checks of the server and of the parts that are there, one after another. One that the
 * server refuses is a finding, and the others go on. Returns 0, or
 * an error of weir_postgres_call_start; then no callback comes. Ends as weir_database_migrate does.
 */
WEIR_API int weir_database_check(struct weir_database *database, struct weir_loop *loop,
        weir_database_finding_fn *found, weir_database_done_fn *done, void *context);

/*
 * The statements of a migration, for those who want to read them first. `step` brings a part from
 * that version to the next one. Returns NULL past the last statement of a step, and for a step that
 * this program does not know. A part of NULL has the statements that run before all others, in step
 * 0.
 */
WEIR_API const char *weir_database_statement(const char *part, unsigned step, unsigned index);

WEIR_C_END

#endif
