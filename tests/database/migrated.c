/* See the header. */
#include "migrated.h"

#include <signal.h>

#include "postgres_state.h"

struct migrated migrated;

static void migrated_on_done(void *context, int error, const char *text)
{
	if (error)
		fail_msg("%s", text);
	*(bool *)context = true;
}

struct weir_database *migrated_open(const char *url)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database *database;
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = url ? url : migrated.url);
	if (weir_database_create(&options, why, &database) < 0)
		fail_msg("%s", why);
	return database;
}

void migrated_close(struct weir_database *database, struct weir_loop *loop)
{
	weir_database_leave(database, loop);
	weir_database_release(database);
	weir_loop_destroy(loop);
}

int migrated_setup_empty(void **state)
{
	(void)state;
	/* A commit that was acknowledged survives a server that is killed. */
	database_make(&migrated.server, "synchronous_commit = on\n");
	database_start(&migrated.server);
	snprintf(migrated.url, sizeof migrated.url, "postgres://weir@/postgres?host=%s&port=%d",
	        migrated.server.path, migrated.server.port);
	return 0;
}

int migrated_setup(void **state)
{
	struct weir_loop *loop;
	bool done = false;
	migrated_setup_empty(state);
	struct weir_database *database = migrated_open(NULL);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_database_migrate(database, loop, NULL, migrated_on_done, &done), 0);
	while (!done)
		weir_loop_turn(loop, 100);
	migrated_close(database, loop);
	return 0;
}

int migrated_teardown(void **state)
{
	(void)state;
	database_remove(&migrated.server);
	return 0;
}

bool migrated_awaits_server(struct weir_database *database, struct weir_loop *loop)
{
	struct weir_postgres *pool;
	if (weir_database_pool(database, loop, &pool) < 0)
		return false;
	WEIR_LIST_EACH (const struct postgres_connection, connection, &pool->connections, link)
		if (connection->state != POSTGRES_IDLE)
			return true;
	return false;
}

const char *migrated_run(const char *sql)
{
	return database_run(&migrated.server, sql);
}

void migrated_await(struct weir_loop *loop, const char *sql, const char *wanted)
{
	for (int i = 0; i < 6000 && strcmp(migrated_run(sql), wanted) != 0; i++)
		weir_loop_turn(loop, 5);
	assert_string_equal(migrated_run(sql), wanted);
}
