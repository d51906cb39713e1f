/*
 * The schema: parts of steps of statements. Step N, from 1, brings a part from version N-1 to N. It
 * never changes once it was released: a change is another step.
 *
 *   - Each statement is a transaction of its own, and may be repeated: IF NOT EXISTS, ON CONFLICT.
 *   - Programs of the version before go on meanwhile. So a step adds tables, and columns that have
 *     a default. A step of a later version removes the things that are no longer used.
 *   - Every table has a primary key, and every name begins with weir_. checks.c asks for the tables
 *     by the statements that begin with CREATE TABLE IF NOT EXISTS.
 *   - PostgreSQL, YugabyteDB and CockroachDB have what is used: no triggers, functions, large
 *     objects, temporary tables, advisory locks or LISTEN.
 */
#ifndef DATABASE_SCHEMA_H
#define DATABASE_SCHEMA_H

#include <stddef.h>

#include <weir/database.h>

struct schema_part {
	const char *name;
	/* Each step is an array of statements up to NULL. */
	const char *const *const *steps;
	unsigned version; /* the number of steps */
	unsigned oldest;  /* the oldest version of a program that can use this one */
	unsigned least;   /* the oldest version that this program can do with */
};

/* The statements that run before all parts; they are never changed. Up to NULL. */
extern const char *const schema_first[];

enum {
	SCHEMA_PARTS = 5
};

extern const struct schema_part *const schema_parts[SCHEMA_PARTS];
extern const struct schema_part schema_users, schema_mailboxes, schema_queue, schema_zones,
        schema_keys;

/* The statement that yields the versions, and its rows, which set `have` and `oldest`. */
extern const char schema_look[];
void schema_read_row(
        const struct weir_postgres_row *row, struct weir_database_part parts[SCHEMA_PARTS]);

#endif
