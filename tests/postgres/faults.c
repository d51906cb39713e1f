/*
 * The pool against a server that is cut off at each byte, answers nonsense, or does not answer; and
 * without memory.
 */
#include "played.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocation.h"
#include "clock.h"
#include "postgres_state.h"

/* -- each byte --------------------------------------------------------------------------------- */

static void a_reply_byte_by_byte(void **state)
{
	struct heard heard = {0};
	struct weir_span bytes = BYTES(ANSWER);
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT a");
	struct peer peer = accept_started();
	await_sync(&peer);
	for (size_t i = 0; i < bytes.size; i++) {
		assert_int_equal(heard.ends, 0);
		peer_send_bytes(&peer, bytes.data + i, 1);
		peer_turn(&peer, 3);
	}
	heard_expect(&heard, loop, "(ok).");
	stop_pool();
	peer_close(&peer);
}

/* The last bytes say that it is committed. Without all of them, nobody knows. */
static void a_close_at_each_byte(void **state)
{
	struct weir_span bytes = BYTES(ANSWER);
	(void)state;
	for (size_t at = 0; at < bytes.size; at++) {
		struct heard heard = {0};
		POOL();
		CALL(&heard, pool, "SELECT a");
		struct peer peer = accept_started();
		answer(&peer, weir_span(bytes.data, at));
		if (at % 2)
			peer_close(&peer);
		else
			peer_reset(&peer);
		quick_await_end(&heard);
		assert_int_equal(heard.outcome, WEIR_POSTGRES_UNKNOWN);
		assert_int_equal(heard.error, -ECONNRESET);
		assert_int_equal(heard.repeated, 0);
		assert_true(strlen(heard.why) > 0);
		heard_clear(&heard);
		stop_pool();
	}
}

/* A call that may run twice does; the rows of the first time are void. */
static void an_idempotent_call_is_repeated(void **state)
{
	struct weir_span bytes = BYTES(ANSWER);
	(void)state;
	for (size_t at = 0; at < bytes.size; at += 3) {
		struct heard heard = {0};
		bool had_row = at >= sizeof PARSED COLUMN VALUE - 1;
		POOL();
		CALL(&heard, pool, "SELECT a", o.options.idempotent = true);
		struct peer peer = accept_started();
		answer(&peer, weir_span(bytes.data, at));
		peer_close(&peer);
		peer = accept_started();
		answer(&peer, bytes);
		heard_expect(&heard, loop, had_row ? "(ok)!(ok)." : "(ok).");
		stop_pool();
		peer_close(&peer);
	}
	/* The rows of a stream are out. */
	struct heard heard = {0};
	POOL();
	CALL(&heard, pool, "SELECT a", o.options.idempotent = true, o.options.stream = true);
	struct peer peer = accept_started();
	answer(&peer, BYTES(PARSED COLUMN VALUE));
	assert_true(TURN_UNTIL(loop, heard.rows == 1));
	peer_close(&peer);
	heard_expect(&heard, loop, "(ok)?");
	stop_pool();
}

static void a_start_that_is_cut_at_each_byte(void **state)
{
	struct weir_span bytes = BYTES(WELCOME);
	struct heard heard = {0};
	(void)state;
	POOL(o.wait_ms = 3600 * 1000);
	CALL(&heard, pool, "SELECT a");
	for (size_t at = 0; at < bytes.size; at++) {
		struct peer peer = accept_any();
		assert_true(peer_read(&peer, 8));
		peer_send_bytes(&peer, bytes.data, at);
		peer_close(&peer);
		assert_int_equal(heard.ends, 0);
	}
	struct peer peer = accept_started();
	answer(&peer, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	stop_pool();
	peer_close(&peer);
}

/* Each byte changed in two ways: the call ends, and the connection is not used on in the dark. */
static void malformed_replies(void **state)
{
	static const char masks[] = {'\x80', '\x7f', '\1'};
	struct weir_span bytes = BYTES(ANSWER);
	(void)state;
	for (size_t i = 0; i < bytes.size * sizeof masks; i++) {
		struct heard heard = {0};
		char changed[sizeof ANSWER];
		memcpy(changed, bytes.data, bytes.size);
		changed[i / sizeof masks] ^= masks[i % sizeof masks];
		POOL();
		CALL(&heard, pool, "SELECT a");
		struct peer peer = accept_started();
		answer(&peer, weir_span(changed, bytes.size));
		peer_turn(&peer, 5);
		peer_close(&peer);
		quick_await_end(&heard);
		heard_clear(&heard);
		stop_pool();
	}
}

static void replies_out_of_step(void **state)
{
	static const struct {
		struct weir_span bytes;
		const char *heard;
	} cases[] = {
	        {BYTES(READY), "?"}, {BYTES(PARSED READY), "?"},
	        {BYTES("G\0\0\0\7\0\0\0"), "?"},        /* CopyInResponse */
	        {BYTES(PARSED "H\0\0\0\7\0\0\0"), "?"}, /* CopyOutResponse */
	        {BYTES(PARSED COLUMN VALUE VALUE SELECTED READY), "(ok)(ok)."},
	        {BYTES("A\0\0\0\14\0\0\0\7a\0b\0" ANSWER), "(ok)."},         /* a notification */
	        {BYTES("N\0\0\0\11MHi\0\0" ANSWER), "(ok)."},                /* a notice */
	        {BYTES(PARSED COLUMN VALUE SELECTED "Z\0\0\0\5T"), "(ok)u"}, /* in a transaction */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct heard heard = {0};
		POOL();
		CALL(&heard, pool, "SELECT a");
		struct peer peer = accept_started();
		answer(&peer, cases[i].bytes);
		heard_await_end(&heard, loop);
		if (!weir_span_equal(weir_buffer_span(&heard.text), weir_span_of(cases[i].heard)))
			fail_msg("%zu: %.*s, %s", i, (int)heard.text.size, heard.text.data,
			        heard.why);
		heard_clear(&heard);
		stop_pool();
		peer_close(&peer);
	}
}

/* -- errors of the server ---------------------------------------------------------------------- */

/* At a statement: rolled back. At the commit: who knows. */
static void a_server_that_shuts_down(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT a");
	struct peer peer = accept_started();
	answer(&peer, BYTES(PARSED COLUMN VALUE ERROR("FATAL", "57P01")));
	peer_close(&peer);
	peer = accept_started();
	answer(&peer, BYTES(PARSED COLUMN VALUE SELECTED ERROR("FATAL", "57P01")));
	peer_close(&peer);
	heard_expect(&heard, loop, "(ok)!(ok)?");
	/* While the connection is idle: the next call has another one. */
	CALL(&heard, pool, "SELECT a");
	peer = accept_started();
	answer(&peer, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	peer_send_bytes(&peer, ERROR("FATAL", "57P01"), sizeof ERROR("FATAL", "57P01") - 1);
	peer_close(&peer);
	assert_true(TURN_UNTIL(loop, weir_postgres_connections(pool) == 0));
	stop_pool();
}

static void a_serialization_failure_is_repeated_some_times(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL(o.wait_ms = 3600 * 1000);
	CALL(&heard, pool, "SELECT a");
	struct peer peer = accept_started();
	for (int i = 0; i <= WEIR_POSTGRES_RETRIES_MAX; i++) {
		assert_int_equal(heard.ends, 0);
		for (int k = 0; k < 20 && !peer.got.size; k++) {
			clock_advance(200);
			peer_read_more(&peer);
		}
		answer(&peer, BYTES(PARSED ERROR("ERROR", "40001") READY));
	}
	heard_await_end(&heard, loop);
	assert_string_equal(heard.state, "40001");
	assert_string_equal(heard.why, "because");
	assert_int_equal(heard.repeated, WEIR_POSTGRES_RETRIES_MAX);
	heard_expect(&heard, loop, "u");
	/* The connection is good. */
	CALL(&heard, pool, "SELECT a");
	answer(&peer, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	stop_pool();
	peer_close(&peer);
}

/* A server that ends each connection at its first statement is not asked at full speed. */
static void a_server_that_fails_at_each_statement(void **state)
{
	struct heard heard = {0};
	unsigned connections = 0;
	(void)state;
	POOL(o.wait_ms = 1500);
	CALL(&heard, pool, "SELECT a", o.options.idempotent = true);
	while (!heard.ends) {
		int fd = played_try_accept();
		if (fd < 0) {
			weir_loop_turn(loop, 1);
			continue;
		}
		struct peer peer = {.fd = fd, .loop = loop};
		connections++;
		assert_true(peer_read(&peer, 8));
		peer.got.size = 0;
		peer_send_bytes(&peer, WELCOME, sizeof WELCOME - 1);
		await_sync(&peer);
		peer_close(&peer);
	}
	assert_true(connections >= 2 && connections < 12);
	heard_expect(&heard, loop, "?");
	stop_pool();
}

/* -- silence ----------------------------------------------------------------------------------- */

/* The server is asked to cancel, by a connection of its own; then the outcome stays unknown. */
static void a_server_that_does_not_answer(void **state)
{
	struct heard heard = {0};
	static const char cancel[] = "\0\0\0\20\4\322\26\56\0\0\0\7\0\0\0\11";
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT a", o.options.idempotent = true);
	struct peer peer = accept_started();
	await_sync(&peer);
	clock_advance(WEIR_POSTGRES_ANSWER_MS + 100);
	struct peer other = accept_any();
	assert_true(peer_read(&other, 16));
	assert_memory_equal(other.got.data, cancel, 16);
	peer_close(&other);
	assert_int_equal(heard.ends, 0);
	clock_advance(WEIR_POSTGRES_CANCEL_MS + 100);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, -ETIMEDOUT);
	heard_expect(&heard, loop, "?");
	stop_pool();
	peer_close(&peer);
}

/* It is not cancelled before long, since that could make it a success that no standby has. */
static void a_commit_that_is_not_confirmed(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT a", o.options.idempotent = true);
	struct peer peer = accept_started();
	answer(&peer, BYTES(PARSED COLUMN VALUE SELECTED));
	assert_true(TURN_UNTIL(loop, heard.rows == 1));
	peer_turn(&peer, 5);
	clock_advance(WEIR_POSTGRES_ANSWER_MS + 100);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, -ETIMEDOUT);
	heard_expect(&heard, loop, "(ok)?");
	peer_turn(&peer, 20);
	assert_int_equal(played_try_accept(), -1);
	clock_advance(WEIR_POSTGRES_LATE_MS);
	struct peer other = accept_any();
	assert_true(peer_read(&other, 16));
	peer_close(&other);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	stop_pool();
}

enum {
	SOON_MS = 1000, /* an answer is late behind this time */
};

/* A commit that was not confirmed in time; the connection stays at the server. */
static struct peer leave_commit(void)
{
	struct heard heard = {0};
	CALL(&heard, pool, "SELECT a");
	struct peer peer = accept_started();
	answer(&peer, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	CALL(&heard, pool, "SELECT a");
	answer(&peer, BYTES(PARSED COLUMN VALUE SELECTED));
	assert_true(TURN_UNTIL(loop, heard.rows == 1));
	peer_turn(&peer, 5);
	clock_advance(SOON_MS + 100);
	heard_await_end(&heard, loop);
	heard_expect(&heard, loop, "(ok)?");
	return peer;
}

/* The session is not left open then. A notice is no confirmation. */
static void a_commit_that_is_confirmed_late(void **state)
{
	static const char notice[] = "N\0\0\0\45SNOTICE\0VNOTICE\0C00000\0Mbecause\0\0";
	char byte;
	(void)state;
	POOL(o.answer_ms = SOON_MS);
	struct peer peer = leave_commit();
	peer_send_bytes(&peer, notice, sizeof notice - 1);
	peer_turn(&peer, 20);
	assert_int_equal(recv(peer.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	peer_send_bytes(&peer, READY, sizeof READY - 1);
	assert_true(peer_read_end(&peer));
	clock_advance(WEIR_POSTGRES_LATE_MS);
	peer_turn(&peer, 20);
	assert_int_equal(played_try_accept(), -1);
	stop_pool();
	peer_close(&peer);
}

/* Nothing is left of it, and nothing is cancelled. */
static void a_pool_that_ends_before_a_commit(void **state)
{
	(void)state;
	POOL(o.answer_ms = SOON_MS);
	struct peer peer = leave_commit();
	stop_pool();
	assert_true(peer_read_end(&peer));
	clock_advance(WEIR_POSTGRES_LATE_MS);
	peer_turn(&peer, 20);
	assert_int_equal(played_try_accept(), -1);
	peer_close(&peer);
}

/* Each is a session of the server. */
static void commits_without_an_answer_are_few(void **state)
{
	struct peer peers[WEIR_POSTGRES_LATE_MAX];
	struct heard heard = {0};
	(void)state;
	POOL(o.answer_ms = SOON_MS);
	for (size_t i = 0; i < WEIR_POSTGRES_LATE_MAX; i++)
		peers[i] = leave_commit();
	CALL(&heard, pool, "SELECT a");
	peer_turn(&peers[0], 20);
	assert_int_equal(played_try_accept(), -1);
	peer_send_bytes(&peers[3], READY, sizeof READY - 1);
	struct peer peer = accept_started();
	answer(&peer, BYTES(ANSWER));
	heard_expect(&heard, loop, "(ok).");
	stop_pool();
	peer_close(&peer);
	for (size_t i = 0; i < WEIR_POSTGRES_LATE_MAX; i++)
		peer_close(&peers[i]);
}

/* A stream begins beside them; its commit is cancelled. */
static void a_stream_beside_commits_without_an_answer(void **state)
{
	struct peer peers[WEIR_POSTGRES_LATE_MAX];
	struct heard heard = {0};
	(void)state;
	POOL(o.answer_ms = SOON_MS);
	for (size_t i = 0; i < WEIR_POSTGRES_LATE_MAX; i++)
		peers[i] = leave_commit();
	CALL(&heard, pool, "SELECT a", o.options.stream = true);
	struct peer peer = accept_started();
	answer(&peer, BYTES(PARSED COLUMN VALUE SELECTED));
	assert_true(TURN_UNTIL(loop, heard.rows == 1));
	peer_turn(&peer, 5);
	clock_advance(SOON_MS + 100);
	struct peer other = {.fd = -1, .loop = loop};
	assert_true(TURN_UNTIL(loop, (other.fd = played_try_accept()) >= 0));
	assert_true(peer_read(&other, 16));
	assert_memory_equal(other.got.data, "\0\0\0\20\4\322\26\56", 8);
	peer_close(&other);
	peer_send_bytes(&peer, READY, sizeof READY - 1);
	heard_expect(&heard, loop, "(ok)?");
	stop_pool();
	peer_close(&peer);
	for (size_t i = 0; i < WEIR_POSTGRES_LATE_MAX; i++)
		peer_close(&peers[i]);
}

/* It may have ended the wait of the commit for a standby. */
static void a_cancel_that_comes_too_late(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL();
	CALL(&heard, pool, "SELECT a", o.options.idempotent = true);
	struct peer peer = accept_started();
	await_sync(&peer);
	clock_advance(WEIR_POSTGRES_ANSWER_MS + 100);
	struct peer other = accept_any();
	assert_true(peer_read(&other, 16));
	peer_close(&other);
	peer_send_bytes(&peer, ANSWER, sizeof ANSWER - 1);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, -ETIMEDOUT);
	heard_expect(&heard, loop, "(ok)?");
	stop_pool();
	peer_close(&peer);
}

/* A start that never ends is given up, and the wait of the call has an end. */
static void a_server_that_does_not_start(void **state)
{
	struct heard heard = {0};
	(void)state;
	POOL(o.connect_ms = 500, o.wait_ms = 2000);
	CALL(&heard, pool, "SELECT a");
	struct peer peer = accept_any();
	clock_advance(600);
	assert_true(peer_read_end(&peer));
	peer_close(&peer);
	clock_advance(2000);
	heard_await_end(&heard, loop);
	assert_int_equal(heard.error, -ENOTCONN);
	assert_string_equal(heard.why, "no answer of 127.0.0.1 in time");
	heard_expect(&heard, loop, "u");
	stop_pool();
}

/* A server that reads nothing: statements that have not left cannot be committed. */
static void a_server_that_reads_nothing(void **state)
{
	enum {
		CALLS = 4
	};
	struct heard heard[CALLS] = {0};
	static char large[WEIR_POSTGRES_CALL_BYTES - 100];
	(void)state;
	memset(large, 'x', sizeof large - 1);
	POOL(o.batch_bytes = o.waiting_bytes = 64 << 20);
	for (int i = 0; i < CALLS; i++)
		CALL(&heard[i], pool, "SELECT $1::text", o.values[0] = large);
	struct peer peer = accept_any();
	assert_true(peer_read(&peer, 8));
	peer_send_bytes(&peer, WELCOME, sizeof WELCOME - 1);
	peer_turn(&peer, 50);
	assert_int_equal(weir_postgres_waiting(pool), 0);
	peer_reset(&peer);
	peer = accept_started();
	assert_int_equal(heard[0].ends, 0);
	await_sync(&peer);
	for (int i = 0; i < CALLS; i++)
		peer_send_bytes(&peer, PARSED COLUMN VALUE SELECTED,
		        sizeof PARSED COLUMN VALUE SELECTED - 1);
	peer_send_bytes(&peer, READY, sizeof READY - 1);
	for (int i = 0; i < CALLS; i++)
		heard_expect(&heard[i], loop, "(ok).");
	stop_pool();
	peer_close(&peer);
}

static struct peer reader;
static char reader_end[5]; /* the last bytes that the server has got */

/* The server reads all that has come, and notes the last bytes. */
static void reader_drain(void)
{
	static char bytes[65536];
	ssize_t got;
	while ((got = recv(reader.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
		size_t size = (size_t)got < sizeof reader_end ? (size_t)got : sizeof reader_end;
		memmove(reader_end, reader_end + size, sizeof reader_end - size);
		memcpy(reader_end + sizeof reader_end - size, bytes + got - size, size);
	}
}

static void late_on_row(void *context, const struct weir_postgres_row *row)
{
	reader_drain();
	heard_events.row(context, row);
}

/*
 * The server fails once it has the sync, which leaves while rows are read: when a row is reported,
 * the server makes room, and what libpq reads next sends the rest.
 */
static void a_sync_that_leaves_late(void **state)
{
	static const char sync[] = "S\0\0\0\4";
	static char large[2 << 20];
	struct weir_postgres_events events = heard_events;
	(void)state;
	events.row = late_on_row;
	for (size_t round = 0; round < 16; round++) {
		struct heard heard = {0};
		struct weir_postgres_value value =
		        weir_postgres_binary(large, sizeof large - round * 10000);
		struct weir_postgres_statement statement = {"SELECT $1::bytea", &value, 1};
		struct weir_postgres_call_options options = OPTIONS(
		        weir_postgres_call_options, o.statements = &statement, o.stream = true);
		POOL();
		reader = played_make_narrow_connection();
		assert_int_equal(
		        weir_postgres_call_start(pool, &options, &events, &heard, &heard.call), 0);
		memset(reader_end, 0, sizeof reader_end);
		assert_true(TURN_UNTIL(loop, weir_postgres_waiting(pool) == 0));
		peer_send_bytes(&reader, PARSED COLUMN, sizeof PARSED COLUMN - 1);
		for (int i = 0; i < 5000 && memcmp(reader_end, sync, 5) != 0; i++) {
			(void)!send(reader.fd, VALUE, sizeof VALUE - 1, MSG_NOSIGNAL);
			weir_postgres_call_pause(heard.call);
			weir_postgres_call_resume(heard.call);
			weir_loop_turn(loop, 0);
			reader_drain();
		}
		assert_memory_equal(reader_end, sync, 5);
		peer_reset(&reader);
		heard_await_end(&heard, loop);
		assert_true(heard.rows > 5);
		assert_int_equal(heard.outcome, WEIR_POSTGRES_UNKNOWN);
		heard_clear(&heard);
		stop_pool();
	}
}

/* The end of the connection is noticed once the stream goes on, and costs no turns until then. */
static void a_server_that_goes_while_a_stream_is_paused(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct heard heard = {.pause_at = 1};
		struct pollfd events = {.fd = weir_loop_fd(loop), .events = POLLIN};
		POOL();
		CALL(&heard, pool, "SELECT a", o.options.stream = true);
		struct peer peer = accept_started();
		answer(&peer, BYTES(PARSED COLUMN VALUE VALUE));
		assert_true(TURN_UNTIL(loop, heard.rows == 1));
		if (reset)
			peer_reset(&peer);
		else
			peer_close(&peer);
		clock_advance(2 * WEIR_POSTGRES_ANSWER_MS);
		for (int i = 0; i < 10; i++)
			weir_loop_turn(loop, 1);
		assert_int_equal(poll(&events, 1, 0), 0);
		assert_int_equal(heard.ends, 0);
		weir_postgres_call_resume(heard.call);
		heard_expect(&heard, loop, "(ok)(ok)?");
		stop_pool();
	}
}

/* -- the pool's own failures ------------------------------------------------------------------- */

static void a_pool_is_destroyed_at_each_moment(void **state)
{
	(void)state;
	for (int turns = 0; turns < 40; turns++) {
		struct heard heard[2] = {0};
		POOL();
		CALL(&heard[0], pool, "SELECT a");
		CALL(&heard[1], pool, "SELECT a", o.options.stream = true);
		struct peer peers[8];
		int count = 0;
		for (int i = 0; i < turns; i++) {
			int fd = played_try_accept();
			if (fd >= 0 && count < 8) {
				peers[count++] = (struct peer){.fd = fd, .loop = loop};
				peer_send_bytes(&peers[count - 1], WELCOME PARSED COLUMN,
				        sizeof WELCOME PARSED COLUMN - 1 - (turns % 7));
			}
			weir_loop_turn(loop, 0);
		}
		stop_pool();
		for (int i = 0; i < count; i++)
			peer_close(&peers[i]);
		while (weir_loop_turn(loop, 2), (count = played_try_accept()) >= 0)
			close(count);
		heard_clear(&heard[0]);
		heard_clear(&heard[1]);
	}
}

/* One run of a pool, of which an allocation fails. Returns whether one did. */
static bool run_without_memory(unsigned good, bool stream)
{
	struct heard heard = {0};
	char why[WEIR_POSTGRES_WHY_MAX], name[16];
	struct weir_postgres_options options = OPTIONS(weir_postgres_options, o.url = url,
	        o.statements_max = stream, o.name = name, o.wait_ms = 60000);
	snprintf(name, sizeof name, "m%u", good);
	pool = NULL;
	fail_allocation_after(good, false);
	int error = weir_postgres_create(loop, &options, why, &pool);
	if (!error)
		error = heard_start(&heard, pool,
		        OPTIONS(calling, o.text = "SELECT a", o.options.stream = stream));
	assert_true(error == 0 || error == -ENOMEM);
	if (!error) {
		/* The first connection may fail, but not the call. */
		for (int i = 0; i < 3; i++)
			weir_loop_turn(loop, 0);
		bool failed = stop_failing_allocations();
		struct peer peer = accept_started();
		/* The replies are the same if it is not prepared, for want of memory. */
		answer(&peer, BYTES(ANSWER));
		heard_expect(&heard, loop, "(ok).");
		peer_close(&peer);
		stop_pool();
		return failed;
	}
	assert_true(stop_failing_allocations());
	stop_pool();
	heard_clear(&heard);
	return true;
}

static void each_allocation_fails(void **state)
{
	(void)state;
	for (unsigned good = 0; run_without_memory(good, false); good++)
		assert_true(good < 100);
	for (unsigned good = 0; run_without_memory(good, true); good++)
		assert_true(good < 100);
}

/* The poller refuses each watch once: the connection is given up, the call is not. */
static void each_watch_fails(void **state)
{
	(void)state;
	for (unsigned good = 0; good < 6; good++) {
		struct heard heard = {0};
		POOL();
		CALL(&heard, pool, "SELECT a", o.options.idempotent = true);
		fail_epoll_ctl(good, 1, ENOSPC);
		for (int i = 0; i < 5 && !heard.ends; i++) {
			struct peer peer = accept_any();
			peer_send_bytes(&peer, WELCOME, sizeof WELCOME - 1);
			if (played_try_await_sync(&peer))
				peer_send_bytes(&peer, ANSWER, sizeof ANSWER - 1);
			peer_turn(&peer, 5);
			peer_close(&peer);
		}
		fail_epoll_ctl(0, 0, 0);
		heard_await_end(&heard, loop);
		heard_clear(&heard);
		stop_pool();
	}
}

/* -- all --------------------------------------------------------------------------------------- */

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_reply_byte_by_byte),
	        cmocka_unit_test(a_close_at_each_byte),
	        cmocka_unit_test(an_idempotent_call_is_repeated),
	        cmocka_unit_test(a_start_that_is_cut_at_each_byte),
	        cmocka_unit_test(malformed_replies),
	        cmocka_unit_test(replies_out_of_step),
	        cmocka_unit_test(a_server_that_shuts_down),
	        cmocka_unit_test(a_serialization_failure_is_repeated_some_times),
	        cmocka_unit_test(a_server_that_fails_at_each_statement),
	        cmocka_unit_test(a_server_that_does_not_answer),
	        cmocka_unit_test(a_commit_that_is_not_confirmed),
	        cmocka_unit_test(a_commit_that_is_confirmed_late),
	        cmocka_unit_test(a_pool_that_ends_before_a_commit),
	        cmocka_unit_test(commits_without_an_answer_are_few),
	        cmocka_unit_test(a_stream_beside_commits_without_an_answer),
	        cmocka_unit_test(a_cancel_that_comes_too_late),
	        cmocka_unit_test(a_server_that_does_not_start),
	        cmocka_unit_test(a_server_that_reads_nothing),
	        cmocka_unit_test(a_sync_that_leaves_late),
	        cmocka_unit_test(a_server_that_goes_while_a_stream_is_paused),
	        cmocka_unit_test(a_pool_is_destroyed_at_each_moment),
	        cmocka_unit_test(each_allocation_fails),
	        cmocka_unit_test(each_watch_fails),
	};
	return cmocka_run_group_tests(tests, played_start_all, played_stop_all);
}
