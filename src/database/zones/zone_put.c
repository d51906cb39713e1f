/*
 * Storing a version of a zone:
 *
 *   begin ─▶ records, ZONE_PUT_ROWS of them a statement ─▶ finish ─▶ prune
 *
 * A put that is interrupted leaves records that nobody sees; a later put of the zone removes them.
 */
#include <weir/database_zones.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "call.h"
#include "helper.h"

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

enum {
	ZONE_PUT_COLUMNS = 5,          /* and the version */
	ZONE_PUT_ROWS = 200,           /* of a statement */
	ZONE_PUT_BYTES = 512 * 1024,   /* of its values; a record may exceed it */
	ZONE_PUT_NUMBER = 24,          /* room for a number */
	ZONE_PUT_TEXT_MAX = 16 * 1024, /* of a statement, so that it is prepared */
	ZONE_PUT_UNFINISHED_S = 86400, /* until an interrupted put is removed */
};

struct zone_put {
	struct weir_database_call base;
	struct weir_database_zone_put put;
	char *name;
	char replaces[WEIR_DATABASE_ID_SIZE];
	char version[WEIR_DATABASE_ID_SIZE];
	char serial[ZONE_PUT_NUMBER];
	uint64_t count;
	struct weir_buffer text; /* of the statement */
};

static void zone_put_free(struct weir_database_call *call)
{
	struct zone_put *put = (struct zone_put *)call;
	free(put->name);
	weir_buffer_finish(&put->text);
}

static void zone_put_send(struct zone_put *put, const char *text,
        const struct weir_postgres_value *values, unsigned count)
{
	struct weir_postgres_statement statement = {text, values, count};
	int error = database_call_send(&put->base, &statement, 1, false);
	if (error < 0 && put->base.harmless)
		database_call_end(&put->base, 0, "");
	else if (error < 0)
		database_call_end(&put->base, error, weir_error_text(error));
}

/* -- pruning ----------------------------------------------------------------------------------- */

static const char *const zone_put_prune_text =
        "WITH newest AS (SELECT version FROM weir_zone_version WHERE name = $1 AND complete"
        " ORDER BY made DESC, version DESC LIMIT " TEXT_OF(
                WEIR_DATABASE_ZONE_VERSIONS) "),"
                                             " old AS (DELETE FROM weir_zone_version WHERE name = $1"
                                             " AND version NOT IN (SELECT version FROM weir_zone WHERE name = $1)"
                                             " AND (made < now() - $3::bigint * interval '1 second'"
                                             " OR (complete AND version NOT IN (SELECT version FROM newest))"
                                             " OR (NOT complete AND made < now() - $2::bigint * interval '1 second'))"
                                             " RETURNING version)"
                                             " DELETE FROM weir_zone_record WHERE version IN (SELECT version FROM old)";

/* The version is in use: what fails here is done by the next put. */
static void zone_put_prune(struct zone_put *put)
{
	char unfinished[ZONE_PUT_NUMBER], old[ZONE_PUT_NUMBER];
	snprintf(unfinished, sizeof unfinished, "%d", ZONE_PUT_UNFINISHED_S);
	snprintf(old, sizeof old, "%d", WEIR_DATABASE_ZONE_VERSION_S);
	struct weir_postgres_value values[] = {weir_postgres_text(put->name),
	        weir_postgres_text(unfinished), weir_postgres_text(old)};
	put->base.harmless = true;
	zone_put_send(put, zone_put_prune_text, values, 3);
}

/* -- finishing --------------------------------------------------------------------------------- */

/* One statement, so that it is a transaction; it may run twice. */
static const char *const zone_put_finish_text =
        "WITH made AS (INSERT INTO weir_zone AS z (name, version, serial)"
        " VALUES ($1, $2::uuid, $3::bigint) ON CONFLICT (name)"
        " DO UPDATE SET version = excluded.version, serial = excluded.serial"
        " WHERE z.version = $4::uuid OR z.version = excluded.version RETURNING name),"
        " finished AS (UPDATE weir_zone_version SET complete = true, records = $5::bigint,"
        " made = now() WHERE version = $2::uuid AND EXISTS (SELECT 1 FROM made) RETURNING 1)," DATABASE_RAISE(
                WEIR_DATABASE_ZONES_SNAPSHOT, "made") " SELECT name FROM made";

static void zone_put_on_finished(
        struct weir_database_call *call, const struct weir_postgres_end *end)
{
	if (end->rows[0])
		zone_put_prune((struct zone_put *)call);
	else
		database_call_end(call, -EBUSY, "the zone has another version by now");
}

static void zone_put_finish(struct zone_put *put)
{
	char count[ZONE_PUT_NUMBER];
	snprintf(count, sizeof count, "%" PRIu64, put->count);
	struct weir_postgres_value values[] = {weir_postgres_text(put->name),
	        weir_postgres_text(put->version), weir_postgres_text(put->serial),
	        {put->replaces[0] ? weir_span_of(put->replaces) : weir_span(NULL, 0), false},
	        weir_postgres_text(count)};
	put->base.ended = zone_put_on_finished;
	zone_put_send(put, zone_put_finish_text, values, 5);
}

/* -- records ----------------------------------------------------------------------------------- */

/* Statements of ZONE_PUT_ROWS rows have one text, which is prepared once. */
static const char *zone_put_text(struct zone_put *put, unsigned rows)
{
	weir_buffer_consume(&put->text, put->text.size);
	int error = weir_buffer_format(&put->text, ZONE_PUT_TEXT_MAX,
	        "INSERT INTO weir_zone_record (version, number, owner, ttl, type, data) VALUES ");
	for (unsigned i = 0; i < rows && error == 0; i++) {
		unsigned at = 2 + i * ZONE_PUT_COLUMNS;
		error = weir_buffer_format(&put->text, ZONE_PUT_TEXT_MAX,
		        "%s($1::uuid,$%u::bigint,$%u,$%u::bigint,$%u,$%u)", i ? "," : "", at,
		        at + 1, at + 2, at + 3, at + 4);
	}
	if (error == 0)
		error = weir_buffer_append(&put->text, " ON CONFLICT DO NOTHING",
		        sizeof " ON CONFLICT DO NOTHING", ZONE_PUT_TEXT_MAX);
	return error == 0 ? put->text.data : NULL;
}

static void zone_put_on_records(
        struct weir_database_call *call, const struct weir_postgres_end *end);

static void zone_put_send_rows(
        struct zone_put *put, struct weir_postgres_value *values, unsigned rows)
{
	const char *text = zone_put_text(put, rows);
	values[0] = weir_postgres_text(put->version);
	put->base.ended = zone_put_on_records;
	if (text)
		zone_put_send(put, text, values, 1 + rows * ZONE_PUT_COLUMNS);
	else
		database_call_end(&put->base, -ENOMEM, weir_error_text(-ENOMEM));
}

/* A record's texts are valid up to the next one, so they are copied. */
static int zone_put_add(struct zone_put *put, const struct weir_database_zone_record *record,
        struct weir_buffer *bytes, struct weir_postgres_value *values)
{
	char number[ZONE_PUT_NUMBER];
	snprintf(number, sizeof number, "%" PRIu64, put->count++);
	struct weir_span parts[ZONE_PUT_COLUMNS] = {
	        weir_span_of(number), record->owner, record->ttl, record->type, record->data};
	for (unsigned i = 0; i < ZONE_PUT_COLUMNS; i++)
		values[i].bytes.size = parts[i].size;
	return buffer_append_spans(bytes, parts, ZONE_PUT_COLUMNS, WEIR_POSTGRES_CALL_BYTES);
}

static void zone_put_records(struct zone_put *put)
{
	struct weir_postgres_value *values =
	        calloc(1 + ZONE_PUT_ROWS * ZONE_PUT_COLUMNS, sizeof *values);
	struct weir_database_zone_record record;
	struct weir_buffer bytes = {0};
	unsigned rows = 0;
	int error = values ? 0 : -ENOMEM;
	while (error == 0 && rows < ZONE_PUT_ROWS && bytes.size < ZONE_PUT_BYTES &&
	        put->put.next(put->base.context, &record))
		error = zone_put_add(put, &record, &bytes, values + 1 + rows++ * ZONE_PUT_COLUMNS);
	size_t at = 0;
	for (unsigned i = 1; error == 0 && i <= rows * ZONE_PUT_COLUMNS; i++) {
		values[i].bytes.data = bytes.data + at;
		at += values[i].bytes.size;
	}
	if (error < 0)
		database_call_end(&put->base, error, weir_error_text(error));
	else if (rows)
		zone_put_send_rows(put, values, rows);
	else
		zone_put_finish(put);
	weir_buffer_finish(&bytes);
	free(values);
}

static void zone_put_on_records(
        struct weir_database_call *call, const struct weir_postgres_end *end)
{
	(void)end;
	zone_put_records((struct zone_put *)call);
}

/* -- beginning --------------------------------------------------------------------------------- */

static const char *const zone_put_begin_text =
        "INSERT INTO weir_zone_version (version, name, serial)"
        " VALUES ($1::uuid, $2, $3::bigint) ON CONFLICT DO NOTHING";

static int zone_put_begin(struct zone_put *put, struct weir_database_call **ret)
{
	struct weir_postgres_value values[] = {weir_postgres_text(put->version),
	        weir_postgres_text(put->name), weir_postgres_text(put->serial)};
	struct weir_postgres_statement statement = {zone_put_begin_text, values, 3};
	put->base.ended = zone_put_on_records;
	return database_call_begin(&put->base, &statement, 1, false, ret);
}

int weir_database_zone_put(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_zone_put *options, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	int error =
	        database_call_create(database, loop, sizeof(struct zone_put), done, context, &call);
	if (error < 0)
		return error;
	struct zone_put *put = (struct zone_put *)call;
	call->free = zone_put_free;
	put->put = *options;
	put->name = weir_span_copy(weir_span_of(options->name));
	snprintf(put->serial, sizeof put->serial, "%" PRIu32, options->serial);
	text_copy(put->replaces, sizeof put->replaces, options->replaces ? options->replaces : "");
	error = put->name ? weir_database_make_id(put->version) : -ENOMEM;
	if (error == 0)
		return zone_put_begin(put, ret);
	zone_put_free(call);
	free(call);
	return error;
}
