/* Listing, reading and removing zones. zone_put.c stores them. */
#include <weir/database_zones.h>

#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "call.h"

struct zone_reading {
	struct weir_database_call base;
	struct weir_database_zone_events events;
};

static uint64_t zone_list_number(const struct weir_postgres_row *row, unsigned column)
{
	uint64_t number = 0;
	weir_span_number(weir_postgres_row_value(row, column), 10, &number);
	return number;
}

static void zone_list_on_again(struct weir_database_call *call)
{
	struct zone_reading *reading = (struct zone_reading *)call;
	if (reading->events.again)
		reading->events.again(call->context);
}

static int zone_list_create(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_zone_events *events, void *context, struct zone_reading **ret)
{
	struct weir_database_call *call;
	int error = database_call_create(
	        database, loop, sizeof(struct zone_reading), events->done, context, &call);
	if (error < 0)
		return error;
	struct zone_reading *reading = (struct zone_reading *)call;
	reading->events = *events;
	call->again = zone_list_on_again;
	*ret = reading;
	return 0;
}

/* -- listing ----------------------------------------------------------------------------------- */

#define ZONE_COLUMNS "v.name, v.version, v.serial, v.records, " WEIR_DATABASE_SECONDS("v.made")

static const char *const zone_list_current =
        "SELECT " ZONE_COLUMNS ", true FROM weir_zone z JOIN weir_zone_version v"
        " ON v.version = z.version ORDER BY v.name";

static const char *const zone_list_versions =
        "SELECT " ZONE_COLUMNS ", z.version IS NOT NULL AND z.version = v.version"
        " FROM weir_zone_version v LEFT JOIN weir_zone z ON z.name = v.name"
        " WHERE v.name = $1 AND v.complete ORDER BY v.made DESC, v.version DESC";

static void zone_list_on_row(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	const struct zone_reading *reading = (struct zone_reading *)call;
	struct weir_database_zone zone = {
	        .name = weir_postgres_row_value(row, 0),
	        .version = weir_postgres_row_value(row, 1),
	        .serial = (uint32_t)zone_list_number(row, 2),
	        .records = zone_list_number(row, 3),
	        .made_s = (int64_t)zone_list_number(row, 4),
	        .current = weir_span_equal(weir_postgres_row_value(row, 5), WEIR_SPAN("t")),
	};
	reading->events.zone(call->context, &zone);
}

int weir_database_zones_list(struct weir_database *database, struct weir_loop *loop,
        const char *name, const struct weir_database_zone_events *events, void *context,
        struct weir_database_call **ret)
{
	struct zone_reading *reading;
	struct weir_postgres_value value = weir_postgres_text(name ? name : "");
	struct weir_postgres_statement statement = {
	        name ? zone_list_versions : zone_list_current, &value, name ? 1 : 0};
	int error = zone_list_create(database, loop, events, context, &reading);
	if (error < 0)
		return error;
	reading->base.row = zone_list_on_row;
	return database_call_begin(&reading->base, &statement, 1, true, ret);
}

/* -- reading ----------------------------------------------------------------------------------- */

static const char *const zone_list_records = "SELECT owner, ttl, type, data FROM weir_zone_record"
                                             " WHERE version = $1::uuid ORDER BY number";

static void zone_list_on_record(
        struct weir_database_call *call, const struct weir_postgres_row *row)
{
	const struct zone_reading *reading = (struct zone_reading *)call;
	struct weir_database_zone_record record = {
	        .owner = weir_postgres_row_value(row, 0),
	        .ttl = weir_postgres_row_value(row, 1),
	        .type = weir_postgres_row_value(row, 2),
	        .data = weir_postgres_row_value(row, 3),
	};
	reading->events.record(call->context, &record);
}

int weir_database_zone_read(struct weir_database *database, struct weir_loop *loop,
        const char *version, const struct weir_database_zone_events *events, void *context,
        struct weir_database_call **ret)
{
	struct zone_reading *reading;
	struct weir_postgres_value value = weir_postgres_text(version);
	struct weir_postgres_statement statement = {zone_list_records, &value, 1};
	int error = zone_list_create(database, loop, events, context, &reading);
	if (error < 0)
		return error;
	reading->base.row = zone_list_on_record;
	return database_call_begin(&reading->base, &statement, 1, true, ret);
}

/* -- removing ---------------------------------------------------------------------------------- */

/* The records of all versions go, too; so do those of a put that was interrupted. */
static const char *const zone_list_remove =
        "WITH gone AS (DELETE FROM weir_zone WHERE name = $1 RETURNING name),"
        " versions AS (DELETE FROM weir_zone_version WHERE name IN (SELECT name FROM gone)"
        " RETURNING version),"
        " records AS (DELETE FROM weir_zone_record WHERE version IN (SELECT version FROM versions)"
        " RETURNING 1)," DATABASE_RAISE(
                WEIR_DATABASE_ZONES_SNAPSHOT, "gone") " SELECT name FROM gone";

static void zone_list_on_removed(
        struct weir_database_call *call, const struct weir_postgres_end *end)
{
	/* Repeated after a lost connection, it may find what the first time has removed. */
	if (end->rows[0] || end->repeated)
		database_call_end(call, 0, "");
	else
		database_call_end(call, -ENOENT, "there is no such zone");
}

int weir_database_zone_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	struct weir_postgres_value value = weir_postgres_text(name);
	struct weir_postgres_statement statement = {zone_list_remove, &value, 1};
	int error = database_call_create(database, loop, sizeof *call, done, context, &call);
	if (error < 0)
		return error;
	call->ended = zone_list_on_removed;
	return database_call_begin(call, &statement, 1, false, ret);
}
