/*
 * The server of a test's program, with the schema of this version in it, and databases of front
 * ends on it: the fixture of cmocka_run_group_tests.
 */
#ifndef WEIR_TEST_MIGRATED_H
#define WEIR_TEST_MIGRATED_H

#include "../postgres/database.h"

#include <weir/database.h>

struct migrated {
	struct database server;
	char url[256];
};

extern struct migrated migrated;

/* Setups of the group: with the schema, and without it. */
int migrated_setup(void **state);
int migrated_setup_empty(void **state);
int migrated_teardown(void **state);

/* A front end; `url` may be that of another server, NULL: of this one. It must succeed. */
struct weir_database *migrated_open(const char *url);

/* The loop leaves and ends, and the reference is released. */
void migrated_close(struct weir_database *database, struct weir_loop *loop);

/*
 * Whether the loop's pool waits for a server: for a connection, or for the result of a call. A test
 * that moves the clock on meanwhile takes the server's time away.
 */
bool migrated_awaits_server(struct weir_database *database, struct weir_loop *loop);

/* Runs SQL; the result as text. */
const char *migrated_run(const char *sql);

/* Turns the loop until the result is `wanted`, which must come, perhaps without a callback. */
void migrated_await(struct weir_loop *loop, const char *sql, const char *wanted);

#endif
