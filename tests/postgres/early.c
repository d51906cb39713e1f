/*
 * Early lock release, against a server that the test plays, and against a real one without its
 * standby; and callers that call again.
 */
#include "played.h"

#include <unistd.h>

#include "allocation.h"
#include "clock.h"
#include "postgres_state.h"

/* The replies to the parts of a batch of two calls. */
#define OWN ROW
#define EARLY_BATCH OWN ROW ROW READY
#define EARLY_FLUSHED OWN READY
#define EARLY_ANSWER EARLY_BATCH EARLY_FLUSHED

/* Two calls, which share a batch; the first one may run twice. */
static struct heard pair[2];

static void start_pair(void)
{
	memset(pair, 0, sizeof pair);
	for (int i = 0; i < 2; i++)
		CALL(&pair[i], pool, "SELECT a", o.options.idempotent = i == 0,
		        o.options.early_lock_release = true);
}

static void expect_pair(const char *first, const char *second)
{
	heard_expect(&pair[0], loop, first);
	heard_expect(&pair[1], loop, second);
}

static unsigned count_texts(const struct weir_buffer *buffer, const char *text, size_t size)
{
	unsigned count = 0;
	for (size_t i = 0; i + size <= buffer->size; i++)
		count += memcmp(buffer->data + i, text, size) == 0;
	return count;
}

#define COUNT(buffer, literal) count_texts(buffer, literal, sizeof(literal) - 1)
#define SYNC "S\0\0\0\4"

/* Reads a batch. Returns its number of calls, 0 if an end has come; and whether it is early. */
static unsigned read_batch(struct peer *peer, bool *ret_early)
{
	unsigned syncs = 0;
	*ret_early = false;
	while (syncs < (*ret_early ? 2 : 1)) {
		if (!peer_read_more(peer))
			return 0;
		*ret_early = COUNT(&peer->got, "set_config") > 0;
		syncs = COUNT(&peer->got, SYNC);
	}
	assert_int_equal(COUNT(&peer->got, "pg_logical_emit_message"), *ret_early);
	unsigned calls = COUNT(&peer->got, "SELECT a");
	peer->got.size = 0;
	return calls;
}

/* Returns whether the batch that comes has early lock release. */
static bool await_batch(struct peer *peer)
{
	bool early;
	assert_true(read_batch(peer, &early) > 0);
	return early;
}

#define SEND(peer, literal) peer_send_bytes(peer, literal, sizeof(literal) - 1)

/* -- a server that is played ------------------------------------------------------------------- */

/* The calls end with the flush, not with the commit. */
static void calls_end_with_the_flush(void **state)
{
	struct weir_span bytes = BYTES(EARLY_ANSWER);
	(void)state;
	POOL(o.batches_max = 1);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	for (size_t i = 0; i < bytes.size; i++) {
		assert_int_equal(pair[0].ends + pair[1].ends, 0);
		peer_send_bytes(&peer, bytes.data + i, 1);
		peer_turn(&peer, 3);
	}
	expect_pair("(ok).", "(ok).");
	stop_pool();
	peer_close(&peer);
}

static void only_when_all_calls_want_it(void **state)
{
	struct heard heard = {0};
	struct peer peer;
	(void)state;
	POOL(o.batches_max = 1);
	CALL(&pair[0], pool, "SELECT a", o.options.early_lock_release = true);
	CALL(&pair[1], pool, "SELECT a");
	peer = accept_started();
	assert_false(await_batch(&peer));
	SEND(&peer, ROW ROW READY);
	expect_pair("(ok).", "(ok).");
	/* One alone is not worth it, but a stream is. */
	CALL(&heard, pool, "SELECT a", o.options.early_lock_release = true);
	assert_false(await_batch(&peer));
	SEND(&peer, ANSWER);
	heard_expect(&heard, loop, "(ok).");
	CALL(&heard, pool, "SELECT a", o.options.early_lock_release = true,
	        o.options.stream = true);
	assert_true(await_batch(&peer));
	SEND(&peer, OWN ANSWER EARLY_FLUSHED);
	heard_expect(&heard, loop, "(ok).");
	stop_pool();
	peer_close(&peer);
}

/* Until the flush is confirmed nobody knows; a call that may run twice does. */
static void a_close_at_each_byte(void **state)
{
	struct weir_span bytes = BYTES(EARLY_ANSWER);
	(void)state;
	for (size_t at = 0; at < bytes.size; at++) {
		bool had_row = at >= sizeof OWN PARSED COLUMN VALUE - 1;
		bool had_both = at >= sizeof OWN ROW PARSED COLUMN VALUE - 1;
		POOL(o.batches_max = 1);
		start_pair();
		struct peer peer = accept_started();
		assert_true(await_batch(&peer));
		peer_send_bytes(&peer, bytes.data, at);
		if (at % 2)
			peer_close(&peer);
		else
			peer_reset(&peer);
		peer = accept_started();
		assert_false(await_batch(&peer));
		SEND(&peer, ANSWER);
		expect_pair(had_row ? "(ok)!(ok)." : "(ok).", had_both ? "(ok)?" : "?");
		stop_pool();
		peer_close(&peer);
	}
}

/* Each call ends, whatever byte is wrong. */
static void malformed_replies(void **state)
{
	static const char masks[] = {'\x80', '\x7f', '\1'};
	struct weir_span bytes = BYTES(EARLY_ANSWER);
	(void)state;
	for (size_t i = 0; i < bytes.size; i++) {
		char changed[sizeof EARLY_ANSWER];
		memcpy(changed, bytes.data, bytes.size);
		changed[i] ^= masks[i % sizeof masks];
		POOL(o.batches_max = 1, o.wait_ms = 1000);
		start_pair();
		struct peer peer = accept_started();
		assert_true(await_batch(&peer));
		peer_send_bytes(&peer, changed, bytes.size);
		peer_turn(&peer, 5);
		peer_close(&peer);
		quick_await_end(&pair[1]);
		quick_await_end(&pair[0]);
		heard_clear(&pair[0]);
		heard_clear(&pair[1]);
		stop_pool();
		int fd = played_try_accept();
		if (fd >= 0)
			peer_close(&(struct peer){.fd = fd, .loop = loop});
	}
}

/* It goes without then, for good. The calls hear nothing of the setting. */
static void a_server_without_the_setting(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL(o.batches_max = 1);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, ERROR("ERROR", "42704") READY EARLY_FLUSHED);
	for (int i = 0; i < 2; i++) {
		assert_false(await_batch(&peer));
		SEND(&peer, ANSWER);
	}
	expect_pair("(ok).", "(ok).");
	start_pair();
	assert_false(await_batch(&peer));
	SEND(&peer, ROW ROW READY);
	expect_pair("(ok).", "(ok).");
	stop_pool();
	peer_close(&peer);
	/* A stream has no batch to leave. */
	POOL(o.batches_max = 1);
	CALL(&heard, pool, "SELECT a", o.options.early_lock_release = true,
	        o.options.stream = true);
	peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, ERROR("ERROR", "42704") READY EARLY_FLUSHED);
	assert_false(await_batch(&peer));
	SEND(&peer, ANSWER);
	heard_expect(&heard, loop, "(ok).");
	stop_pool();
	peer_close(&peer);
}

/* It cannot write the record. When it is promoted, it reports that. */
static void a_standby(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, EARLY_BATCH OWN "S\0\0\0\26in_hot_standby\0on\0" READY);
	expect_pair("(ok).", "(ok).");
	start_pair();
	assert_false(await_batch(&peer));
	SEND(&peer, ROW ROW "S\0\0\0\27in_hot_standby\0off\0" READY);
	expect_pair("(ok).", "(ok).");
	start_pair();
	assert_true(await_batch(&peer));
	SEND(&peer, EARLY_ANSWER);
	expect_pair("(ok).", "(ok).");
	stop_pool();
	peer_close(&peer);
}

/* They are committed, and may be lost. Another try is without. */
static void a_flush_that_fails(void **state)
{
	static const struct weir_span errors[] = {BYTES(ERROR("ERROR", "42883")),
	        BYTES(ERROR("ERROR", "57014")), BYTES(ERROR("ERROR", "53100"))};
	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		POOL(o.batches_max = 1);
		start_pair();
		struct peer peer = accept_started();
		assert_true(await_batch(&peer));
		SEND(&peer, EARLY_BATCH);
		peer_send_bytes(&peer, errors[i].data, errors[i].size);
		SEND(&peer, READY);
		assert_false(await_batch(&peer));
		SEND(&peer, ANSWER);
		expect_pair("(ok)!(ok).", "(ok)?");
		start_pair();
		assert_int_equal(await_batch(&peer), i > 0);
		if (i > 0)
			SEND(&peer, EARLY_ANSWER);
		else
			SEND(&peer, ROW ROW READY);
		expect_pair("(ok).", "(ok).");
		stop_pool();
		peer_close(&peer);
	}
}

/* It is undone; the flush behind it has nothing to say. */
static void a_call_that_fails(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, OWN ROW PARSED ERROR("ERROR", "22012") READY);
	peer_turn(&peer, 5);
	assert_int_equal(pair[1].ends, 0);
	SEND(&peer, EARLY_FLUSHED);
	assert_false(await_batch(&peer));
	SEND(&peer, ANSWER);
	assert_false(await_batch(&peer));
	SEND(&peer, PARSED ERROR("ERROR", "22012") READY);
	heard_await_end(&pair[1], loop);
	assert_string_equal(pair[1].state, "22012");
	expect_pair("(ok)!(ok).", "u");
	stop_pool();
	peer_close(&peer);
}

/* An error at the commit comes before its sync. */
static void a_commit_that_fails(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, OWN ROW ROW ERROR("ERROR", "23505") READY EARLY_FLUSHED);
	for (int i = 0; i < 2; i++) {
		assert_false(await_batch(&peer));
		SEND(&peer, PARSED ERROR("ERROR", "23505") READY);
	}
	expect_pair("(ok)!u", "(ok)!u");
	stop_pool();
	peer_close(&peer);
}

/*
 * Of a batch that was rolled back the flush takes long, until the time of its calls is over. The
 * error of one is not that of the other one.
 */
static void an_error_behind_which_the_flush_is_slow(void **state)
{
	(void)state;
	POOL(o.batches_max = 1, o.wait_ms = 1000);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, OWN ROW PARSED ERROR("ERROR", "23505") READY);
	peer_turn(&peer, 5);
	clock_advance(1100);
	SEND(&peer, EARLY_FLUSHED);
	heard_await_end(&pair[0], loop);
	heard_await_end(&pair[1], loop);
	assert_string_equal(pair[0].state, "");
	assert_int_equal(pair[0].error, -ETIMEDOUT);
	assert_string_equal(pair[1].state, "23505");
	expect_pair("(ok)u", "u");
	stop_pool();
	peer_close(&peer);
}

/* Nothing was begun: the calls run again on another connection, all of them. */
static void a_server_that_shuts_down(void **state)
{
	static const struct weir_span ends[] = {
	        /* Before the first statement; behind a commit that has failed. */
	        BYTES(ERROR("FATAL", "57P01")),
	        BYTES(OWN ROW ROW ERROR("ERROR", "23505") READY ERROR("FATAL", "57P01"))};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		POOL(o.batches_max = 1);
		start_pair();
		struct peer peer = accept_started();
		assert_true(await_batch(&peer));
		peer_send_bytes(&peer, ends[i].data, ends[i].size);
		peer_close(&peer);
		peer = accept_started();
		if (i == 0) {
			assert_true(await_batch(&peer));
			SEND(&peer, EARLY_ANSWER);
			expect_pair("(ok).", "(ok).");
		} else {
			for (int k = 0; k < 2; k++) {
				assert_false(await_batch(&peer));
				SEND(&peer, ANSWER);
			}
			expect_pair("(ok)!(ok).", "(ok)!(ok).");
		}
		stop_pool();
		peer_close(&peer);
	}
}

/* The first attempt may have been committed, so that the end of the wait is no answer. */
static void a_repetition_that_has_no_turn(void **state)
{
	(void)state;
	POOL(o.batches_max = 1, o.wait_ms = 1000);
	start_pair();
	struct peer peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, EARLY_BATCH);
	peer_close(&peer);
	quick_await_end(&pair[0]);
	quick_await_end(&pair[1]);
	expect_pair("(ok)!?", "(ok)?");
	stop_pool();
	int fd = played_try_accept();
	if (fd >= 0)
		close(fd);
}

/* The server is left to it, and nothing is cancelled. */
static void a_flush_that_is_not_confirmed(void **state)
{
	struct peer peer;
	(void)state;
	POOL(o.batches_max = 1, o.answer_ms = 1000);
	start_pair();
	peer = accept_started();
	assert_true(await_batch(&peer));
	SEND(&peer, EARLY_BATCH);
	assert_true(TURN_UNTIL(loop, pair[1].rows == 1));
	peer_turn(&peer, 5);
	clock_advance(1100);
	heard_await_end(&pair[0], loop);
	heard_await_end(&pair[1], loop);
	assert_int_equal(pair[0].error, -ETIMEDOUT);
	expect_pair("(ok)?", "(ok)?");
	peer_turn(&peer, 20);
	assert_int_equal(played_try_accept(), -1);
	SEND(&peer, EARLY_FLUSHED);
	assert_true(peer_read_end(&peer));
	stop_pool();
	peer_close(&peer);
}

/* Of two syncs the first one may have left, though bytes are left over: it may be committed. */
static void a_server_that_reads_little(void **state)
{
	static char large[1 << 20];
	struct heard heard = {0};
	struct peer peer;
	(void)state;
	memset(large, 'x', sizeof large - 1);
	POOL(o.batches_max = 1);
	peer = played_make_narrow_connection();
	CALL(&heard, pool, "SELECT $1::text", o.values[0] = large,
	        o.options.early_lock_release = true, o.options.stream = true);
	peer_turn(&peer, 50);
	assert_int_equal(weir_postgres_waiting(pool), 0);
	peer_reset(&peer);
	heard_expect(&heard, loop, "?");
	stop_pool();
}

/* Answers batches, by another connection if need be, until both calls have ended. */
static void serve_pair(struct peer *peer)
{
	for (int i = 0; i < 20 && pair[0].ends + pair[1].ends < 2; i++) {
		bool early;
		unsigned calls = read_batch(peer, &early);
		if (calls == 0) {
			peer_close(peer);
			*peer = accept_started();
			continue;
		}
		if (early)
			SEND(peer, OWN);
		for (unsigned k = 0; k < calls; k++)
			SEND(peer, ROW);
		SEND(peer, READY);
		if (early)
			SEND(peer, EARLY_FLUSHED);
		peer_turn(peer, 5);
	}
}

/* Returns whether an allocation failed. */
static bool run_without_memory(unsigned good)
{
	struct heard heard = {0};
	POOL(o.batches_max = 1);
	CALL(&heard, pool, "SELECT a");
	struct peer peer = accept_started();
	answer(&peer, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	start_pair();
	fail_allocation_after(good, false);
	weir_loop_turn(loop, 0);
	bool failed = stop_failing_allocations();
	serve_pair(&peer);
	assert_int_equal(pair[0].error, 0);
	assert_true(pair[1].error == 0 || pair[1].outcome == WEIR_POSTGRES_UNKNOWN);
	heard_clear(&pair[0]);
	heard_clear(&pair[1]);
	stop_pool();
	peer_close(&peer);
	return failed;
}

static void each_allocation_fails(void **state)
{
	(void)state;
	for (unsigned good = 0; run_without_memory(good); good++)
		assert_true(good < 100);
}

/* -- callers that call again ------------------------------------------------------------------- */

enum {
	CALLERS = 5
};

static struct heard callers[CALLERS];

static void start_callers(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		CALL(&callers[i], pool, "SELECT a");
	weir_loop_turn(loop, 0);
	weir_loop_turn(loop, 0);
}

/* The server answers a batch of so many calls after a time. */
static void serve_callers(struct peer *peer, unsigned count, int64_t took_ms)
{
	bool early;
	assert_int_equal(read_batch(peer, &early), count);
	clock_advance(took_ms);
	for (unsigned i = 0; i < count; i++)
		SEND(peer, ROW);
	SEND(peer, READY);
	for (unsigned i = 0; i < count; i++)
		heard_expect(&callers[i], loop, "(ok).");
}

static void pass_ms(int64_t ms)
{
	clock_advance(ms);
	weir_loop_turn(loop, 0);
	weir_loop_turn(loop, 0);
}

/* Those that have come wait for the others, and each that comes gives these more time. */
static void callers_that_return_share_a_batch(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	clock_hold();
	start_callers(CALLERS);
	struct peer peer = accept_started();
	serve_callers(&peer, CALLERS, 2 * WEIR_POSTGRES_RETURN_MS);
	start_callers(CALLERS - 2);
	pass_ms(WEIR_POSTGRES_RETURN_MS - 1);
	CALL(&callers[CALLERS - 2], pool, "SELECT a");
	weir_loop_turn(loop, 0);
	pass_ms(WEIR_POSTGRES_RETURN_MS - 1);
	assert_int_equal(weir_postgres_waiting(pool), CALLERS - 1);
	CALL(&callers[CALLERS - 1], pool, "SELECT a");
	serve_callers(&peer, CALLERS, 0);
	/* No longer than the batch has taken. */
	start_callers(CALLERS - 2);
	pass_ms(WEIR_POSTGRES_RETURN_MS - 1);
	CALL(&callers[CALLERS - 2], pool, "SELECT a");
	weir_loop_turn(loop, 0);
	assert_int_equal(weir_postgres_waiting(pool), CALLERS - 1);
	pass_ms(1);
	serve_callers(&peer, CALLERS - 1, 0);
	clock_go_on();
	stop_pool();
	peer_close(&peer);
}

static void nobody_is_waited_for_after_a_wait_in_vain(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	clock_hold();
	start_callers(2);
	struct peer peer = accept_started();
	serve_callers(&peer, 2, 0);
	start_callers(1);
	assert_int_equal(weir_postgres_waiting(pool), 1);
	pass_ms(WEIR_POSTGRES_RETURN_MS);
	serve_callers(&peer, 1, 0);
	for (int i = 1; i < WEIR_POSTGRES_RETURN_EVERY; i++) {
		start_callers(1);
		assert_int_equal(weir_postgres_waiting(pool), 0);
		serve_callers(&peer, 1, 0);
	}
	start_callers(2);
	serve_callers(&peer, 2, 0);
	start_callers(1);
	assert_int_equal(weir_postgres_waiting(pool), 1);
	pass_ms(WEIR_POSTGRES_RETURN_MS);
	serve_callers(&peer, 1, 0);
	clock_go_on();
	stop_pool();
	peer_close(&peer);
}

/* A call that comes much later has nobody to wait for. */
static void a_late_caller_is_not_held(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	clock_hold();
	start_callers(CALLERS);
	struct peer peer = accept_started();
	serve_callers(&peer, CALLERS, 0);
	clock_advance(WEIR_POSTGRES_RETURN_MS);
	weir_loop_turn(loop, 0);
	start_callers(1);
	assert_int_equal(weir_postgres_waiting(pool), 0);
	serve_callers(&peer, 1, 0);
	clock_go_on();
	stop_pool();
	peer_close(&peer);
}

/* More calls would be refused, so those that wait do not wait for them. */
static void a_full_queue_waits_for_nobody(void **state)
{
	(void)state;
	POOL(o.batches_max = 1, o.waiting_max = 3);
	clock_hold();
	start_callers(3);
	struct peer peer = accept_started();
	assert_true(TURN_UNTIL(loop, weir_postgres_waiting(pool) == 0));
	for (int i = 3; i < CALLERS; i++)
		CALL(&callers[i], pool, "SELECT a");
	serve_callers(&peer, 3, 0);
	assert_int_equal(weir_postgres_waiting(pool), 2);
	start_callers(1);
	assert_int_equal(weir_postgres_waiting(pool), 0);
	bool early;
	assert_int_equal(read_batch(&peer, &early), 3);
	SEND(&peer, ROW ROW ROW READY);
	heard_expect(&callers[0], loop, "(ok).");
	heard_expect(&callers[3], loop, "(ok).");
	heard_expect(&callers[4], loop, "(ok).");
	clock_go_on();
	stop_pool();
	peer_close(&peer);
}

/* Half of it is the most that a call waits for others. */
static void a_short_wait_has_a_turn(void **state)
{
	(void)state;
	POOL(o.batches_max = 1);
	clock_hold();
	start_callers(CALLERS);
	struct peer peer = accept_started();
	pool->options.wait_ms = 4 * (WEIR_POSTGRES_RETURN_MS - 1);
	serve_callers(&peer, CALLERS, WEIR_POSTGRES_GATHER_MS);
	for (int i = 0; i < 3; i++) {
		CALL(&callers[i], pool, "SELECT a");
		weir_loop_turn(loop, 0);
		weir_loop_turn(loop, 0);
		assert_int_equal(weir_postgres_waiting(pool), i < 2 ? i + 1 : 0);
		clock_advance(WEIR_POSTGRES_RETURN_MS - 1);
	}
	serve_callers(&peer, 3, 0);
	clock_go_on();
	stop_pool();
	peer_close(&peer);
}

/* -- a real server ----------------------------------------------------------------------------- */

static struct database database;

static struct weir_postgres *make_real_pool(const char *name)
{
	static char real[256];
	snprintf(real, sizeof real, "postgres://weir@/postgres?host=%s&port=%d", database.path,
	        database.port);
	return pool_make(loop, OPTIONS(weir_postgres_options, o.url = real, o.name = name));
}

static void start_adding(struct heard heard[2], struct weir_postgres *to, bool early)
{
	for (int i = 0; i < 2; i++)
		CALL(&heard[i], to, "UPDATE item SET n = n + 1 RETURNING n",
		        o.options.early_lock_release = early, o.options.idempotent = true);
}

/* Two pools change one row, while no standby confirms a commit. */
static void locks_end_before_a_standby_confirms(void **state)
{
	struct heard first[2] = {0}, second[2] = {0}, third[2] = {0};
	(void)state;
	database_make(
	        &database, "synchronous_standby_names = 'absent'\nsynchronous_commit = local");
	database_start(&database);
	database_run(&database, "CREATE TABLE item (n int)");
	database_run(&database, "INSERT INTO item VALUES (0)");
	database_run(&database, "ALTER ROLE weir SET synchronous_commit = on");
	struct weir_postgres *one = make_real_pool("one"), *two = make_real_pool("two");
	start_adding(first, one, true);
	assert_true(TURN_UNTIL(loop, database_waits(&database, "SyncRep") == 1));
	start_adding(second, two, true);
	assert_true(TURN_UNTIL(loop, database_waits(&database, "SyncRep") == 2));
	assert_int_equal(first[0].ends + first[1].ends + second[0].ends + second[1].ends, 0);
	assert_string_equal(database_run(&database, "SELECT n FROM item"), "4");
	/* With the usual release of locks, the next one waits for the commit of the one before. */
	struct weir_postgres *three = make_real_pool("three"), *four = make_real_pool("four");
	start_adding(third, three, false);
	assert_true(TURN_UNTIL(loop, database_waits(&database, "SyncRep") == 3));
	struct heard fourth[2] = {0};
	start_adding(fourth, four, true);
	assert_true(TURN_UNTIL(loop, database_waits(&database, "transactionid") == 1));
	assert_string_equal(database_run(&database, "SELECT n FROM item"), "4");
	database_run(&database, "ALTER SYSTEM SET synchronous_standby_names = ''");
	database_run(&database, "SELECT pg_reload_conf()");
	heard_expect(&first[0], loop, "(1).");
	heard_expect(&first[1], loop, "(2).");
	heard_expect(&second[0], loop, "(3).");
	heard_expect(&second[1], loop, "(4).");
	heard_expect(&third[0], loop, "(5).");
	heard_expect(&third[1], loop, "(6).");
	heard_expect(&fourth[0], loop, "(7).");
	heard_expect(&fourth[1], loop, "(8).");
	/* The setting was that of one transaction. */
	CALL(&first[0], one, "SELECT current_setting('synchronous_commit')");
	heard_expect(&first[0], loop, "(on).");
	start_adding(first, one, true);
	heard_expect(&first[0], loop, "(9).");
	heard_expect(&first[1], loop, "(10).");
	weir_postgres_destroy(one);
	weir_postgres_destroy(two);
	weir_postgres_destroy(three);
	weir_postgres_destroy(four);
	database_remove(&database);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(calls_end_with_the_flush),
	        cmocka_unit_test(only_when_all_calls_want_it),
	        cmocka_unit_test(a_close_at_each_byte),
	        cmocka_unit_test(malformed_replies),
	        cmocka_unit_test(a_server_without_the_setting),
	        cmocka_unit_test(a_standby),
	        cmocka_unit_test(a_flush_that_fails),
	        cmocka_unit_test(a_call_that_fails),
	        cmocka_unit_test(a_commit_that_fails),
	        cmocka_unit_test(an_error_behind_which_the_flush_is_slow),
	        cmocka_unit_test(a_server_that_shuts_down),
	        cmocka_unit_test(a_repetition_that_has_no_turn),
	        cmocka_unit_test(a_flush_that_is_not_confirmed),
	        cmocka_unit_test(a_server_that_reads_little),
	        cmocka_unit_test(each_allocation_fails),
	        cmocka_unit_test(callers_that_return_share_a_batch),
	        cmocka_unit_test(nobody_is_waited_for_after_a_wait_in_vain),
	        cmocka_unit_test(a_late_caller_is_not_held),
	        cmocka_unit_test(a_full_queue_waits_for_nobody),
	        cmocka_unit_test(a_short_wait_has_a_turn),
	        cmocka_unit_test(locks_end_before_a_standby_confirms),
	};
	return cmocka_run_group_tests(tests, played_start_all, played_stop_all);
}
