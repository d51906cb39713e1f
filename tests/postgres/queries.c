/* The pool against a server: rows, values, batches, errors, streams, back-pressure. */
#include "database.h"

#include <signal.h>

#include "clock.h"
#include "drain.h"

static struct weir_loop *loop;
static struct database database;
static struct weir_postgres *pool;
static char url[256];

static void start_pool(struct weir_postgres_options options)
{
	options.url = url;
	pool = pool_make(loop, options);
}

#define POOL(...) start_pool(OPTIONS(weir_postgres_options, __VA_ARGS__))

static void stop_pool(void)
{
	weir_postgres_destroy(pool);
	weir_loop_turn(loop, 0);
}

/* -- rows and values --------------------------------------------------------------------------- */

static void rows_come_as_text(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT 1, NULL, ''::text, $1::text", o.values[0] = "\xc3\xa9");
	assert_int_equal(heard.ends, 0);
	heard_expect(&heard, loop, "(1,~,,\xc3\xa9).");
	/* Prepared by now. */
	for (int i = 0; i < 3; i++) {
		CALL(&heard, pool, "SELECT 1, NULL, ''::text, $1::text", o.values[0] = "b");
		heard_expect(&heard, loop, "(1,~,,b).");
	}
	assert_int_equal(weir_postgres_connections(pool), 1);
	CALL(&heard, pool, "SELECT generate_series(1, 5)");
	heard_expect(&heard, loop, "(1)(2)(3)(4)(5).");
	CALL(&heard, pool, "SELECT WHERE false");
	heard_expect(&heard, loop, ".");
	stop_pool();
}

static void without_prepared_statements(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL(o.statements_max = 0);
	for (int i = 0; i < 3; i++) {
		CALL(&heard, pool, "SELECT $1::int + 1", o.values[0] = "41");
		heard_expect(&heard, loop, "(42).");
	}
	CALL(&heard, pool, "SELECT count(*) FROM pg_prepared_statements");
	heard_expect(&heard, loop, "(0).");
	stop_pool();
	/* A table that is full. */
	POOL(o.statements_max = 1);
	CALL(&heard, pool, "SELECT count(*) FROM pg_prepared_statements");
	heard_expect(&heard, loop, "(1).");
	CALL(&heard, pool, "SELECT $1::int + 1", o.values[0] = "41");
	heard_expect(&heard, loop, "(42).");
	CALL(&heard, pool, "SELECT count(*) FROM pg_prepared_statements");
	heard_expect(&heard, loop, "(1).");
	stop_pool();
}

struct got_binary {
	struct weir_postgres_call *call;
	size_t size;
	bool same;
	bool ended;
};

static void on_binary_row(void *context, const struct weir_postgres_row *row)
{
	struct got_binary *got = context;
	struct weir_span value = weir_postgres_row_value(row, 0);
	assert_string_equal(weir_postgres_row_name(row, 0), "body");
	assert_string_equal(weir_postgres_row_name(row, 1), "");
	assert_null(weir_postgres_row_value(row, 1).data);
	got->size = value.size;
	got->same = true;
	for (size_t i = 0; i < value.size; i++)
		got->same &= value.data[i] == (char)i;
}

static void on_binary_end(void *context, const struct weir_postgres_end *end)
{
	struct got_binary *got = context;
	assert_int_equal(end->error, 0);
	assert_int_equal(end->rows[0], 1);
	got->ended = true;
}

static void binary_values_are_not_escaped(void **state)
{
	static const struct weir_postgres_events events = {
	        .row = on_binary_row, .end = on_binary_end};
	static char bytes[300000];
	struct got_binary got = {0};
	(void)state;
	POOL();
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	struct weir_postgres_value value = weir_postgres_binary(bytes, sizeof bytes);
	struct weir_postgres_statement statement = {"SELECT $1::bytea AS body", &value, 1};
	struct weir_postgres_call_options options =
	        OPTIONS(weir_postgres_call_options, o.statements = &statement, o.binary = true);
	assert_int_equal(weir_postgres_call_start(pool, &options, &events, &got, &got.call), 0);
	assert_true(TURN_UNTIL(loop, got.ended));
	assert_int_equal(got.size, sizeof bytes);
	assert_true(got.same);
	stop_pool();
}

/* A row for which libpq's buffer has grown closes its connection, so that none is held idle. */
static void a_large_row_costs_its_connection(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT repeat('x', 2000000)");
	heard_await_end(&heard, loop);
	assert_int_equal(heard.text.size, 2000003);
	heard_clear(&heard);
	assert_int_equal(weir_postgres_connections(pool), 0);
	stop_pool();
}

static void several_statements_are_one_transaction(void **state)
{
	struct heard heard = {0};
	struct weir_postgres_statement statements[] = {
	        {.text = "INSERT INTO item VALUES (1, 'one')"},
	        {.text = "UPDATE item SET name = 'two' RETURNING id"},
	        {.text = "INSERT INTO item VALUES (1, 'again')"},
	};
	(void)state;
	POOL();
	CALL(&heard, pool, "", o.options.statements = statements, o.options.count = 3);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, WEIR_E_DATABASE);
	assert_string_equal(heard.state, "23505");
	assert_string_equal(heard.constraint, "item_pkey");
	heard_expect(&heard, loop, "(1)u");
	assert_string_equal(database_run(&database, "SELECT count(*) FROM item"), "0");
	CALL(&heard, pool, "", o.options.statements = statements, o.options.count = 2);
	heard_expect(&heard, loop, "(1).");
	assert_string_equal(database_run(&database, "SELECT name FROM item"), "two");
	CALL(&heard, pool, "DELETE FROM item");
	heard_await_end(&heard, loop);
	assert_int_equal(heard.changed[0], 1);
	heard_clear(&heard);
	stop_pool();
}

/* -- what is refused --------------------------------------------------------------------------- */

static void statements_that_change_the_session_are_refused(void **state)
{
	static const char *const texts[] = {"BEGIN", " commit", "\n\tRollback", "(SET a = 1",
	        "COPY item FROM stdin", "LISTEN x", "CALL f()", "do $$BEGIN END$$",
	        "/* SELECT */ COMMIT", "-- x\nCOMMIT", "", ";"};
	struct heard heard = {0};
	(void)state;
	POOL();
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(
		        heard_start(&heard, pool, OPTIONS(calling, o.text = texts[i])), -EINVAL);
	struct weir_postgres_value nul = {WEIR_SPAN("a\0b"), false};
	struct weir_postgres_statement statement = {"SELECT $1::text", &nul, 1};
	assert_int_equal(
	        heard_start(&heard, pool, OPTIONS(calling, o.options.statements = &statement)),
	        -EINVAL);
	assert_int_equal(heard_start(&heard, pool,
	                         OPTIONS(calling, o.text = "SELECT 1", o.options.count = 0)),
	        -EINVAL);
	CALL(&heard, pool, "SELECT 1; COMMIT");
	heard_await_end(&heard, loop);
	assert_string_equal(heard.state, "42601");
	heard_clear(&heard);
	/* Words that only begin so. */
	CALL(&heard, pool, "(SELECT 1)");
	heard_expect(&heard, loop, "(1).");
	stop_pool();
}

static void the_queue_is_bounded(void **state)
{
	struct heard heard[3] = {0}, other = {0};
	static char large[WEIR_POSTGRES_CALL_BYTES + 1];
	(void)state;
	memset(large, 'x', sizeof large - 1);
	POOL(o.waiting_max = 3, o.name = "bounded");
	for (int i = 0; i < 3; i++)
		CALL(&heard[i], pool, "SELECT 1");
	assert_int_equal(weir_postgres_waiting(pool), 3);
	assert_int_equal(pool_metric(loop, "bounded", "weir_postgres_waiting_calls", 0), 3);
	assert_int_equal(
	        heard_start(&other, pool, OPTIONS(calling, o.text = "SELECT 1")), WEIR_E_LIMIT);
	for (int i = 0; i < 3; i++)
		heard_expect(&heard[i], loop, "(1).");
	assert_int_equal(weir_postgres_waiting(pool), 0);
	assert_int_equal(pool_metric(loop, "bounded", "weir_postgres_waiting_calls", 0), 0);
	assert_int_equal(pool_metric(loop, "bounded", "weir_postgres_calls_total", 0), 3);
	assert_int_equal(pool_metric(loop, "bounded", "weir_postgres_calls_total", 4), 1);
	assert_int_equal(pool_metric(loop, "bounded", "weir_postgres_batches_total", 0), 1);
	assert_int_equal(pool_metric(loop, "bounded", "weir_postgres_batched_calls_total", 0), 3);
	stop_pool();
	POOL(o.waiting_bytes = 20);
	CALL(&other, pool, "SELECT 1");
	assert_int_equal(
	        heard_start(&heard[0], pool,
	                OPTIONS(calling, o.text = "SELECT $1::text", o.values[0] = "12345")),
	        WEIR_E_LIMIT);
	assert_int_equal(heard_start(&heard[0], pool,
	                         OPTIONS(calling, o.text = "SELECT $1::text", o.values[0] = large)),
	        WEIR_E_LIMIT);
	heard_expect(&other, loop, "(1).");
	stop_pool();
}

/* -- batches ----------------------------------------------------------------------------------- */

enum {
	MANY = 60
};

static struct heard many[MANY];

/* Calls that wait at one moment share a transaction, and so its id. */
static void calls_share_a_transaction(void **state)
{
	struct weir_buffer first = {0};
	(void)state;
	POOL();
	for (int i = 0; i < MANY; i++)
		CALL(&many[i], pool, "SELECT pg_current_xact_id()");
	for (int i = 0; i < MANY; i++) {
		heard_await_end(&many[i], loop);
		if (i == 0)
			first = many[0].text;
		assert_true(
		        weir_span_equal(weir_buffer_span(&first), weir_buffer_span(&many[i].text)));
	}
	for (int i = 0; i < MANY; i++)
		heard_clear(&many[i]);
	stop_pool();
}

static void end_slow(struct heard *slow)
{
	assert_int_equal(slow->ends, 0);
	while (!slow->ends) {
		database_run(&database, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
		                        " WHERE query = 'SELECT pg_sleep(1000)'");
		weir_loop_turn(loop, 1);
	}
	assert_string_equal(slow->state, "57014");
	heard_clear(slow);
}

/* Beside a batch that takes its time, the next one begins after a while with what has come. */
static void calls_gather_beside_a_batch(void **state)
{
	struct heard slow = {0}, first = {0}, second = {0};
	(void)state;
	POOL();
	CALL(&first, pool, "SELECT 1");
	heard_expect(&first, loop, "(1).");
	clock_hold();
	CALL(&slow, pool, "SELECT pg_sleep(1000)");
	assert_true(TURN_UNTIL(loop, !weir_postgres_waiting(pool)));
	CALL(&first, pool, "SELECT pg_current_xact_id()");
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
	CALL(&second, pool, "SELECT pg_current_xact_id()");
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(weir_postgres_waiting(pool), 2);
	clock_advance(4 * WEIR_POSTGRES_GATHER_MS);
	heard_await_end(&first, loop);
	heard_await_end(&second, loop);
	clock_go_on();
	assert_int_equal(first.error, 0);
	assert_true(weir_span_equal(weir_buffer_span(&first.text), weir_buffer_span(&second.text)));
	end_slow(&slow);
	heard_clear(&first);
	heard_clear(&second);
	stop_pool();
}

/* Calls that run again after a failure have waited before. */
static void a_repetition_does_not_gather(void **state)
{
	struct heard slow = {0}, good = {0}, bad = {0};
	(void)state;
	POOL();
	CALL(&good, pool, "SELECT 1");
	heard_expect(&good, loop, "(1).");
	clock_hold();
	CALL(&slow, pool, "SELECT pg_sleep(1000)");
	assert_true(TURN_UNTIL(loop, !weir_postgres_waiting(pool)));
	CALL(&good, pool, "SELECT 1");
	CALL(&bad, pool, "SELECT 1 / 0");
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(weir_postgres_waiting(pool), 2);
	clock_advance(4 * WEIR_POSTGRES_GATHER_MS);
	heard_await_end(&good, loop);
	heard_await_end(&bad, loop);
	clock_go_on();
	assert_int_equal(bad.repeated, 1);
	assert_string_equal(bad.state, "22012");
	heard_clear(&bad);
	heard_expect(&good, loop, "(1)!(1).");
	end_slow(&slow);
	stop_pool();
}

/* Each call runs in the order of its key, whatever the order of the starts. */
static void a_batch_is_sorted_by_key(void **state)
{
	(void)state;
	database_run(&database, "CREATE SEQUENCE place");
	POOL();
	for (int i = 0; i < 10; i++) {
		char key = (char)('9' - i);
		CALL(&many[i], pool, "SELECT nextval('place') - 1",
		        o.options.key = weir_span(&key, 1));
	}
	for (int i = 0; i < 10; i++) {
		char text[8];
		snprintf(text, sizeof text, "(%d).", 9 - i);
		heard_expect(&many[i], loop, text);
	}
	stop_pool();
	database_run(&database, "DROP SEQUENCE place");
}

/* One that is refused does not take the others with it, and they are done once. */
static void a_bad_call_leaves_its_batch(void **state)
{
	(void)state;
	POOL();
	for (int i = 0; i < 20; i++) {
		char id[8];
		snprintf(id, sizeof id, "%d", i == 13 || i == 17 ? 5 : i);
		CALL(&many[i], pool, "INSERT INTO item VALUES ($1::int, 'x') RETURNING id",
		        o.values[0] = id);
	}
	unsigned refused = 0;
	for (int i = 0; i < 20; i++) {
		heard_await_end(&many[i], loop);
		if (many[i].error) {
			assert_string_equal(many[i].state, "23505");
			assert_int_equal(many[i].outcome, WEIR_POSTGRES_UNDONE);
			refused++;
		}
		heard_clear(&many[i]);
	}
	assert_int_equal(refused, 2);
	assert_string_equal(database_run(&database, "SELECT count(*) FROM item"), "18");
	database_run(&database, "TRUNCATE item");
	stop_pool();
}

/* Two batches without keys lock rows in opposite orders; the loser runs again. */
static void a_deadlock_is_repeated(void **state)
{
	struct heard heard[2] = {0};
	(void)state;
	database_run(&database, "INSERT INTO item VALUES (1, ''), (2, '')");
	struct weir_postgres_statement orders[2][3] = {
	        {{.text = "UPDATE item SET name = name || 'a' WHERE id = 1 RETURNING id"},
	                {.text = "SELECT 0 FROM pg_sleep(0.05)"},
	                {.text = "UPDATE item SET name = name || 'a' WHERE id = 2"}},
	        {{.text = "UPDATE item SET name = name || 'b' WHERE id = 2 RETURNING id"},
	                {.text = "SELECT 0 FROM pg_sleep(0.05)"},
	                {.text = "UPDATE item SET name = name || 'b' WHERE id = 1"}},
	};
	POOL(o.batch_max = 1);
	unsigned repeated = 0;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2; i++)
			CALL(&heard[i], pool, "", o.options.statements = orders[i],
			        o.options.count = 3);
		for (int i = 0; i < 2; i++) {
			heard_await_end(&heard[i], loop);
			assert_int_equal(heard[i].error, 0);
			repeated += heard[i].repeated;
			if (heard[i].repeated)
				assert_non_null(
				        memchr(heard[i].text.data, '!', heard[i].text.size));
			heard_clear(&heard[i]);
		}
	}
	assert_true(repeated > 0);
	assert_string_equal(
	        database_run(&database, "SELECT string_agg(length(name)::text, ' ') FROM item"),
	        "6 6");
	database_run(&database, "TRUNCATE item");
	stop_pool();
}

/* A commit that no standby has is no success, and is seen by nobody. Much later it is given up. */
static void a_commit_without_its_standby_is_unknown(void **state)
{
	struct heard heard = {0};
	(void)state;
	database_configure(&database, "synchronous_standby_names", "absent");
	database_configure(&database, "synchronous_commit", "on");
	POOL();
	CALL(&heard, pool, "INSERT INTO item VALUES (1, '') RETURNING id",
	        o.options.idempotent = true);
	assert_true(TURN_UNTIL(loop, heard.rows == 1));
	assert_true(TURN_UNTIL(loop, database_waits(&database, "SyncRep") == 1));
	clock_advance(WEIR_POSTGRES_ANSWER_MS + 100);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.outcome, WEIR_POSTGRES_UNKNOWN);
	assert_int_equal(heard.error, -ETIMEDOUT);
	heard_clear(&heard);
	assert_string_equal(database_run(&database, "SELECT count(*) FROM item"), "0");
	assert_int_equal(database_waits(&database, "SyncRep"), 1);
	clock_advance(WEIR_POSTGRES_LATE_MS);
	assert_true(TURN_UNTIL(loop, database_waits(&database, "SyncRep") == 0));
	stop_pool();
	database_configure(&database, "synchronous_standby_names", "");
	database_configure(&database, "synchronous_commit", "off");
	database_run(&database, "TRUNCATE item");
}

/* A commit that fails is the fault of no statement that is known: each call runs alone. */
static void a_failing_commit_is_found(void **state)
{
	(void)state;
	database_run(
	        &database, "CREATE TABLE late (id int, UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)");
	POOL();
	for (int i = 0; i < 6; i++) {
		char id[8];
		snprintf(id, sizeof id, "%d", i == 4 ? 3 : i);
		CALL(&many[i], pool, "INSERT INTO late VALUES ($1::int)", o.values[0] = id);
	}
	unsigned refused = 0;
	for (int i = 0; i < 6; i++) {
		heard_await_end(&many[i], loop);
		refused += many[i].error == WEIR_E_DATABASE && strcmp(many[i].state, "23505") == 0;
		assert_int_equal(many[i].repeated > 0, 1);
		heard_clear(&many[i]);
	}
	assert_int_equal(refused, 1);
	assert_string_equal(database_run(&database, "SELECT count(*) FROM late"), "5");
	database_run(&database, "DROP TABLE late");
	stop_pool();
}

/* A table that has changed makes prepared statements useless: another connection has none. */
static void a_changed_table_is_noticed(void **state)
{
	struct heard heard = {0};
	(void)state;
	database_run(&database, "CREATE TABLE shape AS SELECT 1 AS a");
	POOL();
	for (int i = 0; i < 2; i++) {
		CALL(&heard, pool, "SELECT * FROM shape");
		heard_expect(&heard, loop, "(1).");
	}
	database_run(&database, "ALTER TABLE shape ADD b int DEFAULT 2");
	CALL(&heard, pool, "SELECT * FROM shape");
	heard_expect(&heard, loop, "(1,2).");
	/* The second statement of a call, too. */
	struct weir_postgres_statement statements[] = {
	        {.text = "SELECT count(*) FROM item"}, {.text = "SELECT * FROM shape"}};
	for (int i = 0; i < 2; i++) {
		CALL(&heard, pool, "", o.options.statements = statements, o.options.count = 2);
		heard_expect(&heard, loop, i ? "(0)!(0)(2)." : "(0)(1,2).");
		database_run(&database, "ALTER TABLE shape DROP COLUMN IF EXISTS a");
	}
	database_run(&database, "DROP TABLE shape");
	stop_pool();
}

/* -- streams ----------------------------------------------------------------------------------- */

static void a_stream_does_not_hold_batches_up(void **state)
{
	struct heard stream = {0}, heard = {0};
	(void)state;
	POOL(o.streams_max = 1, o.batches_max = 1);
	stream.pause_at = 3;
	CALL(&stream, pool, "SELECT generate_series(1, 100000)", o.options.stream = true);
	assert_true(TURN_UNTIL(loop, stream.rows == 3));
	for (int i = 0; i < 20; i++) {
		CALL(&heard, pool, "SELECT 1");
		heard_expect(&heard, loop, "(1).");
	}
	assert_int_equal(stream.rows, 3);
	weir_postgres_call_resume(stream.call);
	heard_await_end(&stream, loop);
	assert_int_equal(stream.rows, 100000);
	assert_int_equal(stream.error, 0);
	heard_clear(&stream);
	stop_pool();
}

/* The memory of a paused stream does not depend on how much the query has. */
static void a_paused_stream_has_a_bound(void **state)
{
	struct heard stream = {0};
	(void)state;
	POOL();
	stream.pause_at = 10;
	size_t before = memory_in_use();
	CALL(&stream, pool, "SELECT repeat('x', 1000) FROM generate_series(1, 200000)",
	        o.options.stream = true);
	assert_true(TURN_UNTIL(loop, stream.rows == 10));
	for (int i = 0; i < 100; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(stream.rows, 10);
	assert_true(memory_in_use() - before < 512 * 1024);
	/* The server waits, too. */
	assert_string_equal(database_run(&database,
	                            "SELECT wait_event FROM pg_stat_activity WHERE query LIKE "
	                            "'%generate_series(1, 200000)%' AND pid <> pg_backend_pid()"),
	        "ClientWrite");
	weir_postgres_call_cancel(stream.call);
	heard_clear(&stream);
	stop_pool();
}

static bool server_is_idle(void)
{
	return strcmp(database_run(&database,
	                      "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND "
	                      "backend_type = 'client backend' AND pid <> pg_backend_pid()"),
	               "0") == 0;
}

/* A statement ends at the server, also before its first row; nothing more is reported. */
static void a_cancelled_stream_ends_at_the_server(void **state)
{
	static const char *const texts[] = {"SELECT pg_sleep(100)",
	        "SELECT repeat('x', 1000) FROM generate_series(1, 10000000)"};
	struct heard heard = {0};
	(void)state;
	for (int i = 0; i < 4; i++) {
		POOL();
		heard.cancel_at = i == 3 ? 1 : 0;
		CALL(&heard, pool, texts[i % 2], o.options.stream = true);
		assert_true(TURN_UNTIL(
		        loop, weir_postgres_waiting(pool) == 0 && (i % 2 == 0 || heard.rows)));
		/* A request to cancel what the server has not begun has no effect. */
		assert_true(TURN_UNTIL(loop, i % 2 || !server_is_idle()));
		unsigned rows = heard.rows;
		if (i == 2)
			stop_pool(); /* that cancels, too */
		else if (heard.call)
			weir_postgres_call_cancel(heard.call);
		/* A turn takes rows of the rest, and so does not wait. */
		for (int k = 0; k < 1000 && i != 2 && weir_postgres_connections(pool) > 0; k++)
			TURN_UNTIL(loop, weir_postgres_connections(pool) == 0);
		assert_true(i == 2 || weir_postgres_connections(pool) == 0);
		assert_true(TURN_UNTIL(loop, server_is_idle()));
		assert_int_equal(heard.ends, 0);
		if (i == 3)
			assert_int_equal(rows, 1);
		heard_clear(&heard);
		if (i != 2)
			stop_pool();
	}
}

/* One that is nearly done costs no connection. */
static void a_short_rest_is_read(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL();
	heard.cancel_at = 1;
	CALL(&heard, pool, "SELECT generate_series(1, 500)", o.options.stream = true);
	assert_true(TURN_UNTIL(loop, heard.rows == 1));
	heard_clear(&heard);
	CALL(&heard, pool, "SELECT 1", o.options.stream = true);
	heard_expect(&heard, loop, "(1).");
	for (int i = 0; i < 3 * WEIR_POSTGRES_DRAIN_MS; i++)
		weir_loop_turn(loop, 1);
	assert_true(weir_postgres_connections(pool) >= 1);
	stop_pool();
}

static void calls_are_cancelled_at_each_moment(void **state)
{
	struct heard heard[2] = {0};
	(void)state;
	POOL();
	for (int turns = 0; turns < 12; turns++) {
		CALL(&heard[0], pool, "SELECT 1");
		CALL(&heard[1], pool, "SELECT 2");
		for (int i = 0; i < turns && heard[0].call; i++)
			weir_loop_turn(loop, 1);
		if (heard[0].call)
			weir_postgres_call_cancel(heard[0].call);
		heard_expect(&heard[1], loop, "(2).");
		assert_true(heard[0].ends == 0 || heard[0].text.size == 4);
		heard_clear(&heard[0]);
	}
	/* One call's end cancels another of the same batch, whose result is there. */
	heard[0].cancels = &heard[1];
	CALL(&heard[0], pool, "SELECT 1");
	CALL(&heard[1], pool, "SELECT 2");
	heard_await_end(&heard[0], loop);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(heard[1].ends, 0);
	heard_clear(&heard[0]);
	heard_clear(&heard[1]);
	stop_pool();
}

/* -- time limits ------------------------------------------------------------------------------- */

/* The statement is cancelled, so that its outcome is known. */
static void a_slow_statement_is_cancelled(void **state)
{
	struct heard heard = {0}, other = {0};
	(void)state;
	POOL(o.answer_ms = 200);
	CALL(&heard, pool, "INSERT INTO item SELECT 7, pg_sleep(100)::text");
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, -ETIMEDOUT);
	assert_string_equal(heard.state, "57014");
	heard_expect(&heard, loop, "u");
	/* Its neighbour in the batch is repeated. */
	CALL(&heard, pool, "SELECT pg_sleep(100)", o.options.key = WEIR_SPAN("b"));
	CALL(&other, pool, "SELECT 1", o.options.key = WEIR_SPAN("a"));
	heard_expect(&heard, loop, "u");
	heard_expect(&other, loop, "(1)!(1).");
	assert_string_equal(database_run(&database, "SELECT count(*) FROM item"), "0");
	stop_pool();
}

static void a_call_waits_for_a_limited_time(void **state)
{
	struct heard heard = {0}, other = {0};
	(void)state;
	POOL(o.streams_max = 1, o.wait_ms = 200);
	CALL(&heard, pool, "SELECT pg_sleep(1)", o.options.stream = true);
	CALL(&other, pool, "SELECT 1", o.options.stream = true);
	heard_await_end(&other, loop);
	assert_int_equal(other.error, -ETIMEDOUT);
	heard_expect(&other, loop, "u");
	heard_expect(&heard, loop, "().");
	stop_pool();
}

static void an_idle_connection_is_closed(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL(o.idle_ms = 100);
	CALL(&heard, pool, "SELECT 1");
	heard_expect(&heard, loop, "(1).");
	assert_int_equal(weir_postgres_connections(pool), 1);
	assert_true(TURN_UNTIL(loop, weir_postgres_connections(pool) == 0));
	stop_pool();
}

/* -- a query as a producer --------------------------------------------------------------------- */

struct made {
	unsigned begun;
	int begun_error;
	bool with_row;
	unsigned fail_at;
	unsigned rows;
	unsigned closes;
};

static int on_format(void *context, const struct weir_postgres_row *row, struct weir_buffer *to)
{
	struct made *made = context;
	if (!row)
		return weir_buffer_append(to, "end", 3, (16 << 20));
	struct weir_span value = weir_postgres_row_value(row, 0);
	if (++made->rows == made->fail_at)
		return -ENOMEM;
	return weir_buffer_append(to, value.data, value.size, (16 << 20));
}

static void on_begun(void *context, const struct weir_postgres_end *end)
{
	struct made *made = context;
	made->begun++;
	made->with_row = !end;
	made->begun_error = end ? end->error : 0;
}

static void on_close(void *context, enum weir_close_reason why)
{
	struct made *made = context;
	(void)why;
	made->closes++;
}

static const struct weir_postgres_produce_events made_events = {
        .format = on_format, .begun = on_begun, .close = on_close};

static struct weir_producer *produce(struct made *made, const char *text)
{
	struct weir_producer *producer;
	struct weir_postgres_statement statement = {.text = text};
	struct weir_postgres_call_options options =
	        OPTIONS(weir_postgres_call_options, o.statements = &statement);
	assert_int_equal(weir_produce_query(pool, &options, &made_events, made, &producer), 0);
	return producer;
}

/* Any room, any size of rows; the harness checks the contract of producers. */
static void a_query_is_a_producer(void **state)
{
	static const unsigned sizes[] = {1, 1000, 100000};
	(void)state;
	POOL();
	for (unsigned i = 0; i < 9; i++) {
		struct made made = {0};
		struct drain drain_it = {
		        .loop = loop, .room = i / 3 ? 4096u * i : 0, .dice = {.state = i}};
		char text[128];
		snprintf(text, sizeof text, "SELECT repeat('y', %u) FROM generate_series(1, 60)",
		        sizes[i % 3]);
		const char *wrong = drain(&drain_it, produce(&made, text));
		if (wrong)
			fail_msg("%s", wrong);
		assert_int_equal(drain_it.bytes.size, 60 * sizes[i % 3] + 3);
		assert_memory_equal(drain_it.bytes.data + drain_it.bytes.size - 3, "end", 3);
		assert_int_equal(drain_it.end, WEIR_DONE);
		assert_int_equal(made.begun, 1);
		assert_true(made.with_row);
		assert_int_equal(made.closes, 1);
		drain_free(&drain_it);
	}
	stop_pool();
}

static void a_producer_without_rows_or_that_fails(void **state)
{
	static const struct {
		const char *text;
		unsigned fail_at;
		int begun_error;
		bool with_row;
		enum weir_more end;
		const char *bytes;
	} cases[] = {
	        {"SELECT WHERE false", 0, 0, false, WEIR_DONE, "end"},
	        {"SELECT nothing", 0, WEIR_E_DATABASE, false, WEIR_FAILED, ""},
	        {"SELECT 1", 1, -ENOMEM, false, WEIR_FAILED, ""},
	        {"SELECT generate_series(1, 1000)", 3, 0, true, WEIR_FAILED, "12"},
	        {"SELECT 6 / (3 - i) FROM generate_series(1, 5) AS i", 0, 0, true, WEIR_FAILED,
	                "36"},
	};
	(void)state;
	POOL();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct made made = {.fail_at = cases[i].fail_at};
		struct drain drain_it = {.loop = loop, .room = 4096};
		const char *wrong = drain(&drain_it, produce(&made, cases[i].text));
		if (wrong)
			fail_msg("%zu: %s", i, wrong);
		assert_int_equal(drain_it.end, cases[i].end);
		assert_int_equal(drain_it.bytes.size, strlen(cases[i].bytes));
		assert_int_equal(made.begun, 1);
		assert_int_equal(made.with_row, cases[i].with_row);
		assert_int_equal(made.begun_error, cases[i].begun_error);
		assert_int_equal(made.closes, 1);
		drain_free(&drain_it);
	}
	stop_pool();
}

/* A peer that takes nothing: two buffers and what libpq has read. */
static void a_producer_has_a_bound(void **state)
{
	struct made made = {0};
	(void)state;
	POOL();
	size_t before = memory_in_use();
	struct weir_producer *producer =
	        produce(&made, "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)");
	assert_true(TURN_UNTIL(loop, made.begun));
	for (int i = 0; i < 200; i++)
		weir_loop_turn(loop, 1);
	assert_int_equal(made.rows, WEIR_POSTGRES_PRODUCE_SIZE / 1000 + 1);
	assert_true(memory_in_use() - before < 512 * 1024);
	weir_producer_close(producer, WEIR_CLOSE_ABORTED);
	assert_int_equal(made.closes, 1);
	assert_true(TURN_UNTIL(loop, server_is_idle()));
	stop_pool();
}

/* -- all --------------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	(void)state;
	database_make(&database, "");
	database_start(&database);
	database_run(&database, "CREATE TABLE item (id int PRIMARY KEY, name text)");
	snprintf(url, sizeof url, "postgres://weir@/postgres?host=%s&port=%d", database.path,
	        database.port);
	return weir_loop_create(&loop);
}

static int stop_all(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	database_remove(&database);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rows_come_as_text),
	        cmocka_unit_test(without_prepared_statements),
	        cmocka_unit_test(binary_values_are_not_escaped),
	        cmocka_unit_test(a_large_row_costs_its_connection),
	        cmocka_unit_test(several_statements_are_one_transaction),
	        cmocka_unit_test(statements_that_change_the_session_are_refused),
	        cmocka_unit_test(the_queue_is_bounded),
	        cmocka_unit_test(calls_share_a_transaction),
	        cmocka_unit_test(calls_gather_beside_a_batch),
	        cmocka_unit_test(a_repetition_does_not_gather),
	        cmocka_unit_test(a_batch_is_sorted_by_key),
	        cmocka_unit_test(a_bad_call_leaves_its_batch),
	        cmocka_unit_test(a_deadlock_is_repeated),
	        cmocka_unit_test(a_commit_without_its_standby_is_unknown),
	        cmocka_unit_test(a_failing_commit_is_found),
	        cmocka_unit_test(a_changed_table_is_noticed),
	        cmocka_unit_test(a_stream_does_not_hold_batches_up),
	        cmocka_unit_test(a_paused_stream_has_a_bound),
	        cmocka_unit_test(a_cancelled_stream_ends_at_the_server),
	        cmocka_unit_test(a_short_rest_is_read),
	        cmocka_unit_test(calls_are_cancelled_at_each_moment),
	        cmocka_unit_test(a_slow_statement_is_cancelled),
	        cmocka_unit_test(a_call_waits_for_a_limited_time),
	        cmocka_unit_test(an_idle_connection_is_closed),
	        cmocka_unit_test(a_query_is_a_producer),
	        cmocka_unit_test(a_producer_without_rows_or_that_fails),
	        cmocka_unit_test(a_producer_has_a_bound),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
