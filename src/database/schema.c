/* The tables that all parts of the schema share: their versions, and those of the snapshots. */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#include <weir/database_check.h>

/*
 * weir_snapshot: a row for each kind of thing that front ends keep in memory. A writer of such
 * a thing increments the version in the same transaction.
 */
const char *const schema_first[] = {
        "CREATE TABLE IF NOT EXISTS weir_schema (part text PRIMARY KEY, version int NOT NULL,"
        " oldest int NOT NULL)",
        "CREATE TABLE IF NOT EXISTS weir_snapshot (name text PRIMARY KEY, version bigint NOT NULL)",
        NULL,
};

const struct schema_part *const schema_parts[SCHEMA_PARTS] = {
        &schema_users,
        &schema_mailboxes,
        &schema_queue,
        &schema_zones,
        &schema_keys,
};

bool weir_database_part(unsigned index, struct weir_database_part *ret)
{
	if (index >= SCHEMA_PARTS)
		return false;
	*ret = (struct weir_database_part){.name = schema_parts[index]->name,
	        .wanted = schema_parts[index]->version,
	        .least = schema_parts[index]->least};
	return true;
}

static const char *const *schema_find_step(const char *name, unsigned step)
{
	if (!name)
		return step == 0 ? schema_first : NULL;
	for (unsigned i = 0; i < SCHEMA_PARTS; i++)
		if (strcmp(schema_parts[i]->name, name) == 0)
			return step < schema_parts[i]->version ? schema_parts[i]->steps[step]
			                                       : NULL;
	return NULL;
}

const char *weir_database_statement(const char *part, unsigned step, unsigned index)
{
	const char *const *statements = schema_find_step(part, step);
	for (unsigned i = 0; statements && *statements && i < index; i++)
		statements++;
	return statements ? *statements : NULL;
}

const char schema_look[] = "SELECT part, version, oldest FROM weir_schema";

void schema_read_row(
        const struct weir_postgres_row *row, struct weir_database_part parts[SCHEMA_PARTS])
{
	struct weir_span name = weir_postgres_row_value(row, 0);
	for (unsigned i = 0; i < SCHEMA_PARTS; i++) {
		if (!weir_span_equal(name, weir_span_of(parts[i].name)))
			continue;
		parts[i].have = (unsigned)strtoul(weir_postgres_row_value(row, 1).data, NULL, 10);
		parts[i].oldest = (unsigned)strtoul(weir_postgres_row_value(row, 2).data, NULL, 10);
	}
}
