/* The properties of mailboxes, in a database; two front ends; and what only a database has. */
#include "migrated.h"

#include <malloc.h>

#include <weir/database_mail.h>

#include "../store/mail_cases.h"

#include "../store/mail_at_once.h"
#include "clock.h"
#include "database_state.h"
#include "sanitized.h"

static struct weir_database *database, *another; /* two front ends */

static int create_in_database(
        const struct weir_mail_store_options *options, struct weir_mail_store **ret)
{
	return weir_database_mail_create(database, options, ret);
}

static void leave(struct weir_loop *left)
{
	weir_database_leave(database, left);
	weir_database_leave(another, left);
}

static void empty(void)
{
	migrated_run("TRUNCATE weir_body_chunk, weir_body_sweep, weir_body_holder,"
	             " weir_mailbox, weir_message");
}

static const struct mail_kind in_database = {
        .create = create_in_database, .prepare = empty, .leave = leave, .connects = true};

static int begin_in_database(void **state)
{
	return begin_kind(state, &in_database);
}

static void two_front_ends_at_once(void **state)
{
	struct weir_mail_store *other;
	(void)state;
	struct weir_mail_store_options options =
	        OPTIONS(weir_mail_store_options, o.mailbox_max = 1 << 20);
	bound(options);
	assert_int_equal(weir_database_mail_create(another, &options, &other), 0);
	check_at_once(other, leave);
	weir_mail_store_destroy(other);
}

/* -- leases ------------------------------------------------------------------------------------ */

#define LEASE "SELECT session IS NOT NULL AND lease > now() FROM weir_mailbox WHERE name = 'alice'"

static void a_lease_is_renewed(void **state)
{
	(void)state;
	struct weir_maildrop *drop = must_open("alice");
	for (int i = 0; i < 3; i++) {
		migrated_run("UPDATE weir_mailbox SET lease = now() + interval '1 second'");
		while (strcmp(migrated_run("SELECT lease > now() + interval '100 seconds'"
		                           " FROM weir_mailbox"),
		               "t") != 0) {
			if (!migrated_awaits_server(database, loop))
				clock_advance(WEIR_MAILDROP_LEASE_S * 1000 / 3 + 100);
			for (int k = 0; k < 5; k++)
				weir_loop_turn(loop, 5);
		}
	}
	weir_maildrop_close(drop);
	migrated_await(loop, LEASE, "f");
}

/* An import raises the validity after the lock of a session, and before its list. */
static void the_list_and_its_uidls_are_of_one_moment(void **state)
{
	struct weir_mail_info info;
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	migrated_run(
	        "CREATE FUNCTION raise_validity() RETURNS trigger AS $$ BEGIN UPDATE weir_mailbox SET"
	        " validity = 4000000000; RETURN NULL; END $$ LANGUAGE plpgsql;"
	        "CREATE TRIGGER raise_validity AFTER UPDATE ON weir_mailbox FOR EACH ROW WHEN"
	        " (pg_trigger_depth() = 0) EXECUTE FUNCTION raise_validity()");
	struct weir_maildrop *drop = must_open("alice");
	migrated_run("DROP TRIGGER raise_validity ON weir_mailbox");
	weir_maildrop_info(drop, 0, &info);
	assert_string_equal(info.uid, "4000000000.0000000001");
	weir_maildrop_close(drop);
}

/* RFC 1939 7: a row with another text has a UIDL of its UID. */
static void a_uidl_has_no_other_characters(void **state)
{
	static const char *const texts[] = {
	        "E'a\\r\\n.\\r\\n+OK'", "'a b'", "'\u00e4'", "E'\\x7f'", "''", "repeat('x', 71)"};
	struct weir_mail_info info;
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	migrated_run("UPDATE weir_mailbox SET validity = 7");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char sql[128];
		snprintf(sql, sizeof sql, "UPDATE weir_message SET uidl = %s", texts[i]);
		migrated_run(sql);
		struct weir_maildrop *drop = must_open("alice");
		weir_maildrop_info(drop, 0, &info);
		assert_string_equal(info.uid, "7.0000000001");
		weir_maildrop_close(drop);
	}
}

/* Another program may have made a row with any UID: it can be fetched and removed. */
static void a_uid_may_be_negative(void **state)
{
	size_t removed;
	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(mail_send("alice", "x"), 0);
	migrated_run("UPDATE weir_message SET uid = -uid");
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, 2);
	assert_message(drop, 0, "x");
	assert_int_equal(drop_remove(drop, (const uint8_t[]){3}, &removed), 0);
	assert_int_equal(removed, 2);
	weir_maildrop_close(drop);
}

/* A delivery after the lock of a session, and before its list, may be lost in a crash. */
static void the_list_ends_with_the_lease(void **state)
{
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	migrated_run(
	        "CREATE FUNCTION deliver() RETURNS trigger AS $$ BEGIN"
	        " UPDATE weir_mailbox SET next_uid = 3, messages = 2;"
	        " INSERT INTO weir_message (mailbox, uid, body, octets, chunks, shared, dotless,"
	        " ended) SELECT mailbox, 2, body, octets, chunks, shared, dotless, ended"
	        " FROM weir_message; RETURN NULL; END $$ LANGUAGE plpgsql;"
	        "CREATE TRIGGER deliver AFTER UPDATE ON weir_mailbox FOR EACH ROW WHEN"
	        " (pg_trigger_depth() = 0) EXECUTE FUNCTION deliver()");
	struct weir_maildrop *drop = must_open("alice");
	migrated_run("DROP TRIGGER deliver ON weir_mailbox");
	assert_int_equal(drop->count, 1);
	weir_maildrop_close(drop);
	drop = must_open("alice");
	assert_int_equal(drop->count, 2);
	weir_maildrop_close(drop);
}

/* Another front end has the mailbox when the lease of the first one is over. */
static void a_session_that_lost_its_lease_removes_nothing(void **state)
{
	struct weir_mail_store *mine = store, *other;
	struct weir_maildrop *drops[2];
	size_t removed;
	(void)state;
	assert_int_equal(weir_database_mail_create(another, NULL, &other), 0);
	for (int renewed = 0; renewed < 2; renewed++) {
		store = mine;
		assert_int_equal(mail_send("alice", "x"), 0);
		drops[0] = must_open("alice");
		store = other;
		assert_int_equal(drop_open("alice", &drops[1]), -EBUSY);
		migrated_run("UPDATE weir_mailbox SET lease = now()");
		drops[1] = must_open("alice");
		/* It may hear of that before, or not. */
		if (renewed) {
			clock_advance(WEIR_MAILDROP_LEASE_S * 1000 / 3 + 100);
			for (int i = 0; i < 30; i++)
				weir_loop_turn(loop, 5);
		}
		assert_message(drops[0], 0, "x");
		assert_int_equal(drop_remove(drops[0], (const uint8_t[]){1}, &removed), -EBUSY);
		assert_int_equal(removed, 0);
		weir_maildrop_close(drops[0]);
		assert_string_equal(migrated_run(LEASE), "t");
		assert_int_equal(drop_remove(drops[1], (const uint8_t[]){1}, &removed), 0);
		assert_int_equal(removed, 1);
		weir_maildrop_close(drops[1]);
		assert_string_equal(migrated_run(LEASE), "f");
	}
	weir_mail_store_destroy(other);
	store = mine;
}

static void an_open_that_is_cancelled_unlocks(void **state)
{
	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		struct answer answer = {.done = 0};
		weir_maildrop_open(store, loop, WEIR_SPAN("alice"), &answer.call, on_opened);
		for (int i = 0; i < turns && !answer.done; i++)
			weir_loop_turn(loop, 1);
		if (answer.done)
			weir_maildrop_close(answer.drop);
		else
			weir_mail_call_cancel(store, &answer.call);
		int done = answer.done;
		for (int i = 0; i < 1000; i++) {
			struct weir_maildrop *drop;
			int error = drop_open("alice", &drop);
			weir_maildrop_close(drop);
			if (error == 0)
				break;
			assert_int_equal(error, -EBUSY);
			assert_true(i < 20);
		}
		assert_int_equal(answer.done, done);
	}
}

/* The loop leaves while calls are under way that nobody waits for. */
static void a_loop_that_leaves(void **state)
{
	(void)state;
	for (int turns = 0; turns < 8; turns++) {
		struct answer answer = {.done = 0};
		assert_int_equal(mail_send("alice,bob", "x"), 0);
		struct weir_maildrop *drop = must_open("alice");
		weir_maildrop_open(store, loop, WEIR_SPAN("bob"), &answer.call, on_opened);
		struct answer removing = {.done = 0};
		weir_maildrop_remove(drop, (const uint8_t[]){255}, &removing.call, on_removed);
		for (int i = 0; i < turns && !answer.done && !removing.done; i++)
			weir_loop_turn(loop, 1);
		if (!answer.done)
			weir_mail_call_cancel(store, &answer.call);
		weir_mail_call_cancel(store, &removing.call);
		weir_maildrop_close(answer.drop);
		weir_maildrop_close(drop);
		leave(loop);
		migrated_run("UPDATE weir_mailbox SET session = NULL, lease = NULL");
	}
}

/* -- bodies, sizes ----------------------------------------------------------------------------- */

/* Shared and large bodies are removed by the sweep, once nobody has them. */
static void bodies_go_with_their_last_message(void **state)
{
	static char large[100000];
	struct mail mail = {0};
	uint8_t marks[2] = {255, 255};
	size_t removed;
	(void)state;
	memset(large, 'x', sizeof large);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(mail_send_bytes(&mail, "alice,bob", large, 10), 0);
		assert_int_equal(mail_send_bytes(&mail, "alice", large, i ? 5 : sizeof large), 0);
	}
	assert_string_equal(migrated_run("SELECT count(DISTINCT body) FROM weir_body_chunk"), "24");
	struct weir_maildrop *drop = must_open("bob");
	assert_int_equal(drop_remove(drop, marks, &removed), 0);
	weir_maildrop_close(drop);
	migrated_await(loop, "SELECT count(*) FROM weir_body_sweep", "0");
	/* Alice has all of them. */
	drop = must_open("alice");
	assert_int_equal(drop->count, 24);
	for (size_t i = 0; i < 24; i++) {
		struct weir_span bytes = {0};
		assert_int_equal(fetch(drop, i, &bytes, NULL), 0);
		assert_int_equal(bytes.size, i % 2 == 0 ? 10 : i == 1 ? sizeof large : 5);
	}
	assert_int_equal(drop_remove(drop, (const uint8_t[]){255, 255, 255}, &removed), 0);
	assert_int_equal(removed, 24);
	weir_maildrop_close(drop);
	migrated_await(loop,
	        "SELECT (SELECT count(*) FROM weir_body_sweep) + (SELECT count(*) FROM"
	        " weir_body_chunk) + (SELECT count(*) FROM weir_body_holder)",
	        "0");
}

/* More messages than one statement removes, and than a batch lists. */
static void a_large_mailbox(void **state)
{
	enum {
		MANY = 2 * WEIR_DATABASE_REMOVE_MAX + 500
	};
	uint8_t marks[MANY / 8 + 1];
	size_t removed;
	(void)state;
	migrated_run("INSERT INTO weir_mailbox (name, octets, messages, next_uid, validity)"
	             " VALUES ('alice', 5000, 2500, 2501, 7);"
	             "INSERT INTO weir_message (mailbox, uid, octets, body, chunks, shared,"
	             " dotless, ended) SELECT 'alice', n, 2, gen_random_uuid(), 1, false,"
	             " n % 2 = 0, true FROM generate_series(1, 2500) AS n;"
	             "INSERT INTO weir_body_chunk SELECT body, 0, 'xy' FROM weir_message");
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->count, MANY);
	assert_int_equal(drop->octets, 5000);
	assert_string_equal(info_of(drop, 41).uid, "7.0000000042");
	memset(marks, 255, sizeof marks);
	marks[0] = 254;
	assert_int_equal(drop_remove(drop, marks, &removed), 0);
	assert_int_equal(removed, MANY - 1);
	weir_maildrop_close(drop);
	assert_string_equal(migrated_run("SELECT octets, messages, next_uid, (SELECT count(*) FROM"
	                                 " weir_body_chunk) FROM weir_mailbox"),
	        "2|1|2501|1");
	drop = must_open("alice");
	assert_message(drop, 0, "xy");
	weir_maildrop_close(drop);
}

struct usages {
	unsigned count;
	uint64_t octets, messages;
};

static void note_usage(void *context, const struct weir_mailbox_usage *usage)
{
	struct usages *usages = context;
	usages->count++;
	usages->octets += usage->octets;
	usages->messages += usage->messages;
}

static void counters_and_sizes(void **state)
{
	struct mail mail = {0};
	struct usages usages = {0};
	struct weir_mail_store_counters counters;
	(void)state;
	weir_mail_store_each_usage(store, note_usage, &usages);
	assert_int_equal(usages.count, 0);
	bound(OPTIONS(weir_mail_store_options, o.mailbox_max = 20));
	assert_int_equal(mail_send("alice", "0123456789"), 0);
	assert_int_equal(mail_send_bytes(&mail, "alice,bob,bob", "01234", 5), 0);
	assert_int_equal(mail_send("alice", "0123456789"), -EDQUOT);
	weir_mail_store_count(store, &counters);
	assert_int_equal(counters.messages, 3);
	assert_int_equal(counters.files, 2);
	assert_int_equal(counters.over_quota, 1);
	weir_mail_store_each_usage(store, note_usage, &usages);
	assert_int_equal(usages.count, 2);
	assert_int_equal(usages.octets, 20);
	assert_int_equal(usages.messages, 3);
	/* The database counts, not what a front end remembers. */
	migrated_run("UPDATE weir_mailbox SET octets = 20 WHERE name = 'bob'");
	assert_int_equal(mail_send("bob", "0"), -EDQUOT);
	assert_int_equal(mail_check("bob", 1), -EDQUOT);
}

/* -- memory ------------------------------------------------------------------------------------ */

#if SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* The bytes that are allocated. */
static size_t memory_now(void)
{
#if SANITIZED
	return __sanitizer_get_current_allocated_bytes();
#else
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
#endif
}

/* A message of 64 MB, in and out: only some buffers are allocated at any time. */
static void a_message_in_constant_memory(void **state)
{
	enum {
		PIECE = 64 * 1024,
		PIECES = 1024,
		MOST = 6 << 20 /* libpq's buffers, and chunks on their way */
	};
	static char piece[PIECE];
	struct mail mail = {0};
	struct answer answer = {.done = 0};
	(void)state;
	memset(piece, 'x', sizeof piece);
	assert_int_equal(mail_send_bytes(&mail, "bob", piece, sizeof piece), 0);
	size_t before = memory_now();
	assert_int_equal(mail_begin(&mail, "alice"), 0);
	for (int i = 0; i < PIECES; i++) {
		int ready = mail.ready, result = mail_write(&mail, piece, sizeof piece);
		assert_true(result >= 0);
		if (result == WEIR_MAIL_FULL)
			turn_until(&mail.ready, ready + 1);
		assert_true(memory_now() < before + MOST);
	}
	mail_commit(&mail);
	turn_until(&mail.done, 1);
	assert_int_equal(mail.errors[0], 0);
	struct weir_maildrop *drop = must_open("alice");
	assert_int_equal(drop->octets, (uint64_t)PIECE * PIECES);
	weir_maildrop_fetch(drop, 0, &answer.call, on_fetched);
	turn_until(&answer.done, 1);
	struct drain drained = {.loop = loop, .room = PIECE, .pieces = 8};
	drained.stop_at = 20 << 20;
	weir_buffer_reserve(&drained.bytes, 21 << 20, SIZE_MAX);
	size_t reserved = (size_t)21 << 20;
	assert_null(drain(&drained, answer.body.producer));
	assert_true(memory_now() < before + reserved + MOST);
	drain_free(&drained);
	weir_maildrop_close(drop);
}

/* A chunk that no front end has made: as it is read whole, it is not read. */
static void a_huge_chunk_is_not_read(void **state)
{
	struct answer answer = {.done = 0};
	(void)state;
	assert_int_equal(mail_send("alice", "x"), 0);
	migrated_run("UPDATE weir_body_chunk SET bytes = decode(repeat('78', 8388608), 'hex');"
	             "UPDATE weir_message SET octets = 8388608");
	struct weir_maildrop *drop = must_open("alice");
	size_t before = memory_now();
	weir_maildrop_fetch(drop, 0, &answer.call, on_fetched);
	turn_until(&answer.done, 1);
	assert_true(memory_now() < before + (1 << 20));
	assert_int_equal(answer.error, -ENOENT);
	/* The one behind the first. */
	migrated_run("UPDATE weir_message SET octets = 8388609;"
	             "UPDATE weir_body_chunk SET number = 1;"
	             "INSERT INTO weir_body_chunk SELECT body, 0, 'x' FROM weir_message");
	answer.done = 0;
	weir_maildrop_fetch(drop, 0, &answer.call, on_fetched);
	turn_until(&answer.done, 1);
	assert_int_equal(answer.error, 0);
	struct drain drained = {.loop = loop, .room = 70000, .pieces = 8};
	assert_null(drain(&drained, answer.body.producer));
	assert_int_equal(drained.end, WEIR_FAILED);
	assert_int_equal(drained.bytes.size, 1);
	drain_free(&drained);
	weir_maildrop_close(drop);
}

/* -- the end ----------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	migrated_setup(state);
	database = migrated_open(NULL);
	another = migrated_open(NULL);
	return 0;
}

static int stop_all(void **state)
{
	weir_database_release(database);
	weir_database_release(another);
	return migrated_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MAIL_TESTS(begin_in_database),
	        MAIL_TEST(a_message_in_constant_memory, begin_in_database),
	        MAIL_TEST(a_huge_chunk_is_not_read, begin_in_database),
	        MAIL_TEST(two_front_ends_at_once, begin_in_database),
	        MAIL_TEST(a_lease_is_renewed, begin_in_database),
	        MAIL_TEST(the_list_and_its_uidls_are_of_one_moment, begin_in_database),
	        MAIL_TEST(the_list_ends_with_the_lease, begin_in_database),
	        MAIL_TEST(a_uidl_has_no_other_characters, begin_in_database),
	        MAIL_TEST(a_uid_may_be_negative, begin_in_database),
	        MAIL_TEST(a_session_that_lost_its_lease_removes_nothing, begin_in_database),
	        MAIL_TEST(an_open_that_is_cancelled_unlocks, begin_in_database),
	        MAIL_TEST(a_loop_that_leaves, begin_in_database),
	        MAIL_TEST(bodies_go_with_their_last_message, begin_in_database),
	        MAIL_TEST(a_large_mailbox, begin_in_database),
	        MAIL_TEST(counters_and_sizes, begin_in_database),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
