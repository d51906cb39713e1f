/*
 * Mailboxes in a database whose connections break at each point of each operation, that is full,
 * slow or away. A message that was reported as stored is there once, and none is there in part.
 */
#include "migrated.h"

#include <signal.h>

#include <weir/database_mail.h>

#include "clock.h"
#include "removal.h"
#include "sanitized.h"
#include "severed.h"

static struct weir_database *database; /* through the proxy */

static const struct weir_mail_store_options options = {
        .message_max = 1 << 20, .mailbox_max = 1 << 20, .messages_max = 1000};

static void empty(void)
{
	migrated_run("TRUNCATE weir_body_chunk, weir_body_sweep, weir_body_holder,"
	             " weir_mailbox, weir_message");
}

static int begin(void **state)
{
	scratch_setup(state);
	empty();
	database = migrated_open(severed.url);
	return weir_database_mail_create(database, &options, &store);
}

static int end(void **state)
{
	severed_calm(database, loop);
	severed.refusing = false;
	weir_mail_store_destroy(store);
	weir_database_leave(database, loop);
	weir_database_release(database);
	return scratch_teardown(state);
}

/* What `weir store check` looks for: sums, bodies and owners that do not fit. */
static void expect_sound(void)
{
	assert_string_equal(
	        migrated_run(
	                "SELECT (SELECT count(*) FROM weir_mailbox WHERE octets <> (SELECT"
	                " coalesce(sum(octets), 0) FROM weir_message WHERE mailbox = name) OR"
	                " messages <> (SELECT count(*) FROM weir_message WHERE mailbox = name)),"
	                " (SELECT count(*) FROM weir_message AS m WHERE octets <> (SELECT"
	                " coalesce(sum(length(bytes)), 0) FROM weir_body_chunk WHERE body = m.body)"
	                " OR chunks <> (SELECT count(*) FROM weir_body_chunk WHERE body = m.body)),"
	                " (SELECT count(*) FROM weir_body_chunk AS c WHERE NOT EXISTS (SELECT 1 FROM"
	                " weir_message WHERE body = c.body) AND NOT EXISTS (SELECT 1 FROM"
	                " weir_body_sweep WHERE body = c.body)),"
	                " (SELECT count(*) FROM weir_message AS m WHERE shared AND NOT EXISTS (SELECT"
	                " 1 FROM weir_body_holder WHERE body = m.body AND holder = m.mailbox))"),
	        "0|0|0|0");
}

static long messages_of(const char *user)
{
	char sql[128];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM weir_message WHERE mailbox = '%s'", user);
	return strtol(migrated_run(sql), NULL, 10);
}

/*
 * Runs `operation` with a break after each number of bytes in each direction, up to one that does
 * not come: for large operations in larger steps.
 */
static void break_everywhere(void (*operation)(long), long step)
{
	if (THREAD_SANITIZED)
		step *= 8;
	for (int direction = SEVERED_UP; direction <= SEVERED_DOWN; direction++) {
		bool broken = true;
		for (long bytes = 0; broken; bytes += step) {
			severed_break_after((enum severed_direction)direction, bytes);
			operation(bytes);
			broken = severed_calm(database, loop);
		}
	}
	expect_sound();
}

static void wait_for(const int *done)
{
	for (int i = 0; i < 20000 && !*done; i++)
		weir_loop_turn(loop, 2);
	assert_int_equal(*done, 1);
}

/* Sends so many bytes; returns the errors by `mail`. */
static void send_size(struct mail *mail, const char *users, size_t size)
{
	static char bytes[300 * 1024];
	memset(bytes, 'x', sizeof bytes);
	assert_int_equal(mail_begin(mail, users), 0);
	for (size_t sent = 0; sent < size;) {
		size_t part = size - sent < 50000 ? size - sent : 50000;
		int ready = mail->ready, result = mail_write(mail, bytes, part);
		for (int i = 0; result == WEIR_MAIL_FULL && mail->ready == ready; i++) {
			assert_true(i < 20000);
			weir_loop_turn(loop, 2);
		}
		sent += part;
	}
	mail_commit(mail);
	wait_for(&mail->done);
}

/* -- deliveries -------------------------------------------------------------------------------- */

static long stored; /* in the mailbox of alice */

static void deliver(const char *users, size_t size)
{
	struct mail mail = {0};
	send_size(&mail, users, size);
	for (size_t i = 0; i < mail.count; i++)
		assert_int_equal(mail.errors[i], 0);
	assert_int_equal(messages_of("alice"), ++stored);
}

static void deliver_small(long bytes)
{
	(void)bytes;
	deliver("alice", 700);
}

static void deliver_large(long bytes)
{
	(void)bytes;
	deliver("alice", WEIR_DATABASE_CHUNK + 5);
}

static void deliver_to_several(long bytes)
{
	(void)bytes;
	deliver("alice,bob,alice,carol", 20);
}

/* They share a batch, so that it has early lock release. */
static void deliver_two_at_once(long bytes)
{
	struct mail mails[2] = {0};
	(void)bytes;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mail_begin(&mails[i], "alice"), 0);
		assert_int_equal(mail_write(&mails[i], "two", 3), 0);
		mail_commit(&mails[i]);
	}
	for (int i = 0; i < 2; i++) {
		wait_for(&mails[i].done);
		assert_int_equal(mails[i].errors[0], 0);
	}
	stored += 2;
	assert_int_equal(messages_of("alice"), stored);
}

/* The pool goes on with another connection, so that every delivery succeeds, once. */
static void deliveries_over_connections_that_break(void **state)
{
	(void)state;
	weir_mail_store_destroy(store);
	struct weir_mail_store_options unbound = {.message_max = 1 << 20};
	assert_int_equal(weir_database_mail_create(database, &unbound, &store), 0);
	stored = 0;
	break_everywhere(deliver_small, 101);
	break_everywhere(deliver_large, 3001);
	break_everywhere(deliver_to_several, 103);
	break_everywhere(deliver_two_at_once, 59);
	assert_int_equal(messages_of("bob"), messages_of("carol"));
}

/* The last message that fits: after a break the mailbox is full because of the message itself. */
static unsigned variant; /* of the next function */

static void deliver_the_last(long bytes)
{
	struct mail mail = {0};
	const char *users = variant & 1 ? "alice,bob" : "alice";
	size_t size = variant & 2 ? WEIR_DATABASE_CHUNK + 5 : 500;
	(void)bytes;
	empty();
	mail.together = variant & 4;
	migrated_run("INSERT INTO weir_mailbox (name, octets, messages, next_uid,"
	             " validity) VALUES ('alice', 0, 999, 1000, 1),"
	             " ('bob', 0, 999, 1000, 1)");
	send_size(&mail, users, size);
	for (size_t k = 0; k < mail.count; k++)
		assert_int_equal(mail.errors[k], 0);
	assert_int_equal(messages_of("alice"), 1);
	memset(&mail, 0, sizeof mail);
	send_size(&mail, users, size);
	for (size_t k = 0; k < mail.count; k++)
		assert_int_equal(mail.errors[k], -EDQUOT);
	assert_int_equal(messages_of("alice"), 1);
	empty();
}

static void a_message_that_fills_the_mailbox(void **state)
{
	(void)state;
	for (variant = 0; variant < 8; variant++)
		break_everywhere(deliver_the_last, variant & 2 ? 7001 : 499);
}

/* -- maildrops --------------------------------------------------------------------------------- */

static void open_fetch_and_close(long bytes)
{
	(void)bytes;
	struct weir_span body = {0};
	struct answer answer = {.done = 0};
	weir_maildrop_open(store, loop, WEIR_SPAN("alice"), &answer.call, on_opened);
	wait_for(&answer.done);
	assert_int_equal(answer.error, 0);
	assert_int_equal(answer.drop->count, 2);
	assert_int_equal(fetch(answer.drop, 0, &body, NULL), 0);
	assert_int_equal(body.size, 10);
	assert_int_equal(fetch(answer.drop, 1, &body, NULL), 0);
	assert_int_equal(body.size, 70000);
	weir_maildrop_close(answer.drop);
}

static void reading_over_connections_that_break(void **state)
{
	struct mail mail = {0};
	(void)state;
	send_size(&mail, "alice", 10);
	memset(&mail, 0, sizeof mail);
	send_size(&mail, "alice", 70000);
	break_everywhere(open_fetch_and_close, 997);
}

static void remove_some(long bytes)
{
	struct mail mail = {0};
	size_t removed;
	(void)bytes;
	empty();
	migrated_run(
	        "INSERT INTO weir_mailbox (name, octets, messages, next_uid, validity) VALUES"
	        " ('alice', 30, 3, 4, 1);"
	        "INSERT INTO weir_body_chunk SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid,"
	        " 0, '0123456789' FROM generate_series(1, 3) AS n;"
	        "INSERT INTO weir_body_holder VALUES ('00000000-0000-7000-8000-000000000003', 'alice');"
	        "INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared, dotless, ended)"
	        " SELECT 'alice', n, 10, ('00000000-0000-7000-8000-00000000000' || n)::uuid, 1, n = 3,"
	        " true, true FROM generate_series(1, 3) AS n");
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop_remove(drop, (const uint8_t[]){6}, &removed), 0);
	assert_int_equal(removed, 2);
	weir_maildrop_close(drop);
	assert_int_equal(messages_of("alice"), 1);
	/* Nobody has the lock. */
	assert_int_equal(mail_send_bytes(&mail, "alice", "x", 1), 0);
	drop = must_open("alice");
	assert_int_equal(drop->count, 2);
	weir_maildrop_close(drop);
}

static void removing_over_connections_that_break(void **state)
{
	(void)state;
	break_everywhere(remove_some, 89);
}

/* The connection breaks at any point: the removal goes on by itself, or when it is repeated. */
static void remove_whole(long bytes)
{
	struct mail mail = {0};
	struct removal removal;
	(void)bytes;
	empty();
	migrated_run(
	        "INSERT INTO weir_mailbox (name, octets, messages, next_uid, validity) VALUES"
	        " ('alice', 30, 3, 4, 1), ('bob', 10, 1, 2, 1);"
	        "INSERT INTO weir_body_chunk SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid,"
	        " 0, '0123456789' FROM generate_series(1, 3) AS n;"
	        "INSERT INTO weir_body_holder SELECT '00000000-0000-7000-8000-000000000003', name FROM"
	        " weir_mailbox;"
	        "INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared, dotless, ended)"
	        " SELECT 'alice', n, 10, ('00000000-0000-7000-8000-00000000000' || n)::uuid, 1, n = 3,"
	        " true, true FROM generate_series(1, 3) AS n;"
	        "INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared, dotless, ended)"
	        " SELECT 'bob', 1, octets, body, 1, true, true, true FROM weir_message WHERE shared");
	/* -ENOENT: the one before has ended, without an answer. */
	for (int i = 0; removal_run(&removal, database, "alice") != 0 && removal.error != -ENOENT;
	        i++) {
		assert_int_not_equal(removal.error, -EBUSY);
		assert_true(i < 3);
	}
	assert_string_equal(migrated_run("SELECT name, messages FROM weir_mailbox"), "bob|1");
	assert_int_equal(messages_of("alice"), 0);
	assert_int_equal(messages_of("bob"), 1);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_body_chunk"), "1");
	expect_sound();
	assert_int_equal(mail_send_bytes(&mail, "alice", "x", 1), 0);
}

static void removals_over_connections_that_break(void **state)
{
	(void)state;
	break_everywhere(remove_whole, 97);
}

/* -- a database in trouble --------------------------------------------------------------------- */

static void make_trouble(const char *what)
{
	char sql[512];
	snprintf(sql, sizeof sql,
	        "CREATE OR REPLACE FUNCTION trouble() RETURNS trigger AS $$ BEGIN %s; RETURN NEW; END"
	        " $$ LANGUAGE plpgsql; CREATE OR REPLACE TRIGGER trouble BEFORE INSERT ON"
	        " weir_message FOR EACH ROW EXECUTE FUNCTION trouble()",
	        what);
	migrated_run(sql);
}

static void end_trouble(void)
{
	migrated_run("DROP TRIGGER trouble ON weir_message");
}

static void a_database_that_is_full(void **state)
{
	struct mail mail = {0};
	(void)state;
	make_trouble("RAISE EXCEPTION 'full' USING ERRCODE = '53100'");
	assert_int_equal(mail_send("alice", "x"), -ENOSPC);
	send_size(&mail, "alice,bob", 70000);
	assert_int_equal(mail.errors[0], -ENOSPC);
	assert_int_equal(mail.errors[1], -ENOSPC);
	make_trouble("RAISE EXCEPTION 'read only' USING ERRCODE = '25006'");
	end_trouble();
	assert_int_equal(mail_send("alice", "x"), 0);
	assert_int_equal(messages_of("alice"), 1);
	/* The chunks of the large one have gone, or go. */
	struct answer answer = {.done = 0};
	weir_maildrop_open(store, loop, WEIR_SPAN("bob"), &answer.call, on_opened);
	wait_for(&answer.done);
	weir_maildrop_close(answer.drop);
	expect_sound();
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_body_chunk"), "1");
}

/* One mailbox cannot be written to; the others of the batch are. */
static void one_bad_mailbox_among_many(void **state)
{
	enum {
		MANY = 20
	};
	struct mail mails[MANY] = {0};
	(void)state;
	make_trouble("IF NEW.mailbox = 'user7' THEN RAISE EXCEPTION 'no'; END IF");
	for (int i = 0; i < MANY; i++) {
		char user[16];
		snprintf(user, sizeof user, "user%d", i);
		assert_int_equal(mail_begin(&mails[i], user), 0);
		assert_int_equal(mail_write(&mails[i], "x", 1), 0);
		mail_commit(&mails[i]);
	}
	for (int i = 0; i < MANY; i++) {
		wait_for(&mails[i].done);
		assert_int_equal(mails[i].errors[0], i == 7 ? -EIO : 0);
	}
	end_trouble();
	expect_sound();
}

/* A statement that takes too long is cancelled, and rolled back. */
static void a_database_that_is_slow(void **state)
{
	struct mail mail = {0};
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	make_trouble("PERFORM pg_sleep(60)");
	assert_int_equal(mail_begin(&mail, "alice"), 0);
	assert_int_equal(mail_write(&mail, "x", 1), 0);
	mail_commit(&mail);
	while (strcmp(migrated_run("SELECT count(*) FROM pg_stat_activity WHERE wait_event"
	                           " = 'PgSleep'"),
	               "0") == 0)
		weir_loop_turn(loop, 10);
	clock_advance(WEIR_POSTGRES_ANSWER_MS + 100);
	wait_for(&mail.done);
	assert_int_equal(mail.errors[0], -ETIMEDOUT);
	end_trouble();
	assert_int_equal(messages_of("alice"), 1);
	expect_sound();
}

static void a_database_that_is_away(void **state)
{
	struct mail mail = {0};
	struct answer answer = {.done = 0};
	struct weir_span body = {0};
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	struct weir_maildrop *drop = must_open("alice");
	struct weir_postgres *pool;
	severed.refusing = true;
	assert_int_equal(weir_database_pool(database, loop, &pool), 0);
	assert_true(TURN_UNTIL(loop, weir_postgres_connections(pool) == 0));
	assert_int_equal(mail_begin(&mail, "alice"), 0);
	assert_int_equal(mail_write(&mail, "x", 1), 0);
	mail_commit(&mail);
	weir_maildrop_open(store, loop, WEIR_SPAN("bob"), &answer.call, on_opened);
	for (int i = 0; i < 20; i++)
		weir_loop_turn(loop, 5);
	clock_advance(WEIR_POSTGRES_WAIT_MS + 100);
	wait_for(&mail.done);
	assert_true(mail.errors[0] == -ENOTCONN || mail.errors[0] == -ECONNRESET);
	wait_for(&answer.done);
	assert_int_equal(answer.error, mail.errors[0]);
	severed.refusing = false;
	assert_int_equal(fetch(drop, 0, &body, NULL), 0);
	weir_maildrop_close(drop);
	assert_int_equal(mail_send("alice", "x"), 0);
	assert_int_equal(messages_of("alice"), 2);
	expect_sound();
}

/*
 * A session ends while the database is away for longer than a statement waits: its lease is
 * released when the database is back, not by time.
 */
static void a_lease_is_released_when_the_database_is_back(void **state)
{
	struct answer answer = {.done = 0};
	struct weir_postgres *pool;
	size_t removed;
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	struct weir_maildrop *drop = must_open("alice");
	severed.refusing = true;
	assert_int_equal(weir_database_pool(database, loop, &pool), 0);
	assert_true(TURN_UNTIL(loop, weir_postgres_connections(pool) == 0));
	weir_maildrop_close(drop);
	for (int round = 0; round < 2; round++) {
		clock_advance(WEIR_POSTGRES_WAIT_MS + 100);
		assert_true(TURN_UNTIL(loop, weir_postgres_waiting(pool) == 0));
		clock_advance(1100);
		assert_true(TURN_UNTIL(loop, weir_postgres_waiting(pool) == 1));
	}
	assert_string_equal(
	        migrated_run("SELECT count(*) FROM weir_mailbox WHERE lease > now()"), "1");
	severed.refusing = false;
	clock_advance(WEIR_POSTGRES_BACKOFF_MAX_MS * 2);
	assert_true(TURN_UNTIL(
	        loop, strcmp(migrated_run("SELECT count(session) FROM weir_mailbox"), "0") == 0));
	weir_maildrop_open(store, loop, WEIR_SPAN("alice"), &answer.call, on_opened);
	wait_for(&answer.done);
	assert_int_equal(answer.error, 0);
	assert_int_equal(drop_remove(answer.drop, (const uint8_t[]){1}, &removed), 0);
	weir_maildrop_close(answer.drop);
}

/* The server is killed while messages are stored: what was acknowledged is there. */
static void a_server_that_is_killed(void **state)
{
	enum {
		MANY = 40
	};
	struct mail mails[MANY] = {0};
	(void)state;
	for (int round = 0; round < 3; round++) {
		long good = messages_of("alice"), acknowledged = 0;
		memset(mails, 0, sizeof mails);
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(mail_begin(&mails[i], "alice"), 0);
			assert_int_equal(mail_write(&mails[i], "x", 1), 0);
			mail_commit(&mails[i]);
			if (i % 8 == round)
				weir_loop_turn(loop, 1);
		}
		database_stop(&migrated.server, SIGQUIT);
		weir_loop_turn(loop, 10);
		database_start(&migrated.server);
		for (int i = 0; i < MANY; i++) {
			wait_for(&mails[i].done);
			acknowledged += mails[i].errors[0] == 0;
		}
		/* Of others the outcome may be unknown. */
		assert_in_range(messages_of("alice"), good + acknowledged, good + MANY);
		expect_sound();
		assert_int_equal(mail_send("alice", "x"), 0);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(deliveries_over_connections_that_break),
	        CASE(a_message_that_fills_the_mailbox),
	        CASE(reading_over_connections_that_break),
	        CASE(removing_over_connections_that_break),
	        CASE(removals_over_connections_that_break),
	        CASE(a_database_that_is_full),
	        CASE(one_bad_mailbox_among_many),
	        CASE(a_database_that_is_slow),
	        CASE(a_database_that_is_away),
	        CASE(a_lease_is_released_when_the_database_is_back),
	        CASE(a_server_that_is_killed),
	};
	return cmocka_run_group_tests(tests, severed_setup, severed_teardown);
}
