/* See the header. */
#include "migrated.h"

#include <signal.h>

static void migrated_on_done(void *context, int error, const char *text)
{
	if (error)
		fail_msg("%s", text);
	*(bool *)context = true;
}

struct weir_database *migrated_open(const struct migrated *migrated, const char *url)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database *database;
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = url ? url : migrated->url);
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

void migrated_start(struct migrated *migrated)
{
	struct weir_loop *loop;
	bool done = false;
	/* A commit that was acknowledged survives a server that is killed. */
	database_make(&migrated->server, "synchronous_commit = on\n");
	database_start(&migrated->server);
	snprintf(migrated->url, sizeof migrated->url, "postgres://weir@/postgres?host=%s&port=%d",
	        migrated->server.path, migrated->server.port);
	struct weir_database *database = migrated_open(migrated, NULL);
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_database_migrate(database, loop, NULL, migrated_on_done, &done), 0);
	while (!done)
		weir_loop_turn(loop, 100);
	migrated_close(database, loop);
}

void migrated_stop(struct migrated *migrated)
{
	database_remove(&migrated->server);
}

const char *migrated_run(const struct migrated *migrated, const char *sql)
{
	return database_run(&migrated->server, sql);
}
