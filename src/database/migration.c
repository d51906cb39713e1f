/*
 * Bringing the schema up to date, and looking at its versions.
 *
 *   migrate: schema_first ─▶ look ─▶ steps of each part, a statement at a time ─▶ done
 *   look:                    look ─▶ done
 *
 * Two programs that migrate at one time make the same statements. The loser of a race for the same
 * table may hear of a unique index of the catalogue, although the statement has IF NOT EXISTS: it
 * repeats the statement.
 *
 * A statement that changes a table waits for the transactions that use it, and all later ones wait
 * for the statement. So it gives up soon, lets the others go on, and is repeated after a pause.
 */
#include <weir/database.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/loop.h>

#include "helper.h"
#include "schema.h"

enum {
	MIGRATION_REPEATS = 5
};

#define MIGRATION_LOCKED                                                                           \
	"other transactions do not let go of a table that is to be changed: end them, or migrate " \
	"again later"

struct migration {
	struct weir_loop *loop;
	struct weir_postgres *pool;
	weir_database_progress_fn *progress;
	weir_database_done_fn *done;
	void *context;
	bool changes; /* false: it looks only */
	bool repairs; /* it repeats the steps that were done */
	struct weir_database_part parts[SCHEMA_PARTS];
	unsigned index;                             /* of the part */
	unsigned step;                              /* of the part */
	unsigned statement;                         /* of the step; or of schema_first */
	unsigned repeats;                           /* of the statement */
	unsigned locked;                            /* repeats for a table that is in use */
	struct weir_timer pause;                    /* before such a repeat */
	void (*again)(struct migration *migration); /* repeats the statement */
	void (*next)(struct migration *migration);  /* what follows it */
};

static void migration_end(struct migration *migration, int error, const char *text)
{
	migration->done(migration->context, error, text);
	free(migration);
}

/* -- calls ------------------------------------------------------------------------------------- */

static void migration_on_row(void *context, const struct weir_postgres_row *row)
{
	struct migration *migration = context;
	if (row->count == 3) /* of schema_look */
		schema_read_row(row, migration->parts);
}

static void migration_on_pause(struct weir_timer *timer)
{
	struct migration *migration = WEIR_CONTAINER(timer, struct migration, pause);
	migration->again(migration);
}

static void migration_on_locked(struct migration *migration)
{
	if (migration->locked++ < WEIR_DATABASE_LOCK_TRIES)
		weir_timer_start(migration->loop, &migration->pause, WEIR_DATABASE_LOCK_PAUSE_MS,
		        migration_on_pause);
	else
		migration_end(migration, WEIR_E_DATABASE, MIGRATION_LOCKED);
}

static void migration_on_end(void *context, const struct weir_postgres_end *end)
{
	struct migration *migration = context;
	/* A table of which nothing is there yet. */
	bool empty = !migration->changes && strcmp(end->state, "42P01") == 0;
	/* unique_violation, duplicate_table, duplicate_object: another program has just made it. */
	bool race = strcmp(end->state, "23505") == 0 || strcmp(end->state, "42P07") == 0 ||
	            strcmp(end->state, "42710") == 0;
	if (race && migration->repeats++ < MIGRATION_REPEATS) {
		migration->again(migration);
	} else if (strcmp(end->state, "55P03") == 0) { /* lock_not_available */
		migration_on_locked(migration);
	} else if (end->error && !empty) {
		migration_end(migration, end->error, end->text);
	} else {
		migration->repeats = migration->locked = 0;
		migration->statement++;
		migration->next(migration);
	}
}

static const struct weir_postgres_events migration_events = {
        .row = migration_on_row,
        .end = migration_on_end,
};

/* How long the statements of this transaction wait for a table. */
static const char migration_patience[] = "SELECT set_config('lock_timeout', $1, true)";

static int migration_call(struct migration *migration, const char *text,
        const struct weir_postgres_value *values, unsigned count)
{
	static const struct weir_postgres_value limit = {WEIR_SPAN(WEIR_DATABASE_LOCK), false};
	struct weir_postgres_statement statements[] = {
	        {migration_patience, &limit, 1}, {text, values, count}};
	struct weir_postgres_call_options options;
	struct weir_postgres_call *call;
	weir_postgres_call_options_init(&options);
	options.statements = migration->changes ? statements : &statements[1];
	options.count = migration->changes ? 2 : 1;
	options.idempotent = true;
	return weir_postgres_call_start(
	        migration->pool, &options, &migration_events, migration, &call);
}

static void migration_run(struct migration *migration, const char *text,
        const struct weir_postgres_value *values, unsigned count)
{
	int error = migration_call(migration, text, values, count);
	if (error < 0)
		migration_end(migration, error, weir_error_text(error));
}

/* -- steps ------------------------------------------------------------------------------------- */

static const char *const migration_bump =
        "INSERT INTO weir_schema (part, version, oldest) VALUES ($1, $2::int, $3::int)"
        " ON CONFLICT (part) DO UPDATE SET version = excluded.version, oldest = excluded.oldest"
        " WHERE weir_schema.version < excluded.version";

/* The statements of a step have run. */
static void migration_set_version(struct migration *migration)
{
	const struct weir_database_part *part = &migration->parts[migration->index];
	char version[16], oldest[16];
	snprintf(version, sizeof version, "%u", migration->step + 1);
	snprintf(oldest, sizeof oldest, "%u",
	        min_of(migration->step + 1, schema_parts[migration->index]->oldest));
	struct weir_postgres_value values[] = {weir_postgres_text(part->name),
	        weir_postgres_text(version), weir_postgres_text(oldest)};
	migration_run(migration, migration_bump, values, 3);
}

static void migration_step(struct migration *migration);

static void migration_on_version_set(struct migration *migration)
{
	struct weir_database_part *part = &migration->parts[migration->index];
	bool repeated = migration->step++ < part->have;
	migration->statement = 0;
	if (!repeated) {
		part->have = migration->step;
		if (migration->progress)
			migration->progress(migration->context, part);
	}
	migration_step(migration);
}

/* Moves to the next part that has a step to do. False: there is none. */
static bool migration_find_step(struct migration *migration)
{
	for (; migration->index < SCHEMA_PARTS; migration->index++, migration->step = 0) {
		const struct weir_database_part *part = &migration->parts[migration->index];
		if (!migration->repairs)
			migration->step = part->have;
		if (part->have <= part->wanted && migration->step < part->wanted)
			return true;
	}
	return false;
}

static void migration_step(struct migration *migration)
{
	if (!migration_find_step(migration)) {
		migration_end(migration, 0, "");
		return;
	}
	const struct schema_part *part = schema_parts[migration->index];
	const char *statement = part->steps[migration->step][migration->statement];
	migration->again = migration_step;
	migration->next = statement ? migration_step : migration_on_version_set;
	if (statement)
		migration_run(migration, statement, NULL, 0);
	else
		migration_set_version(migration);
}

static void migration_on_looked(struct migration *migration)
{
	for (unsigned i = 0; i < SCHEMA_PARTS && migration->progress; i++)
		migration->progress(migration->context, &migration->parts[i]);
	migration->statement = 0;
	if (migration->changes)
		migration_step(migration);
	else
		migration_end(migration, 0, "");
}

static void migration_first(struct migration *migration)
{
	const char *statement = schema_first[migration->statement];
	migration->again = migration_first;
	migration->next = statement ? migration_first : migration_on_looked;
	migration_run(migration, statement ? statement : schema_look, NULL, 0);
}

/* -- beginning --------------------------------------------------------------------------------- */

static int migration_start(struct weir_database *database, struct weir_loop *loop, bool changes,
        bool repairs, weir_database_progress_fn *progress, weir_database_done_fn *done,
        void *context)
{
	struct weir_postgres *pool;
	int error = weir_database_pool(database, loop, &pool);
	if (error < 0)
		return error;
	struct migration *migration = calloc(1, sizeof *migration);
	if (!migration)
		return -ENOMEM;
	*migration = (struct migration){.loop = loop,
	        .pool = pool,
	        .progress = progress,
	        .done = done,
	        .context = context,
	        .changes = changes,
	        .repairs = repairs,
	        .again = migration_first,
	        .next = changes ? migration_first : migration_on_looked};
	weir_list_init(&migration->pause.link);
	for (unsigned i = 0; i < SCHEMA_PARTS; i++)
		weir_database_part(i, &migration->parts[i]);
	error = migration_call(migration, changes ? schema_first[0] : schema_look, NULL, 0);
	if (error < 0)
		free(migration);
	return error;
}

int weir_database_migrate(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context)
{
	return migration_start(database, loop, true, false, progress, done, context);
}

int weir_database_repair(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context)
{
	return migration_start(database, loop, true, true, progress, done, context);
}

int weir_database_look(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context)
{
	return migration_start(database, loop, false, false, progress, done, context);
}
