/* The shared database: a pool for each loop, ids, and the steps of the schema. */
#include "migrated.h"

#include <libpq-fe.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include <weir/database.h>
#include <weir/database_certificates.h>
#include <weir/database_check.h>

#include "allocation.h"
#include "clock.h"
#include "schema.h"

static struct weir_database *make(void)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database *database;
	struct weir_postgres_options options = OPTIONS(weir_postgres_options, o.url = migrated.url);
	assert_int_equal(weir_database_create(&options, why, &database), 0);
	return database;
}

/* -- migrations -------------------------------------------------------------------------------- */

/* The reports of a migration or a look. */
struct told {
	char text[1024];
	int error;
	bool ended;
};

static void told_progress(void *context, const struct weir_database_part *part)
{
	struct told *told = context;
	size_t size = strlen(told->text);
	if (part->wanted)
		snprintf(told->text + size, sizeof told->text - size, "%s %u/%u ", part->name,
		        part->have, part->wanted);
}

static void told_done(void *context, int error, const char *text)
{
	struct told *told = context;
	assert_int_equal(error == 0, *text == '\0');
	if (error)
		print_message("%s\n", text);
	told->error = error;
	told->ended = true;
}

static void told_await(struct told *told, struct weir_loop *loop)
{
	while (!told->ended)
		weir_loop_turn(loop, 100);
}

typedef int schema_fn(struct weir_database *database, struct weir_loop *loop,
        weir_database_progress_fn *progress, weir_database_done_fn *done, void *context);

static struct told tell_of(schema_fn *run)
{
	struct told told = {0};
	struct weir_loop *loop;
	struct weir_database *database = make();
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(run(database, loop, told_progress, told_done, &told), 0);
	told_await(&told, loop);
	weir_database_leave(database, loop);
	weir_database_release(database);
	weir_loop_destroy(loop);
	return told;
}

static struct told tell(bool changes)
{
	return tell_of(changes ? weir_database_migrate : weir_database_look);
}

static void reset(void)
{
	migrated_run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

static void a_migration_makes_all_tables_once(void **state)
{
	(void)state;
	reset();
	assert_non_null(strstr(tell(false).text, "users 0/"));
	assert_string_equal(
	        migrated_run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
	assert_int_equal(tell(true).error, 0);
	for (unsigned i = 0; i < SCHEMA_PARTS; i++) {
		char sql[128], wanted[16];
		snprintf(sql, sizeof sql,
		        "SELECT coalesce(max(version), 0) FROM weir_schema WHERE part = '%s'",
		        schema_parts[i]->name);
		snprintf(wanted, sizeof wanted, "%u", schema_parts[i]->version);
		assert_string_equal(migrated_run(sql), wanted);
	}
	/* Nothing is left to do: one report for each part. */
	assert_string_equal(tell(true).text, tell(false).text);
}

static void an_interrupted_migration_goes_on(void **state)
{
	(void)state;
	/* Its tables are there, the version is not. */
	migrated_run("UPDATE weir_schema SET version = 0 WHERE part = 'users'");
	assert_int_equal(tell(true).error, 0);
	assert_string_equal(
	        migrated_run("SELECT version > 0 FROM weir_schema WHERE part = 'users'"), "t");
}

static void a_newer_schema_stays(void **state)
{
	(void)state;
	migrated_run("UPDATE weir_schema SET version = 99, oldest = 98 WHERE part = 'users'");
	struct told told = tell(true);
	assert_int_equal(told.error, 0);
	assert_non_null(strstr(told.text, "users 99/"));
	assert_string_equal(
	        migrated_run("SELECT version, oldest FROM weir_schema WHERE part = 'users'"),
	        "99|98");
}

static void a_repair_makes_what_is_missing(void **state)
{
	(void)state;
	reset();
	assert_int_equal(tell(true).error, 0);
	migrated_run("DROP TABLE weir_alias, weir_queue; DROP INDEX weir_body_sweep_due");
	migrated_run("INSERT INTO weir_user (name, hash) VALUES ('alice', 'x')");
	migrated_run("UPDATE weir_schema SET version = 99 WHERE part = 'zones'");
	migrated_run("DROP TABLE weir_zone; UPDATE weir_schema SET version = 0"
	             " WHERE part = 'keys'");
	assert_int_equal(tell(true).error, 0);
	assert_string_equal(migrated_run("SELECT to_regclass('weir_alias') IS NULL"), "t");
	struct told told = tell_of(weir_database_repair);
	assert_int_equal(told.error, 0);
	assert_string_equal(told.text, tell(false).text);
	assert_string_equal(
	        migrated_run("SELECT to_regclass('weir_alias'), to_regclass('weir_queue'),"
	                     " to_regclass('weir_queue_due'), to_regclass('weir_body_sweep_due')"),
	        "weir_alias|weir_queue|weir_queue_due|weir_body_sweep_due");
	/* Rows stay, and so does a part that is newer. */
	assert_string_equal(migrated_run("SELECT name FROM weir_user"), "alice");
	assert_string_equal(migrated_run("SELECT to_regclass('weir_zone') IS NULL"), "t");
}

/* -- a table that is in use -------------------------------------------------------------------- */

static struct pg_conn *begin_writing(void)
{
	struct pg_conn *writer = PQconnectdb(migrated.url);
	PQclear(PQexec(writer, "BEGIN"));
	PQclear(PQexec(writer, "LOCK TABLE weir_body_sweep IN ROW EXCLUSIVE MODE"));
	assert_int_equal(PQtransactionStatus(writer), PQTRANS_INTRANS);
	return writer;
}

/*
 * Makes an index on a table to which another transaction writes until the migration has paused so
 * often. Returns what it reported, and the number of its pauses.
 */
static struct told repair_beside_a_writer(unsigned until, unsigned *ret_pauses)
{
	struct told told = {0};
	struct weir_loop *loop;
	struct weir_database *database = make();
	struct pg_conn *writer;
	unsigned pauses = 0;
	migrated_run("DROP INDEX IF EXISTS weir_body_sweep_due");
	writer = begin_writing();
	assert_int_equal(weir_loop_create(&loop), 0);
	assert_int_equal(weir_database_repair(database, loop, NULL, told_done, &told), 0);
	while (!told.ended) {
		weir_loop_turn(loop, 100);
		if (told.ended || migrated_awaits_server(database, loop))
			continue;
		if (++pauses == until)
			PQclear(PQexec(writer, "COMMIT"));
		clock_advance(WEIR_DATABASE_LOCK_PAUSE_MS + WEIR_TIMER_TICK_MS);
	}
	PQfinish(writer);
	weir_database_leave(database, loop);
	weir_database_release(database);
	weir_loop_destroy(loop);
	*ret_pauses = pauses;
	return told;
}

#define HAS_INDEX "SELECT to_regclass('weir_body_sweep_due') IS NOT NULL"

static void a_step_gives_way_to_transactions(void **state)
{
	unsigned pauses;
	(void)state;
	reset();
	assert_int_equal(tell(true).error, 0);
	assert_int_equal(repair_beside_a_writer(2, &pauses).error, 0);
	assert_int_equal(pauses, 2);
	assert_string_equal(migrated_run(HAS_INDEX), "t");
	/* One that does not end. */
	assert_int_equal(repair_beside_a_writer(UINT_MAX, &pauses).error, WEIR_E_DATABASE);
	assert_int_equal(pauses, WEIR_DATABASE_LOCK_TRIES);
	assert_string_equal(migrated_run(HAS_INDEX), "f");
	assert_int_equal(tell_of(weir_database_repair).error, 0);
}

static void *migrate_in_thread(void *context)
{
	*(struct told *)context = tell(true);
	return NULL;
}

static void migrations_may_run_at_one_time(void **state)
{
	pthread_t threads[4];
	struct told told[4];
	(void)state;
	reset();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, migrate_in_thread, &told[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(told[i].error, 0);
	}
}

/* -- the version before ------------------------------------------------------------------------ */

struct writer {
	pthread_t thread;
	atomic_bool stops;
	unsigned written;
	unsigned failed;
};

/* Writes as a front end of version 1 of the part "keys" does. */
static void *write_in_thread(void *context)
{
	struct writer *writer = context;
	struct weir_loop *loop;
	struct weir_database *database = make();
	assert_int_equal(weir_loop_create(&loop), 0);
	while (!atomic_load(&writer->stops)) {
		struct told told = {0};
		struct weir_database_call *call;
		int error = weir_database_certificate_put(database, loop, "a.example",
		        WEIR_SPAN("chain"), WEIR_SPAN("key"), told_done, &told, &call);
		if (error == 0)
			told_await(&told, loop);
		writer->failed += error || told.error;
		writer->written++;
	}
	weir_database_leave(database, loop);
	weir_database_release(database);
	weir_loop_destroy(loop);
	return NULL;
}

static void front_ends_of_the_version_before_go_on(void **state)
{
	struct writer writer = {.written = 0};
	(void)state;
	reset();
	assert_int_equal(tell(true).error, 0);
	assert_int_equal(pthread_create(&writer.thread, NULL, write_in_thread, &writer), 0);
	for (int i = 0; i < 10; i++) {
		migrated_run("DROP TABLE weir_acme_file, weir_acme_lease;"
		             " UPDATE weir_schema SET version = 1 WHERE part = 'keys'");
		struct told told = tell(true);
		assert_int_equal(told.error, 0);
		assert_non_null(strstr(told.text, "keys 1/2"));
		assert_non_null(strstr(told.text, "keys 2/2"));
	}
	atomic_store(&writer.stops, true);
	pthread_join(writer.thread, NULL);
	assert_int_equal(writer.failed, 0);
	assert_true(writer.written > 0);
	/* A step that another one has gone beyond does not take the version back. */
	migrated_run("UPDATE weir_schema SET version = 3 WHERE part = 'keys'");
	assert_int_equal(tell_of(weir_database_repair).error, 0);
	assert_string_equal(
	        migrated_run("SELECT version FROM weir_schema WHERE part = 'keys'"), "3");
}

static void statements_can_be_read_first(void **state)
{
	unsigned count = 0;
	(void)state;
	for (unsigned i = 0; i < SCHEMA_PARTS; i++)
		for (unsigned step = 0; weir_database_statement(schema_parts[i]->name, step, 0);
		        step++)
			while (weir_database_statement(schema_parts[i]->name, step, count))
				count++;
	assert_true(count > 0);
	assert_null(weir_database_statement("keys", schema_keys.version, 0));
	assert_null(weir_database_statement("none", 0, 0));
	assert_null(weir_database_statement(NULL, 1, 0));
	assert_non_null(strstr(weir_database_statement(NULL, 0, 0), "weir_schema"));
}

/* -- pools and ids ----------------------------------------------------------------------------- */

static void each_loop_has_a_pool(void **state)
{
	struct weir_loop *loops[2];
	struct weir_postgres *pools[2], *again;
	struct weir_database *database = make();
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_loop_create(&loops[i]), 0);
		assert_int_equal(weir_database_pool(database, loops[i], &pools[i]), 0);
	}
	assert_ptr_not_equal(pools[0], pools[1]);
	assert_int_equal(weir_database_pool(database, loops[0], &again), 0);
	assert_ptr_equal(again, pools[0]);
	weir_database_leave(database, loops[0]);
	weir_database_leave(database, loops[0]);
	assert_int_equal(weir_database_pool(database, loops[1], &again), 0);
	assert_ptr_equal(again, pools[1]);
	weir_database_leave(database, loops[1]);
	weir_database_release(weir_database_hold(database));
	weir_database_release(database);
	for (int i = 0; i < 2; i++)
		weir_loop_destroy(loops[i]);
}

static void a_bad_url_is_an_error(void **state)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database *database;
	struct weir_postgres_options options =
	        OPTIONS(weir_postgres_options, o.url = "postgres://?host=");
	(void)state;
	assert_int_not_equal(weir_database_create(&options, why, &database), 0);
	assert_int_not_equal(*why, 0);
	options = OPTIONS(weir_postgres_options, o.url = migrated.url, o.batch_max = 0);
	assert_int_equal(weir_database_create(&options, why, &database), -EINVAL);
}

static void ids_differ_and_grow(void **state)
{
	char ids[100][WEIR_DATABASE_ID_SIZE];
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(weir_database_make_id(ids[i]), 0);
		assert_int_equal(strlen(ids[i]), WEIR_DATABASE_ID_SIZE - 1);
		assert_int_equal(ids[i][14], '7');
		assert_non_null(strchr("89ab", ids[i][19]));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ids[i], ids[j]);
		/* Of the time, whose clock may be set back. */
		assert_true(i == 0 || strncmp(ids[i], ids[i - 1], 13) >= 0);
	}
}

static void memory_may_fail(void **state)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database *database;
	struct weir_loop *loop;
	bool failed = true;
	(void)state;
	assert_int_equal(weir_loop_create(&loop), 0);
	struct weir_postgres_options options = OPTIONS(weir_postgres_options, o.url = migrated.url);
	for (unsigned good = 0; failed; good++) {
		struct told told = {0};
		fail_allocation_after(good, false);
		int error = weir_database_create(&options, why, &database);
		if (error == 0) {
			error = weir_database_look(database, loop, NULL, told_done, &told);
			if (error == 0)
				told_await(&told, loop);
			weir_database_leave(database, loop);
			weir_database_release(database);
		}
		failed = stop_failing_allocations();
		assert_true(failed || (error == 0 && told.error == 0));
	}
	weir_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_migration_makes_all_tables_once),
	        cmocka_unit_test(an_interrupted_migration_goes_on),
	        cmocka_unit_test(a_newer_schema_stays),
	        cmocka_unit_test(a_repair_makes_what_is_missing),
	        cmocka_unit_test(a_step_gives_way_to_transactions),
	        cmocka_unit_test(migrations_may_run_at_one_time),
	        cmocka_unit_test(front_ends_of_the_version_before_go_on),
	        cmocka_unit_test(statements_can_be_read_first),
	        cmocka_unit_test(each_loop_has_a_pool),
	        cmocka_unit_test(a_bad_url_is_an_error),
	        cmocka_unit_test(ids_differ_and_grow),
	        cmocka_unit_test(memory_may_fail),
	};
	return cmocka_run_group_tests(tests, migrated_setup_empty, migrated_teardown);
}
